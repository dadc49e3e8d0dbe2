import { readdir, readFile, stat, truncate, unlink } from "node:fs/promises";
import { join } from "node:path";

/**
 * An app's log on disk is a row of append-only segment files, each named by the id of its first line. A segment holds records
 * `<id> <text>\n`; each batch of them ends with a commit record `={cursors}\n`, so that lines and the positions they were read from
 * come true together, and what a power cut left half-written is dropped as a whole.
 */
export interface Segment {
  firstId: number;
  path: string;
  bytes: number;
}

/** Where the intake stands in a dyno's output file: inode, offset, bytes of the record that are already carried. */
export type Cursor = [inode: number, offset: number, skip: number];

/** Cursors by dyno id; null: the dyno's output is read to its end. */
export type Cursors = Record<string, Cursor | null>;

/** What is on disk of an app's log. */
export interface Loaded {
  segments: Segment[];
  nextId: number;
  cursors: Record<string, Cursor>;
}

const NAME = /^(\d{12})\.log$/;
const COMMIT = 0x3d;
const NEWLINE = 0x0a;

/** The path of the segment that begins with line `firstId`. */
export function segmentPath(folder: string, firstId: number): string {
  return join(folder, `${String(firstId).padStart(12, "0")}.log`);
}

/** One batch as bytes: records from `firstId` on, and the commit; without it (`cursors` null) when more of the batch follows. */
export function encodeBatch(firstId: number, texts: readonly string[], cursors: Cursors | null): Buffer {
  let records = "";
  for (let index = 0; index < texts.length; index += 1) records += `${firstId + index} ${texts[index]}\n`;
  if (cursors === null) return Buffer.from(records);
  const commit = Object.keys(cursors).length === 0 ? "" : JSON.stringify(cursors);
  return Buffer.from(`${records}=${commit}\n`);
}

/** Reads the state of a log; drops what the last batch left unfinished. */
export async function loadSegments(folder: string): Promise<Loaded> {
  const names = (await readdir(folder)).filter((name) => NAME.test(name)).toSorted();
  const segments: Segment[] = [];
  for (const name of names) {
    const path = join(folder, name);
    segments.push({ firstId: Number(NAME.exec(name)![1]), path, bytes: (await stat(path)).size });
  }
  for (let last = segments.at(-1); last !== undefined; last = segments.at(-1)) {
    const content = await readFile(last.path);
    const { bytes, nextId, cursors } = committed(content, last.firstId);
    if (bytes > 0) {
      if (bytes < content.length) await truncate(last.path, bytes);
      last.bytes = bytes;
      return { segments, nextId, cursors };
    }
    await unlink(last.path);
    segments.pop();
  }
  return { segments, nextId: 1, cursors: {} };
}

/** How much of a segment is committed, and what that says. */
function committed(content: Buffer, firstId: number): { bytes: number; nextId: number; cursors: Record<string, Cursor> } {
  let bytes = 0;
  let lines = 0;
  let committedLines = 0;
  const cursors: Record<string, Cursor> = {};
  for (let start = 0; start < content.length;) {
    const end = content.indexOf(NEWLINE, start);
    if (end === -1) break;
    if (content[start] === COMMIT) {
      if (end > start + 1) apply(cursors, JSON.parse(content.toString("utf8", start + 1, end)) as Cursors);
      committedLines = lines;
      bytes = end + 1;
    } else {
      lines += 1;
    }
    start = end + 1;
  }
  return { bytes, nextId: firstId + committedLines, cursors };
}

/** Brings `cursors` up to date with a commit. */
export function apply(cursors: Record<string, Cursor>, changes: Cursors): void {
  for (const [dynoId, cursor] of Object.entries(changes)) {
    if (cursor === null) delete cursors[dynoId];
    else cursors[dynoId] = cursor;
  }
}

/** One stored line. */
export interface StoredLine {
  id: number;
  text: string;
}

/** The lines in a run of whole records; those up to `afterId` are left out. */
export function* decodeRecords(bytes: Buffer, afterId: number): Generator<StoredLine> {
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(NEWLINE, start);
    if (end === -1) return;
    if (bytes[start] !== COMMIT) {
      const space = bytes.indexOf(0x20, start);
      const id = Number(bytes.toString("latin1", start, space));
      if (id > afterId) yield { id, text: bytes.toString("utf8", space + 1, end) };
    }
    start = end + 1;
  }
}
