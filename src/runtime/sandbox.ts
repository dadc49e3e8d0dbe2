import { spawn } from "node:child_process";
import type { Clock } from "../kernel/clock.ts";

/** The builder's `Sandbox` port: the runtime cannot import it, and implements it by shape. */
export interface BuildSandbox {
  readonly isolated: boolean;
  run(command: BuildCommand): Promise<BuildEnding>;
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

/**
 * Runs the helper that carries a build's command, until it ends, its time is up or its signal aborts it; then `kill` must end everything
 * the command has started.
 */
export async function superviseBuild(
  argv: string[],
  options: { command: BuildCommand; env: Record<string, string>; cwd: string; clock: Clock; kill: () => Promise<void> },
): Promise<BuildEnding> {
  const { command, clock } = options;
  if (command.signal.aborted) return { exitCode: KILLED, reason: "aborted" };
  const [program = "", ...args] = argv;
  const child = spawn(program, args, { env: options.env, cwd: options.cwd, stdio: ["ignore", "pipe", "pipe"], detached: true });
  for (const stream of [child.stdout, child.stderr]) stream.on("data", command.onOutput);
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
  try {
    const exitCode = await new Promise<number>((resolve, reject) => {
      child.on("error", reject);
      // The helper may have started something in the moment it was killed.
      child.on("exit", () => void (reason !== "exit" && options.kill().catch(() => {})));
      child.on("close", (code) => resolve(code ?? KILLED));
    });
    await killing;
    return { exitCode, reason };
  } finally {
    cancel();
    command.signal.removeEventListener("abort", abort);
  }
}
