import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { unlink } from "node:fs/promises";
import type { Clock } from "../kernel/clock.ts";
import type { Journal } from "../kernel/journal.ts";
import { type Decoder, decoderFor, type Message } from "./decode.ts";
import { punchHole } from "./hole.ts";
import { originOf, stampOf, textOf } from "./line.ts";
import type { Cursors } from "./segment.ts";
import type { AppLog } from "./store.ts";

/** The output of one dyno, as the runtime announces it. */
export interface Output {
  dynoId: string;
  appId: string;
  process: string;
  path: string;
  format: "k8s" | "plain";
  onLine?: (message: string) => void;
}

/** What has just been written is read from the page cache: a synchronous call costs a tenth of a turn through the thread pool. */
const READ_BYTES = 256 * 1024;
const RATE_STEP_MILLISECONDS = 100;

/** The buffer that all followers of a process share. */
export function readBuffer(): Buffer {
  return Buffer.allocUnsafe(READ_BYTES);
}

/** How much of one dyno's output is carried, so that one that floods neither starves the others nor fills the disk. */
export interface IntakeLimits {
  /** In the long run. */
  bytesPerSecond: number;
  /** At once. */
  burstBytes: number;
  /** A dyno that is further ahead loses its oldest lines, counted. */
  maxBacklogBytes: number;
  /** Disk space of what is carried is given back in steps of this size. */
  punchBytes: number;
}

export const INTAKE_LIMITS: IntakeLimits = {
  bytesPerSecond: 2 * 1024 * 1024,
  burstBytes: 32 * 1024 * 1024,
  maxBacklogBytes: 32 * 1024 * 1024,
  punchBytes: 8 * 1024 * 1024,
};

/**
 * Carries one output file to the app's log. The file may grow, be replaced by a new one under the same name (conmon's
 * `--log-size-max`) or be truncated. The position is stored with the lines, so that a control plane that dies loses and repeats none.
 */
export class Follower {
  readonly output: Output;
  readonly #log: AppLog;
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #limits: IntakeLimits;
  readonly #origin: string;
  readonly #stopped = new AbortController();
  /** Shared by all followers: reading and decoding happen in one turn of the event loop. */
  readonly #buffer: Buffer;
  #file: number | null = null;
  #inode = 0;
  #offset = 0;
  #punched = 0;
  #decoder: Decoder;
  #density = 0;
  #tokens: number;
  #tokensAt: number;
  #pumping: Promise<void> | null = null;
  #again = false;
  #hurry = false;
  #resumed = false;
  #faulted = false;
  #skipToNewline = false;

  constructor(output: Output, log: AppLog, clock: Clock, journal: Journal, limits: IntakeLimits, buffer: Buffer) {
    this.#buffer = buffer;
    this.output = output;
    this.#log = log;
    this.#clock = clock;
    this.#journal = journal;
    this.#limits = limits;
    this.#origin = originOf("app", output.process);
    this.#decoder = decoderFor(output.format, { offset: 0, skip: 0 });
    this.#tokens = limits.burstBytes;
    this.#tokensAt = clock.now().getTime();
  }

