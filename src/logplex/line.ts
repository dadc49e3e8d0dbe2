import type { LogFilter, LogLine } from "./ports.ts";

/** Heroku splits log lines at 10,000 bytes (article "Logging"). */
export const MAX_MESSAGE_BYTES = 10_000;

/** A date as it stands at the head of a log line: RFC 3339 with microseconds, UTC. */
export function stampOf(at: Date): string {
  return `${at.toISOString().slice(0, -1)}000+00:00`;
}

/** `app[web.1]`: where a line comes from, as `heroku logs` prints it. */
export function originOf(source: LogLine["source"], process: string): string {
  return `${source}[${process}]`;
}

/** One line as `heroku logs` prints it: `<RFC 3339, µs> <app|heroku>[<process>]: <message>`. `message` holds no line break. */
export function textOf(stamp: string, origin: string, message: string): string {
  return `${stamp} ${origin}: ${message}`;
}

export interface LineParts {
  stamp: string;
  source: string;
  process: string;
  message: string;
}

/** The parts of what `textOf` has made. */
export function partsOf(text: string): LineParts {
  const space = text.indexOf(" ");
  const bracket = text.indexOf("[", space);
  const end = text.indexOf("]: ", bracket);
  return {
    stamp: text.slice(0, space),
    source: text.slice(space + 1, bracket),
    process: text.slice(bracket + 1, end),
    message: text.slice(end + 3),
  };
}

/** The texts of a line: one for each line break in its message, and for each 10,000 bytes of it. */
export function textsOf(line: LogLine): string[] {
  const stamp = stampOf(line.at);
  const origin = originOf(line.source, line.process);
  if (line.message.length * 3 <= MAX_MESSAGE_BYTES && !/[\r\n]/.test(line.message)) return [textOf(stamp, origin, line.message)];
  const texts: string[] = [];
  for (const part of line.message.replace(/[\r\n]+$/, "").split(/\r?\n/)) {
    for (const piece of piecesOf(Buffer.from(part))) texts.push(textOf(stamp, origin, cleaned(piece.toString("utf8"))));
  }
  return texts;
}

/** A message without what would end a line of a log stream early: carriage returns (progress bars) become spaces. */
export function cleaned(message: string): string {
  if (!message.includes("\r")) return message;
  return message.replace(/\r+$/, "").replaceAll("\r", " ");
}

/** Where to cut `bytes` so that at most 10,000 bytes come first and no character is torn. `bytes` is longer than that. */
export function cutOf(bytes: Buffer): number {
  let cut = MAX_MESSAGE_BYTES;
  // A UTF-8 character has at most three continuation bytes (10xxxxxx); more are not UTF-8 and may be cut anywhere.
  for (let back = 0; back < 3 && (bytes[cut]! & 0xc0) === 0x80; back += 1) cut -= 1;
  return (bytes[cut]! & 0xc0) === 0x80 ? MAX_MESSAGE_BYTES : cut;
}

function piecesOf(bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  let rest = bytes;
  while (rest.length > MAX_MESSAGE_BYTES) {
    const cut = cutOf(rest);
    pieces.push(rest.subarray(0, cut));
    rest = rest.subarray(cut);
  }
  pieces.push(rest);
  return pieces;
}

/** Whether a text passes a filter: `source` is `app` or `heroku`, `process` a name (`web.1`) or a type (`web`). */
export function matcherOf(filter: LogFilter): (text: string) => boolean {
  const { source, process } = filter;
  if (source === null && process === null) return () => true;
  return (text) => {
    const start = text.indexOf(" ") + 1;
    const bracket = text.indexOf("[", start);
    if (source !== null && text.slice(start, bracket) !== source) return false;
    if (process === null) return true;
    const name = text.slice(bracket + 1, text.indexOf("]", bracket));
    return name === process || (name.startsWith(process) && name[process.length] === ".");
  };
}
