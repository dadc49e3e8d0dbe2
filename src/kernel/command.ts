import { spawn, type SpawnOptions } from "node:child_process";

/** A finished child process. `stdout` and `stderr` are decoded as UTF-8. */
export interface CommandResult {
  exitCode: number;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  cwd?: string;
  /** The whole environment of the child; nothing is inherited unless given here. */
  env?: Record<string, string>;
  input?: string | Buffer;
  signal?: AbortSignal;
  uid?: number;
  gid?: number;
  /** Most bytes kept of each output; the rest is dropped. */
  maxBytes?: number;
  onStdout?: (chunk: Buffer) => void;
  onStderr?: (chunk: Buffer) => void;
}

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;

/** A command that ended with another exit code than 0, or by a signal. */
export class CommandError extends Error {
  override name = "CommandError";
  readonly result: CommandResult;

  constructor(argv: readonly string[], result: CommandResult) {
    const ending = result.signal ? `was ended by ${result.signal}` : `exited with status ${result.exitCode}`;
    super(`${argv.join(" ")} ${ending}: ${(result.stderr || result.stdout).trim().slice(-2000)}`);
    this.result = result;
  }
}

/**
 * Runs one program from an argv array, never through a shell, and resolves with its outcome, whatever the exit code.
 * Rejects only when the program cannot be started or the signal aborts it (SIGKILL to the child).
 */
export async function runCommand(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const [program, ...rest] = argv;
  if (program === undefined) throw new Error("runCommand: empty argv");
  const spawnOptions: SpawnOptions = { stdio: ["pipe", "pipe", "pipe"], killSignal: "SIGKILL" };
  if (options.cwd !== undefined) spawnOptions.cwd = options.cwd;
  if (options.env !== undefined) spawnOptions.env = options.env;
  if (options.signal !== undefined) spawnOptions.signal = options.signal;
  if (options.uid !== undefined) spawnOptions.uid = options.uid;
  if (options.gid !== undefined) spawnOptions.gid = options.gid;
  const child = spawn(program, rest, spawnOptions);
  const max = options.maxBytes ?? DEFAULT_MAX_BYTES;
  const stdout = collect(max);
  const stderr = collect(max);
  child.stdout?.on("data", (chunk: Buffer) => {
    stdout.add(chunk);
    options.onStdout?.(chunk);
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr.add(chunk);
    options.onStderr?.(chunk);
  });
  // The child may leave before it has read its input: that is its affair, and the exit code tells.
  child.stdin?.on("error", () => {});
  child.stdin?.end(options.input ?? "");
  return await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      resolve({ exitCode: code ?? 128, signal, stdout: stdout.text(), stderr: stderr.text() });
    });
  });
}

/** Like `runCommand`, and throws a `CommandError` on any other exit code than 0. */
export async function mustRun(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const result = await runCommand(argv, options);
  if (result.exitCode !== 0 || result.signal !== null) throw new CommandError(argv, result);
  return result;
}

function collect(max: number): { add(chunk: Buffer): void; text(): string } {
  const chunks: Buffer[] = [];
  let size = 0;
  return {
    add(chunk) {
      if (size >= max) return;
      chunks.push(chunk.subarray(0, max - size));
      size += chunk.length;
    },
    text: () => Buffer.concat(chunks).toString("utf8"),
  };
}
