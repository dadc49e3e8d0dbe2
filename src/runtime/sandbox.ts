import { type ChildProcess, spawn } from "node:child_process";
import type { Clock } from "../kernel/clock.ts";

/** The builder's `Sandbox` port: the runtime cannot import it, and implements it by shape. */
export interface BuildSandbox {
  readonly isolated: boolean;
  run(command: BuildCommand): Promise<BuildEnding>;
  stand?(place: BuildPlace): Promise<BuildStandby>;
}

export type BuildPlace = Pick<BuildCommand, "id" | "stack" | "cwd" | "uid" | "mounts" | "memoryBytes">;

/** A place for a command that is not known yet. */
export interface BuildStandby {
  run(command: Pick<BuildCommand, "argv" | "env" | "timeoutMilliseconds" | "signal" | "onOutput">): Promise<BuildEnding>;
  drop(): Promise<void>;
}

export interface BuildEnding {
  exitCode: number;
  reason: "exit" | "timeout" | "memory" | "aborted";
}

/** One command of a build, as the builder's port has it. */
export interface BuildCommand {
  id: string;
  stack: string;
  argv: string[];
  env: Record<string, string>;
  cwd: string;
  uid: number;
  mounts: { host: string; inside: string; writable: boolean }[];
  memoryBytes: number;
  timeoutMilliseconds: number;
  signal: AbortSignal;
  onOutput: (chunk: Buffer) => void;
}

/** A build may use this many processes: parallel compilers are many. */
export const BUILD_PROCESSES = 4096;

const KILLED = 137;

/** Prefix for an argv whose standard output and error shall come as one stream, in the order they were written. */
export const ONE_STREAM = ["/bin/sh", "-c", 'exec "$@" 2>&1', "sh"];

/** The program that carries a build's command, and its exit code. */
export interface BuildHelper {
  child: ChildProcess;
  ended: Promise<number>;
}

export function startHelper(argv: string[], options: { env: Record<string, string>; stdin: "ignore" | "pipe" }): BuildHelper {
  const [program = "", ...args] = argv;
  const child = spawn(program, args, { env: options.env, cwd: "/", stdio: [options.stdin, "pipe", "pipe"], detached: true });
  // A helper that has died does not read: its exit code tells.
  child.stdin?.on("error", () => {});
  const ended = new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? KILLED));
  });
  ended.catch(() => {});
  return { child, ended };
}

/**
 * Waits for the end of a build's command, until its time is up or its signal aborts it; then `kill` must end everything the command has
 * started.
 */
export async function superviseBuild(
  { child, ended }: BuildHelper,
  options: {
    command: Pick<BuildCommand, "timeoutMilliseconds" | "signal" | "onOutput">;
    clock: Clock;
    kill: () => Promise<void>;
  },
): Promise<BuildEnding> {
  const { command, clock } = options;
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", command.onOutput);
  let reason: BuildEnding["reason"] = "exit";
  let killing: Promise<void> = Promise.resolve();
  const end = (why: "timeout" | "aborted"): void => {
    if (reason !== "exit") return;
    reason = why;
    child.kill("SIGKILL");
    killing = options.kill();
  };
  const abort = (): void => end("aborted");
  const cancel = clock.after(command.timeoutMilliseconds, () => end("timeout"));
  command.signal.addEventListener("abort", abort, { once: true });
  // The helper may have started something in the moment it was killed.
  child.on("exit", () => void (reason !== "exit" && options.kill().catch(() => {})));
  if (command.signal.aborted) abort();
  try {
    const exitCode = await ended;
    await killing;
    return { exitCode, reason };
  } finally {
    cancel();
    command.signal.removeEventListener("abort", abort);
  }
}
