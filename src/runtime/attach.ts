import { type ChildProcess, spawn as spawnChild } from "node:child_process";
import { constants } from "node:os";
import type { Writable } from "node:stream";
import { spawn as spawnTerminal } from "@lydell/node-pty";
import type { AttachedDyno } from "./ports.ts";

/** What carries input and output of an attached program; the driver adds how it is signalled. */
export type Attachment = Omit<AttachedDyno, "signal">;

const CTRL_D = "\u0004";

/**
 * Runs a command with a terminal of the given size, or with pipes (standard output and error come together as the command writes them).
 * `relays`: the command makes the program's terminal itself, and ours only passes bytes on.
 */
export function attachCommand(
  argv: string[],
  options: { env: Record<string, string>; cwd: string; terminal: { columns: number; rows: number } | null; relays?: boolean },
): Attachment {
  return options.terminal === null ? withPipes(argv, options) : withTerminal(argv, { ...options, terminal: options.terminal });
}

/**
 * Between the birth of a terminal and the moment when a relaying command makes it raw, Ctrl-D would be taken for a key of this terminal and
 * be lost: so it is made raw first, and says so with this byte.
 */
const READY = "\u0006";
const MAKE_RAW = 'stty raw -echo && printf "\\006" && exec "$@"';

function withTerminal(
  argv: string[],
  options: { env: Record<string, string>; cwd: string; terminal: { columns: number; rows: number }; relays?: boolean },
): Attachment {
  const relays = options.relays === true;
  const [program = "", ...args] = relays ? ["/bin/sh", "-c", MAKE_RAW, "attach", ...argv] : argv;
  const terminal = spawnTerminal(program, args, {
    name: options.env["TERM"] ?? "xterm",
    cols: options.terminal.columns,
    rows: options.terminal.rows,
    cwd: options.cwd,
    env: options.env,
    // Raw bytes, although the types of node-pty say text.
    encoding: null,
  });
  const write = (chunk: Buffer | string): void => terminal.write(chunk as string);
  const output = new Listeners();
  let early: (Buffer | string)[] | null = relays ? [] : null;
  terminal.onData((data) => {
    let chunk = Buffer.from(data as string | Buffer);
    if (early !== null) {
      if (chunk.toString("latin1", 0, 1) === READY) chunk = chunk.subarray(1);
      for (const input of early) write(input);
      early = null;
    }
    if (chunk.length > 0) output.tell(chunk);
  });
  const send = (chunk: Buffer | string): void => {
    if (early === null) write(chunk);
    else early.push(chunk);
  };
  return {
    onOutput: (listener) => output.add(listener),
    pause: () => terminal.pause(),
    resume: () => terminal.resume(),
    write: send,
    unread: () => (early ?? []).reduce((sum, input) => sum + input.length, inputOf(terminal)?.writableLength ?? 0),
    end: () => send(CTRL_D),
    exited: new Promise((resolve) => {
      terminal.onExit(({ exitCode, signal }) => resolve({ exitCode: signal ? 128 + signal : exitCode }));
    }),
  };
}

/** node-pty does not tell how much input waits for the program; the stream that it writes to does. */
function inputOf(terminal: object): Writable | undefined {
  return (terminal as { _socket?: Writable })._socket;
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
    unread: () => child.stdin?.writableLength ?? 0,
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
