import { createReadStream, existsSync } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";

interface Live {
  handle: Promise<FileHandle>;
  size: number;
  tail: Promise<void>;
  waiting: Set<() => void>;
}

/**
 * Append-only text files that can be followed while they grow: the output of builds and release commands. A reader gets everything
 * from the first byte, then what comes, and ends when the writer ends it.
 */
export class Outputs {
  readonly #live = new Map<string, Live>();

  /** Begins (truncates) the file at `path`, mode 0600. No effect on one that is being written already. */
  async begin(path: string): Promise<void> {
    let live = this.#live.get(path);
    if (live === undefined) {
      const handle = open(path, "w", 0o600);
      // Live before the file is there: whoever finds the file must not take it for one that has ended.
      live = { handle, size: 0, tail: handle.then(() => {}).catch(() => {}), waiting: new Set() };
      this.#live.set(path, live);
    }
    try {
      await live.handle;
    } catch (error) {
      this.#live.delete(path);
      wake(live);
      throw error;
    }
  }

  /** Appends; order is kept. Resolves when the bytes are in the file, or the disk has refused them. No effect after `end`. */
  async write(path: string, chunk: string | Buffer): Promise<void> {
    const live = this.#live.get(path);
    if (live === undefined) return;
    const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    live.tail = live.tail.then(async () => {
      try {
        const handle = await live.handle;
        for (let at = 0; at < bytes.length;) {
          const { bytesWritten } = await handle.write(bytes, at);
          at += bytesWritten;
          live.size += bytesWritten;
        }
      } catch {
        // A disk that takes no more costs output, and neither the build nor those who follow it.
      }
      wake(live);
    });
    await live.tail;
  }

  /** Ends the file: its followers finish. */
  async end(path: string): Promise<void> {
    const live = this.#live.get(path);
    if (live === undefined) return;
    await live.tail;
    this.#live.delete(path);
    wake(live);
    await (await live.handle).close();
  }

  isLive(path: string): boolean {
    return this.#live.has(path);
  }

  /** Everything in the file and, while it is being written, everything that comes. Ends at once when there is no such file. */
  async *follow(path: string, signal?: AbortSignal): AsyncGenerator<Buffer> {
    let offset = 0;
    let resume = (): void => {};
    signal?.addEventListener("abort", () => resume(), { once: true });
    for (;;) {
      const live = this.#live.get(path);
      if (existsSync(path) && (live === undefined || live.size > offset)) {
        for await (const chunk of createReadStream(path, { start: offset })) {
          offset += (chunk as Buffer).length;
          yield chunk as Buffer;
        }
      }
      const still = this.#live.get(path);
      if (live === undefined || signal?.aborted === true) return;
      // Ended meanwhile: once more round, to read the last bytes.
      if (still === undefined) continue;
      if (still.size > offset) continue;
      await new Promise<void>((resolve) => {
        resume = resolve;
        still.waiting.add(resolve);
      });
    }
  }
}

function wake(live: Live): void {
  const waiting = [...live.waiting];
  live.waiting.clear();
  for (const resume of waiting) resume();
}
