/** `heroku run --exit-code` has the dyno print this before the exit code; the client looks for it in single chunks only. */
const MARK = Buffer.from("\uFFFF heroku-command-exit-status: ");
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const MAX_DIGITS = 3;

/**
 * Cuts output into pieces so that the exit-status line is a piece of its own, whole, whatever the chunks it came in. What could be its
 * beginning is held back until more comes.
 */
export class SentinelCutter {
  #held: Buffer = Buffer.alloc(0);

  /** Pieces to be written one by one. */
  push(chunk: Buffer): Buffer[] {
    const pieces: Buffer[] = [];
    let rest = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    for (;;) {
      const start = startOfMark(rest);
      if (start === -1) {
        this.#held = Buffer.alloc(0);
        return rest.length > 0 ? [...pieces, rest] : pieces;
      }
      if (start > 0) pieces.push(rest.subarray(0, start));
      const end = endOfSentinel(rest, start);
      if (end === -1) {
        this.#held = Buffer.from(rest.subarray(start));
        return pieces;
      }
      pieces.push(rest.subarray(start, end));
      rest = rest.subarray(end);
    }
  }

  /** What is still held back, when no more will come. */
  end(): Buffer {
    const held = this.#held;
    this.#held = Buffer.alloc(0);
    return held;
  }
}

/** Where the mark begins, or a beginning of it that ends the bytes; -1: nowhere. */
function startOfMark(bytes: Buffer): number {
  const whole = bytes.indexOf(MARK);
  if (whole !== -1) return whole;
  for (let start = Math.max(0, bytes.length - MARK.length + 1); start < bytes.length; start += 1) {
    if (bytes.subarray(start).equals(MARK.subarray(0, bytes.length - start))) return start;
  }
  return -1;
}

/** The end of a sentinel whose number is complete: after its line break, or before another character. -1: more has to come. */
function endOfSentinel(bytes: Buffer, start: number): number {
  if (bytes.length - start < MARK.length) return -1;
  let end = start + MARK.length;
  while (end < bytes.length && end - start - MARK.length < MAX_DIGITS && bytes[end]! >= DIGIT_0 && bytes[end]! <= DIGIT_9)
    end += 1;
  return end === bytes.length ? -1 : end;
}