  /** There may be something to read. */
  wake(): void {
    this.#again = true;
    this.#pumping ??= this.#pump().finally(() => {
      this.#pumping = null;
    });
  }

  /** The program has ended: reads the rest, then deletes the file. */
  async finish(): Promise<void> {
    this.#hurry = true;
    this.wake();
    await this.#pumping;
    await this.#carry(this.#decoder.end(this.#rest()), null);
    await this.close();
    await unlink(this.output.path).catch(() => {});
  }

  /** Stops following; the file stays, and another follower goes on where this one stood. */
  async close(): Promise<void> {
    this.#stopped.abort();
    await this.#pumping;
    this.#closeFile();
  }

  async #pump(): Promise<void> {
    try {
      await this.#resume();
      while (this.#again && !this.#stopped.signal.aborted) {
        this.#again = false;
        await this.#readAll();
      }
    } catch (cause) {
      if (this.#stopped.signal.aborted || this.#faulted) return;
      this.#faulted = true;
      this.#journal.fault("a dyno's output could not be read", cause, { path: this.output.path });
    }
  }

  async #resume(): Promise<void> {
    if (this.#resumed) return;
    const cursor = await this.#log.cursor(this.output.dynoId);
    this.#resumed = true;
    if (cursor === null) return;
    [this.#inode, this.#offset] = cursor;
    this.#punched = this.#offset;
    this.#decoder = decoderFor(this.output.format, { offset: cursor[1], skip: cursor[2] });
  }

  /** Reads to the present end of the file, and of the one that has replaced it. */
  async #readAll(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      if (this.#file === null && !this.#open()) return;
      await this.#takeTokens();
      if (await this.#readChunk()) continue;
      if (!this.#isReplaced()) return;
      // Nobody writes to the old file once the new one is there: what came between the last read and the look is read now.
      if (await this.#readChunk()) continue;
      await this.#carry(this.#decoder.end(this.#rest()), null);
      this.#closeFile();
    }
  }

  #open(): boolean {
    try {
      this.#file = openSync(this.output.path, "r");
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return false;
      throw cause;
    }
    const { ino, size } = fstatSync(this.#file);
    if (ino !== this.#inode || size < this.#offset) this.#begin(ino);
    return true;
  }

  #begin(inode: number): void {
    this.#inode = inode;
    this.#offset = 0;
    this.#punched = 0;
    this.#skipToNewline = false;
    this.#decoder = decoderFor(this.output.format, { offset: 0, skip: 0 });
  }

  #closeFile(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  #isReplaced(): boolean {
    const now = statSync(this.output.path, { throwIfNoEntry: false });
    if (now === undefined) return false;
    if (now.ino !== this.#inode) return true;
    if (now.size < this.#offset) this.#begin(now.ino);
    return false;
  }

  /** Carries one chunk; false when there was none, or no complete line in it. */
  async #readChunk(): Promise<boolean> {
    if (this.#file === null) return false;
    await this.#skipBacklog(this.#file);
    const bytesRead = readSync(this.#file, this.#buffer, 0, READ_BYTES, this.#offset);
    if (bytesRead === 0) return false;
    let chunk = this.#buffer.subarray(0, bytesRead);
    let offset = this.#offset;
    if (this.#skipToNewline) {
      const start = chunk.indexOf(0x0a) + 1;
      if (start === 0) {
        this.#offset += bytesRead;
        return true;
      }
      this.#skipToNewline = false;
      chunk = chunk.subarray(start);
      offset += start;
    }
    const { messages, next } = this.#decoder.push(chunk, offset);
    if (next === this.#offset) return false;
    this.#offset = next;
    this.#tokens -= bytesRead;
    this.#density = messages.length / bytesRead;
    const position = this.#decoder.position(next);
    await this.#carry(messages, { [this.output.dynoId]: [this.#inode, position.offset, position.skip] });
    await this.#giveBack(position.offset);
    return true;
  }

  async #carry(messages: readonly Message[], cursors: Cursors | null): Promise<void> {
    const { onLine } = this.output;
    const now = stampOf(this.#clock.now());
    const texts: string[] = [];
    for (const { stamp, message } of messages) {
      texts.push(textOf(stamp ?? now, this.#origin, message));
      onLine?.(message);
    }
    await this.#log.append(texts, cursors ?? { [this.output.dynoId]: null });
  }

  /** What is left behind the last complete line. */
  #rest(): Buffer {
    if (this.#file === null) return Buffer.alloc(0);
    return Buffer.from(this.#buffer.subarray(0, readSync(this.#file, this.#buffer, 0, READ_BYTES, this.#offset)));
  }

  /** A dyno that writes faster than it is read loses its oldest lines: about as many as such a stretch had at the last look. */
  async #skipBacklog(file: number): Promise<void> {
    const { size } = fstatSync(file);
    if (size - this.#offset <= this.#limits.maxBacklogBytes) return;
    const target = size - READ_BYTES;
    this.#log.drop(Math.max(1, Math.round((target - this.#offset) * this.#density)));
    this.#decoder = decoderFor(this.output.format, { offset: target, skip: 0 });
    this.#offset = target;
    this.#skipToNewline = true;
    await this.#giveBack(target);
  }

  async #takeTokens(): Promise<void> {
    const { bytesPerSecond, burstBytes } = this.#limits;
    for (;;) {
      const now = this.#clock.now().getTime();
      this.#tokens = Math.min(burstBytes, this.#tokens + ((now - this.#tokensAt) / 1000) * bytesPerSecond);
      this.#tokensAt = now;
      if (this.#tokens > 0 || this.#hurry || this.#stopped.signal.aborted) return;
      await this.#clock.sleep(RATE_STEP_MILLISECONDS, this.#stopped.signal);
    }
  }

  /** Gives the disk space of carried output back. Offsets stay as they are, so a program in the middle of a write is not disturbed. */
  async #giveBack(offset: number): Promise<void> {
    if (offset - this.#punched < this.#limits.punchBytes) return;
    const from = this.#punched;
    this.#punched = offset;
    await punchHole(this.output.path, this.#inode, from, offset - from, this.#journal);
  }
}
