import { type IPty, spawn } from "@lydell/node-pty";

const PATIENCE_MS = 30_000;

/** A program on a terminal of its own: what people see and type. */
export class Terminal {
  readonly #pty: IPty;
  #seen = "";
  #listeners = new Set<() => void>();
  /** Resolves with the exit code. */
  readonly exited: Promise<number>;

  constructor(argv: string[], options: { cwd: string; env: Record<string, string> }) {
    const [program = "", ...args] = argv;
    this.#pty = spawn(program, args, { name: "xterm", cols: 120, rows: 40, ...options });
    this.#pty.onData((text) => {
      this.#seen += text;
      for (const listener of this.#listeners) listener();
    });
    this.exited = new Promise((resolve) => {
      this.#pty.onExit(({ exitCode }) => resolve(exitCode));
    });
  }

  /** Everything that has appeared so far. */
  get seen(): string {
    return this.#seen;
  }

  type(text: string): void {
    this.#pty.write(text);
  }

  /** Waits until something that matches has appeared. */
  async shows(pattern: RegExp): Promise<void> {
    if (pattern.test(this.#seen)) return;
    await new Promise<void>((resolve, reject) => {
      const finish = (outcome: () => void): void => {
        clearTimeout(timer);
        this.#listeners.delete(look);
        outcome();
      };
      const look = (): void => {
        if (pattern.test(this.#seen)) finish(resolve);
      };
      const timer = setTimeout(() => {
        this.#pty.kill();
        finish(() => reject(new Error(`the terminal never showed ${pattern}, but:\n${this.#seen}`)));
      }, PATIENCE_MS);
      this.#listeners.add(look);
    });
  }
}
