import { open, readFile, type FileHandle } from "node:fs/promises";
import type { Clock } from "../kernel/clock.ts";
import { matcherOf, originOf, stampOf, textOf } from "./line.ts";
import type { LogFilter } from "./ports.ts";
import { decodeRecords, type Segment, type StoredLine } from "./segment.ts";
import type { AppLog, Snapshot } from "./store.ts";

const READ_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

export interface ReadOptions {
  lines: number;
  tail: boolean;
  /** The id of the last line that the reader has; replaces `lines`. */
  afterId: number | null;
  signal: AbortSignal;
}

/**
 * The last lines of a log that pass the filter, then, with `tail`, what comes. A tail reads the files behind the writer, so a slow
 * reader costs no memory; lines that are gone before it comes by are counted in an L11 line.
 */
export async function* readLog(log: AppLog, filter: LogFilter, options: ReadOptions, clock: Clock): AsyncGenerator<StoredLine> {
  const leave = log.enter();
  try {
    yield* readLines(log, matcherOf(filter), options, clock);
  } finally {
    leave();
  }
}

async function* readLines(
  log: AppLog,
  matches: (text: string) => boolean,
  options: ReadOptions,
  clock: Clock,
): AsyncGenerator<StoredLine> {
  const snapshot = await log.snapshot();
  let lastId = snapshot.nextId - 1;
  if (options.afterId !== null && options.afterId <= lastId) {
    lastId = options.afterId;
  } else if (options.lines > 0) {
    yield* await backlog(snapshot, matches, options.lines);
  }
  if (!options.tail && options.afterId === null) return;
  const since = clock.now();
  const tail = new Tail(log, lastId);
  try {
    while (!options.signal.aborted && !log.isClosed) {
      const { lines, missed } = await tail.next();
      if (missed > 0) {
        const message = `Error L11 (Tail buffer overflow) -> This tail session dropped ${missed} messages since ${since.toISOString()}`;
        yield { id: lines[0]!.id - 1, text: textOf(stampOf(clock.now()), originOf("heroku", "logplex"), message) };
      }
      for (const line of lines) if (matches(line.text)) yield line;
      if (lines.length > 0) continue;
      if (!options.tail) return;
      await log.grown(tail.nextId, options.signal);
    }
  } finally {
    await tail.close();
  }
}

async function backlog(snapshot: Snapshot, matches: (text: string) => boolean, count: number): Promise<StoredLine[]> {
  let found: StoredLine[] = [];
  for (const segment of snapshot.segments.toReversed()) {
    if (found.length >= count) break;
    // A segment that was dropped a moment ago has nothing to say.
    const content = await readFile(segment.path).catch(() => Buffer.alloc(0));
    const lines = [...decodeRecords(content.subarray(0, segment.bytes), 0)].filter((line) => matches(line.text));
    found = [...lines, ...found].slice(-count);
  }
  return found;
}

/** Reads on from one line, segment by segment. */
export class Tail {
  readonly #log: AppLog;
  readonly #buffer = Buffer.allocUnsafe(READ_BYTES);
  #open: { firstId: number; handle: FileHandle } | null = null;
  #offset = 0;
  nextId: number;

  constructor(log: AppLog, lastId: number) {
    this.#log = log;
    this.nextId = lastId + 1;
  }

  /** The next few lines, none when all are read, and how many before them are no longer there. */
  async next(): Promise<{ lines: StoredLine[]; missed: number }> {
    for (;;) {
      const { segments, nextId } = await this.#log.snapshot();
      if (nextId <= this.nextId) return { lines: [], missed: 0 };
      if (this.#open === null && !(await this.#enter(segments))) return { lines: [], missed: 0 };
      const current = this.#open!;
      const segment = segments.find(({ firstId }) => firstId === current.firstId);
      const lines = await this.#read(current.handle, segment?.bytes ?? Infinity);
      const first = lines[0];
      if (first === undefined) {
        // At the end of this segment: the lines that are still to come are in a later one, unless somebody cut the file.
        if (segment !== undefined && segment === segments.at(-1)) this.nextId = nextId;
        await this.close();
        continue;
      }
      const missed = Math.max(0, first.id - this.nextId);
      this.nextId = lines.at(-1)!.id + 1;
      return { lines, missed };
    }
  }

  async close(): Promise<void> {
    const open = this.#open;
    this.#open = null;
    await open?.handle.close();
  }

  /** Opens the segment that holds the next line, or the oldest one there is. */
  async #enter(segments: readonly Segment[]): Promise<boolean> {
    const holding = segments.findLast(({ firstId }) => firstId <= this.nextId) ?? segments[0];
    if (holding === undefined) return false;
    try {
      this.#open = { firstId: holding.firstId, handle: await open(holding.path, "r") };
      this.#offset = 0;
      return true;
    } catch (cause) {
      // It has just been dropped: the caller looks again.
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return await this.#enter(segments.filter((one) => one !== holding));
      throw cause;
    }
  }

  async #read(handle: FileHandle, end: number): Promise<StoredLine[]> {
    for (;;) {
      const length = Math.min(READ_BYTES, end - this.#offset);
      if (length <= 0) return [];
      const { bytesRead } = await handle.read(this.#buffer, 0, length, this.#offset);
      const whole = this.#buffer.lastIndexOf(NEWLINE, bytesRead - 1) + 1;
      if (bytesRead === 0 || whole === 0) return [];
      this.#offset += whole;
      const lines = [...decodeRecords(this.#buffer.subarray(0, whole), this.nextId - 1)];
      if (lines.length > 0) return lines;
    }
  }
}
