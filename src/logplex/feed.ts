import { Tail } from "./read.ts";
import type { StoredLine } from "./segment.ts";
import type { AppLog } from "./store.ts";

/** Lines are handed out in pieces of about this size at most. */
const MOST_BYTES = 1024 * 1024;

/** Every line of an app's log from one on, for a drain: it reads behind the writer, as slowly as it must. */
export class Feed {
  readonly #log: AppLog;
  readonly #tail: Tail;
  readonly #leave: () => void;
  /** Lines that are read and not yet given out, and how many are missing before the first of them. */
  #read: StoredLine[] = [];
  #missed = 0;

  private constructor(log: AppLog, lastId: number, leave: () => void) {
    this.#log = log;
    this.#tail = new Tail(log, lastId);
    this.#leave = leave;
  }

  /** Begins behind the line `afterId`; null: with what comes from now on. */
  static async open(log: AppLog, afterId: number | null): Promise<Feed> {
    // First: a log without readers may be let go of.
    const leave = log.enter();
    const last = (await log.snapshot()).nextId - 1;
    return new Feed(log, afterId === null ? last : Math.min(afterId, last), leave);
  }

  /** Id of the line before the next one. */
  get lastId(): number {
    return (this.#read[0]?.id ?? this.#tail.nextId) - 1;
  }

  /**
   * Waits for lines and returns up to `most` of them, as many as there are now, and how many before them are no longer there; null: the
   * log is closed, or the signal has aborted.
   */
  async next(most: number, signal: AbortSignal): Promise<{ lines: StoredLine[]; missed: number } | null> {
    while (this.#read.length === 0) {
      if (signal.aborted || this.#log.isClosed) return null;
      if (!(await this.#readOn())) await this.#log.grown(this.#tail.nextId, signal);
    }
    const missed = this.#missed;
    this.#missed = 0;
    let bytes = 0;
    // Up to a gap: it is counted in front of the lines that follow it.
    while (this.#read.length < most && bytes < MOST_BYTES && this.#missed === 0) {
      const before = this.#read.length;
      if (!(await this.#readOn())) break;
      if (this.#missed > 0) return { lines: this.#read.splice(0, before), missed };
      for (const { text } of this.#read.slice(before)) bytes += text.length;
    }
    return { lines: this.#read.splice(0, most), missed };
  }

  /** False: all is read. */
  async #readOn(): Promise<boolean> {
    const { lines, missed } = await this.#tail.next();
    this.#missed += missed;
    this.#read.push(...lines);
    return lines.length > 0;
  }

  async close(): Promise<void> {
    this.#leave();
    await this.#tail.close();
  }
}
