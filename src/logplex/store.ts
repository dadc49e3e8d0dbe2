import { mkdir, open, rm, unlink, type FileHandle } from "node:fs/promises";
import type { Clock } from "../kernel/clock.ts";
import type { Journal } from "../kernel/journal.ts";
import { originOf, stampOf, textOf } from "./line.ts";
import type { Room } from "./room.ts";
import { apply, type Cursor, type Cursors, encodeBatch, loadSegments, type Segment, segmentPath } from "./segment.ts";

/** Heroku keeps the last 1,500 lines of an app (article "Limits"). */
const MIN_LINES_KEPT = 1_500;
/** A segment that has grown this long is followed by a new one. */
const SEGMENT_BYTES = 1024 * 1024;
/** More than this is kept only when 1,500 lines need it. */
const MAX_BYTES_KEPT = 4 * 1024 * 1024;
/** While somebody reads, a burst stays longer: a tail that lags a second behind loses nothing. */
const MAX_BYTES_KEPT_FOR_READERS = 16 * 1024 * 1024;
/** Lines that wait for the disk; what comes on top is dropped and counted. */
const MAX_PENDING_BYTES = 16 * 1024 * 1024;
/** One write to the file: small enough that readers and other apps come between two of them. */
const MAX_WRITE_LINES = 4_000;

interface State {
  segments: Segment[];
  nextId: number;
  cursors: Record<string, Cursor>;
  handle: FileHandle | null;
  /** The present segment has no commit yet: the first one holds all positions, so that older segments can go. */
  isFresh: boolean;
}

/** What a reader sees at one moment. */
export interface Snapshot {
  segments: readonly Segment[];
  nextId: number;
}

/** The log of one app: lines with growing ids in a bounded row of files. It is loaded when first used. */
export class AppLog {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #journal: Journal;
  /** Null: there is always room. */
  readonly #room: Room | null;
  #state: Promise<State> | null = null;
  #pending: string[] = [];
  #pendingBytes = 0;
  #pendingCursors: Cursors = {};
  /** The batch that is being written, and the one that still takes lines. */
  #writing: Promise<void> | null = null;
  #gathering: Promise<void> | null = null;
  #dropped = 0;
  #droppedSince: Date | null = null;
  #readers = 0;
  readonly #waiting = new Set<() => void>();
  #closed = false;

  constructor(folder: string, clock: Clock, journal: Journal, room: Room | null = null) {
    this.#room = room;
    this.#folder = folder;
    this.#clock = clock;
    this.#journal = journal;
  }

  /** Whether nothing is going on here: it may be forgotten, and loaded again later. */
  get isIdle(): boolean {
    return this.#writing === null && this.#gathering === null && this.#readers === 0;
  }

  /** Counts a reader in; the returned function counts it out. */
  enter(): () => void {
    this.#readers += 1;
    return () => {
      this.#readers -= 1;
    };
  }

