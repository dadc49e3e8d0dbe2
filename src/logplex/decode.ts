import { cleaned, cutOf, MAX_MESSAGE_BYTES } from "./line.ts";

/** Where reading goes on in an output file: `skip` bytes of the message in the record at `offset` are already carried. */
export interface Position {
  offset: number;
  skip: number;
}

/** One message of a dyno. `stamp` is null where the file has no times. */
export interface Message {
  stamp: string | null;
  message: string;
}

/** Turns the bytes of an output file into messages. */
export interface Decoder {
  /** `chunk` was read at `offset`. Returns the messages that are complete, and where to read next. */
  push(chunk: Buffer, offset: number): { messages: Message[]; next: number };
  /** Where another decoder has to begin so that nothing is lost or repeated, when everything before `next` was pushed. */
  position(next: number): Position;
  /** The file has ended: what is still held back. `rest` is what `push` left unread. */
  end(rest: Buffer): Message[];
}

const NEWLINE = 0x0a;

/** A decoder for one of the drivers' formats that takes up the work at `from`. */
export function decoderFor(format: "k8s" | "plain", from: Position): Decoder {
  return format === "k8s" ? new K8sDecoder(from.skip) : new PlainDecoder();
}

/** Output as the program wrote it. Lines longer than 10,000 bytes are split. */
class PlainDecoder implements Decoder {
  /** The present line is already carried in part: its empty rest is no line of its own. */
  #split = false;

  push(chunk: Buffer, offset: number): { messages: Message[]; next: number } {
    const messages: Message[] = [];
    let start = 0;
    for (;;) {
      const newline = chunk.indexOf(NEWLINE, start);
      const end = newline === -1 ? chunk.length : newline;
      if (end - start > MAX_MESSAGE_BYTES) {
        const cut = start + cutOf(chunk.subarray(start, end));
        messages.push(plain(chunk, start, cut));
        start = cut;
        this.#split = true;
        continue;
      }
      if (newline === -1) return { messages, next: offset + start };
      if (newline > start || !this.#split) messages.push(plain(chunk, start, newline));
      this.#split = false;
      start = newline + 1;
    }
  }

  position(next: number): Position {
    return { offset: next, skip: 0 };
  }

  end(rest: Buffer): Message[] {
    return rest.length > 0 ? [plain(rest, 0, rest.length)] : [];
  }
}

function plain(bytes: Buffer, start: number, end: number): Message {
  return { stamp: null, message: cleaned(bytes.toString("utf8", start, end)) };
}

interface Part {
  offset: number;
  skip: number;
  bytes: Buffer;
}

/**
 * The format of conmon and the CRI (`2026-11-20T12:00:00.000000000+00:00 stdout F text`): a record marked `P` goes on in the next
 * one. A record of the other stream between two parts ends the line, so that a prompt on one never holds back the other.
 */
class K8sDecoder implements Decoder {
  #parts: Part[] = [];
  #held = 0;
  #stream = "";
  #stamp = "";
  #rawStamp = "";
  #skip: number;
  #split: boolean;

  constructor(skip: number) {
    this.#skip = skip;
    this.#split = skip > 0;
  }

  push(chunk: Buffer, offset: number): { messages: Message[]; next: number } {
    const messages: Message[] = [];
    let start = 0;
    for (;;) {
      const newline = chunk.indexOf(NEWLINE, start);
      if (newline === -1) return { messages, next: offset + start };
      this.#record(chunk, start, newline, offset, messages);
      start = newline + 1;
    }
  }

  position(next: number): Position {
    const first = this.#parts[0];
    return first === undefined ? { offset: next, skip: 0 } : { offset: first.offset, skip: first.skip };
  }

  end(rest: Buffer): Message[] {
    const messages: Message[] = [];
    // conmon writes whole records; a torn one is all that was saved of it.
    if (rest.length > 0) this.#record(rest, 0, rest.length, 0, messages);
    if (this.#parts.length > 0) this.#flush(messages);
    return messages;
  }

  #record(chunk: Buffer, start: number, end: number, offset: number, messages: Message[]): void {
    const stampEnd = chunk.indexOf(0x20, start);
    const streamEnd = chunk.indexOf(0x20, stampEnd + 1);
    const tagEnd = streamEnd + 2;
    if (stampEnd === -1 || streamEnd === -1 || tagEnd > end || tagEnd - start > MAX_HEAD_BYTES) return;
    const stream = chunk.toString("latin1", stampEnd + 1, streamEnd);
    if (this.#parts.length > 0 && stream !== this.#stream) this.#flush(messages);
    const rawStamp = chunk.toString("latin1", start, stampEnd);
    if (rawStamp !== this.#rawStamp) {
      this.#rawStamp = rawStamp;
      this.#stamp = microseconds(rawStamp);
    }
    const partial = chunk[streamEnd + 1] === 0x50;
    const textStart = tagEnd + 1;
    const skip = this.#skip;
    this.#skip = 0;
    if (!partial && this.#parts.length === 0 && skip === 0 && end - textStart <= MAX_MESSAGE_BYTES) {
      if (end > textStart || !this.#split) {
        messages.push({ stamp: this.#stamp, message: cleaned(chunk.toString("utf8", Math.min(textStart, end), end)) });
      }
      this.#split = false;
      return;
    }
    this.#stream = stream;
    // A copy: the chunk's memory is used again for the next read.
    const bytes = Buffer.from(chunk.subarray(Math.min(textStart + skip, end), end));
    this.#parts.push({ offset: offset + start, skip, bytes });
    this.#held += bytes.length;
    while (this.#held > MAX_MESSAGE_BYTES) this.#splitOff(messages);
    if (!partial) this.#flush(messages);
  }

  #splitOff(messages: Message[]): void {
    const joined = Buffer.concat(this.#parts.map((part) => part.bytes));
    const cut = cutOf(joined);
    messages.push({ stamp: this.#stamp, message: cleaned(joined.toString("utf8", 0, cut)) });
    this.#split = true;
    this.#held -= cut;
    let gone = cut;
    while (this.#parts.length > 1 && this.#parts[0]!.bytes.length <= gone) gone -= this.#parts.shift()!.bytes.length;
    const first = this.#parts[0]!;
    this.#parts[0] = { offset: first.offset, skip: first.skip + gone, bytes: first.bytes.subarray(gone) };
  }

  #flush(messages: Message[]): void {
    if (this.#held > 0 || !this.#split) {
      const joined = Buffer.concat(this.#parts.map((part) => part.bytes));
      messages.push({ stamp: this.#stamp, message: cleaned(joined.toString("utf8")) });
    }
    this.#parts = [];
    this.#held = 0;
    this.#split = false;
  }
}

const MAX_HEAD_BYTES = 64;

/** A time of conmon, in nanoseconds and the machine's zone, as a log line has it: microseconds, UTC. */
function microseconds(stamp: string): string {
  if (stamp.endsWith("+00:00")) return `${stamp.slice(0, 26)}+00:00`;
  const at = new Date(stamp);
  if (Number.isNaN(at.getTime())) return stamp;
  return `${at.toISOString().slice(0, 23)}${stamp.slice(23, 26)}+00:00`;
}
