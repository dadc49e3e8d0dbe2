import { type ChildProcess, spawn as spawnChild } from "node:child_process";
import { constants } from "node:os";
import { spawn as spawnTerminal } from "@lydell/node-pty";
import type { AttachedDyno } from "./ports.ts";

/** What carries input and output of an attached program; the driver adds how it is signalled. */
export type Attachment = Omit<AttachedDyno, "signal">;

const CTRL_D = "\u0004";

/** Runs a command with a terminal of the given size, or with pipes (standard output and error come together as the command writes them). */
export function attachCommand(
  argv: string[],
  options: { env: Record<string, string>; cwd: string; terminal: { columns: number; rows: number } | null },
): Attachment {
  return options.terminal === null ? withPipes(argv, options) : withTerminal(argv, { ...options, terminal: options.terminal });
}

function withTerminal(
  [program = "", ...args]: string[],
  options: { env: Record<string, string>; cwd: string; terminal: { columns: number; rows: number } },
): Attachment {
  const terminal = spawnTerminal(program, args, {
    name: options.env["TERM"] ?? "xterm",
    cols: options.terminal.columns,
    rows: options.terminal.rows,
    cwd: options.cwd,
    env: options.env,
    // Raw bytes, although the types of node-pty say text.
    encoding: null,
  });
  const output = new Listeners();
  terminal.onData((chunk) => output.tell(Buffer.from(chunk as string | Buffer)));
  return {
    onOutput: (listener) => output.add(listener),
    pause: () => terminal.pause(),
    resume: () => terminal.resume(),
    write: (chunk) => terminal.write(chunk as unknown as string),
    end: () => terminal.write(CTRL_D),
    exited: new Promise((resolve) => {
      terminal.onExit(({ exitCode, signal }) => resolve({ exitCode: signal ? 128 + signal : exitCode }));
    }),
  };
}

function withPipes([program = "", ...args]: string[], options: { env: Record<string, string>; cwd: string }): Attachment {
  const child: ChildProcess = spawnChild(program, args, { env: options.env, cwd: options.cwd, detached: true });
  const output = new Listeners();
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => output.tell(chunk));
  // The program may leave before it has read its input.
  child.stdin?.on("error", () => {});
  return {
    onOutput: (listener) => output.add(listener),
    pause: () => {
      child.stdout?.pause();
      child.stderr?.pause();
    },
    resume: () => {
      child.stdout?.resume();
      child.stderr?.resume();
    },
    write: (chunk) => void child.stdin?.write(chunk),
    end: () => child.stdin?.end(),
    exited: new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => resolve({ exitCode: code ?? 128 + constants.signals[signal ?? "SIGKILL"] }));
    }),
  };
}

/** Keeps what comes before somebody listens. */
class Listeners {
  readonly #listeners: ((chunk: Buffer) => void)[] = [];
  #early: Buffer[] = [];

  add(listener: (chunk: Buffer) => void): void {
    this.#listeners.push(listener);
    for (const chunk of this.#early) listener(chunk);
    this.#early = [];
  }

  tell(chunk: Buffer): void {
    if (this.#listeners.length === 0) this.#early.push(chunk);
    for (const listener of this.#listeners) listener(chunk);
  }
}
