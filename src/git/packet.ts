/** pkt-lines: four hexadecimal digits of length, then the payload; `0000` is the flush packet (gitprotocol-common(5)). */

const LENGTH_DIGITS = 4;
const LARGEST_PACKET_BYTES = 65_520;

export const FLUSH = Buffer.from("0000");

/** The client said something that is not git's protocol. */
export class ProtocolError extends Error {
  override name = "ProtocolError";
}

/** One packet. `payload` may have 65,516 bytes at most. */
export function packet(payload: string | Buffer): Buffer {
  const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
  const length = bytes.length + LENGTH_DIGITS;
  if (length > LARGEST_PACKET_BYTES) throw new ProtocolError(`a packet of ${length} bytes is too long`);
  return Buffer.concat([Buffer.from(length.toString(16).padStart(LENGTH_DIGITS, "0")), bytes]);
}

/** Reads packets from a byte stream, and then whatever follows them. */
export class PacketReader {
  readonly #source: AsyncIterator<Buffer>;
  #buffered: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterator<Buffer>) {
    this.#source = source;
  }

  /** The next packet's payload, or null for a flush packet or the end of the stream. */
  async next(): Promise<Buffer | null> {
    const digits = await this.take(LENGTH_DIGITS);
    if (digits.length === 0) return null;
    const text = digits.toString("latin1");
    if (!/^[0-9a-fA-F]{4}$/.test(text)) throw new ProtocolError("the request is not in git's packet format");
    const length = Number.parseInt(text, 16);
    if (length === 0) return null;
    if (length < LENGTH_DIGITS || length > LARGEST_PACKET_BYTES)
      throw new ProtocolError(`a packet cannot have the length ${text}`);
    const payload = await this.take(length - LENGTH_DIGITS);
    if (payload.length < length - LENGTH_DIGITS) throw new ProtocolError("the request ends in the middle of a packet");
    return payload;
  }

  /** The next `size` bytes, fewer at the end of the stream. */
  async take(size: number): Promise<Buffer> {
    while (this.#buffered.length < size) {
      const { value, done } = await this.#source.next();
      if (done === true) break;
      this.#buffered = this.#buffered.length === 0 ? value : Buffer.concat([this.#buffered, value]);
    }
    const taken = this.#buffered.subarray(0, size);
    this.#buffered = this.#buffered.subarray(taken.length);
    return taken;
  }

  /** Everything after the bytes taken so far, as it comes. */
  async *rest(): AsyncGenerator<Buffer> {
    const first = this.#buffered;
    this.#buffered = Buffer.alloc(0);
    if (first.length > 0) yield first;
    for (;;) {
      const { value, done } = await this.#source.next();
      if (done === true) return;
      yield value;
    }
  }
}