  /**
   * Adds lines (as `textOf` makes them) and what they say about the positions in output files, in one piece. Resolves when they are
   * written; never throws: what the disk does not take is dropped, counted and named by an L10 line.
   */
  async append(texts: readonly string[], cursors: Cursors = {}): Promise<void> {
    if (this.#closed) return;
    for (let index = 0; index < texts.length; index += 1) {
      if (this.#pendingBytes > MAX_PENDING_BYTES) {
        this.drop(texts.length - index);
        break;
      }
      const text = texts[index]!;
      this.#pending.push(text);
      this.#pendingBytes += text.length;
    }
    Object.assign(this.#pendingCursors, cursors);
    this.#gathering ??= this.#turn();
    await this.#gathering;
  }

  /** Counts lines that got lost; an L10 line says so before the next line. */
  drop(lines: number): void {
    this.#dropped += lines;
    this.#droppedSince ??= this.#clock.now();
  }

  /** Where the intake of a dyno's output stands; null: at the beginning. */
  async cursor(dynoId: string): Promise<Cursor | null> {
    return (await this.#load()).cursors[dynoId] ?? null;
  }

  /** What can be read now, including every line appended before the call. */
  async snapshot(): Promise<Snapshot> {
    await (this.#gathering ?? this.#writing);
    const { segments, nextId } = await this.#load();
    return { segments: segments.map((segment) => ({ ...segment })), nextId };
  }

  /** Resolves when there are lines from `nextId` on, or the signal aborts, or the log is closed. */
  async grown(nextId: number, signal: AbortSignal): Promise<void> {
    const state = await this.#load();
    if (state.nextId > nextId || signal.aborted || this.#closed) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        signal.removeEventListener("abort", wake);
        this.#waiting.delete(wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener("abort", wake);
    });
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Writes what is pending and lets go of the files. */
  async close(): Promise<void> {
    this.#closed = true;
    await (this.#gathering ?? this.#writing);
    const state = this.#state === null ? null : await this.#state.catch(() => null);
    await state?.handle?.close();
    this.#wake();
  }

  /** Closes, and deletes everything. */
  async remove(): Promise<void> {
    await this.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  #load(): Promise<State> {
    this.#state ??= this.#open();
    return this.#state;
  }

  async #open(): Promise<State> {
    try {
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      return { ...(await loadSegments(this.#folder)), handle: null, isFresh: false };
    } catch (cause) {
      this.#state = null;
      throw cause;
    }
  }

  async #turn(): Promise<void> {
    await this.#writing;
    // Whatever is emitted in the same turn of the event loop goes in the same batch.
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#gathering = null;
    const writing = this.#writeBatch();
    this.#writing = writing;
    await writing;
    if (this.#writing === writing) this.#writing = null;
  }

  async #writeBatch(): Promise<void> {
    const texts = this.#pending;
    const cursors = this.#pendingCursors;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#pendingCursors = {};
    for (let start = 0; start === 0 || start < texts.length; start += MAX_WRITE_LINES) {
      const isLast = start + MAX_WRITE_LINES >= texts.length;
      // Lines come true with the positions they were read from: else those before a power cut would be read, and stored, once more.
      await this.#store(texts.slice(start, start + MAX_WRITE_LINES), isLast ? cursors : null, start === 0);
    }
  }

  /** `cursors` null: more of the same batch follows. */
  async #store(texts: readonly string[], cursors: Cursors | null, isFirst: boolean): Promise<void> {
    if ((await this.#room?.isFull()) === true) return this.drop(texts.length);
    const dropped = this.#dropped;
    try {
      await this.#write(await this.#load(), dropped > 0 ? [this.#dropLine(), ...texts] : texts, cursors, isFirst);
      this.#dropped -= dropped;
      if (this.#dropped === 0) this.#droppedSince = null;
    } catch (cause) {
      this.#journal.fault("log lines could not be stored", cause, { folder: this.#folder, lines: texts.length });
      this.drop(texts.length);
    }
    this.#wake();
  }

  #dropLine(): string {
    const since = (this.#droppedSince ?? this.#clock.now()).toISOString();
    const message = `Error L10 (output buffer overflow): ${this.#dropped} messages dropped since ${since}.`;
    return textOf(stampOf(this.#clock.now()), originOf("heroku", "logplex"), message);
  }

  async #write(state: State, texts: readonly string[], changes: Cursors | null, isFirst: boolean): Promise<void> {
    const last = state.segments.at(-1);
    // A batch lies in one segment, so that what is left of an unfinished one is at the very end.
    const isNew = last === undefined || (isFirst && last.bytes >= SEGMENT_BYTES);
    const segment = isNew ? { firstId: state.nextId, path: segmentPath(this.#folder, state.nextId), bytes: 0 } : last;
    if (isNew) {
      await state.handle?.close();
      state.handle = null;
    }
    const handle = (state.handle ??= await open(segment.path, "a", 0o600));
    const isFresh = isNew || state.isFresh;
    const bytes = encodeBatch(state.nextId, texts, isFresh && changes !== null ? { ...state.cursors, ...changes } : changes);
    try {
      for (let written = 0; written < bytes.length;) {
        written += (await handle.write(bytes, written)).bytesWritten;
      }
    } catch (cause) {
      await handle.truncate(segment.bytes).catch(() => {});
      throw cause;
    }
    segment.bytes += bytes.length;
    if (isNew) state.segments.push(segment);
    state.nextId += texts.length;
    state.isFresh = isFresh && changes === null;
    apply(state.cursors, changes ?? {});
    if (isNew) await this.#expire(state);
  }

  async #expire(state: State): Promise<void> {
    const limit = this.#readers > 0 ? MAX_BYTES_KEPT_FOR_READERS : MAX_BYTES_KEPT;
    let total = state.segments.reduce((sum, segment) => sum + segment.bytes, 0);
    while (state.segments.length > 1) {
      const oldest = state.segments[0]!;
      const keptLines = state.nextId - state.segments[1]!.firstId;
      if (total <= limit || keptLines < MIN_LINES_KEPT) return;
      state.segments.shift();
      total -= oldest.bytes;
      await unlink(oldest.path).catch(() => {});
    }
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }
}
