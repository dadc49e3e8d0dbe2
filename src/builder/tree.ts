import { spawnSync } from "node:child_process";
import { createHash, hash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

const MAX_LISTING_BYTES = 2 ** 31 - 1;
const CHUNK_BYTES = 1024 * 1024;
const FIELDS = 9;

/** One entry below a folder. Names are bytes: `path` and `target` hold one character a byte (latin1). */
export interface TreeEntry {
  /** find's letter: f, d, l; p, s, c, b for what no slug holds. */
  type: string;
  path: string;
  mode: number;
  inode: string;
  links: number;
  size: number;
  uid: number;
  /** Changed by every write, chmod, utimes or link of the file; nobody but the kernel sets it. */
  changed: string;
  /** Of a symbolic link. */
  target: string;
}

/** Lists everything below `folder`, parents before children, links not followed: one child process, fast on large trees. */
export function listTree(folder: string): TreeEntry[] {
  const format = ["%y", "%P", "%m", "%i", "%n", "%s", "%U", "%C@", "%l"].map((field) => `${field}\\0`).join("");
  const find = spawnSync("find", ["-P", folder, "-mindepth", "1", "-printf", format], { maxBuffer: MAX_LISTING_BYTES });
  if (find.error !== undefined) throw find.error;
  if (find.status !== 0) throw new Error(`find ${folder} failed: ${find.stderr.toString().slice(0, 1000)}`);
  const fields = find.stdout.toString("latin1").split("\0");
  const entries: TreeEntry[] = [];
  for (let at = 0; at + FIELDS < fields.length + 1 && fields[at] !== ""; at += FIELDS) {
    const field = (offset: number): string => fields[at + offset] ?? "";
    entries.push({
      type: field(0),
      path: field(1),
      mode: Number.parseInt(field(2), 8),
      inode: field(3),
      links: Number(field(4)),
      size: Number(field(5)),
      uid: Number(field(6)),
      changed: field(7),
      target: field(8),
    });
  }
  return entries;
}

/** The name of `path` (one character a byte) below `folder`, as the fs functions take it. */
export function below(folder: string, path: string): string | Buffer {
  // Names in ASCII, nearly all of them, need no Buffer.
  if (/^[\u0001-\u007F]*$/.test(path)) return `${folder}/${path}`;
  return Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(path, "latin1")]);
}

/** SHA-256 of a regular file, in hex; a symbolic link in its place is an error. */
export function hashFile(path: string | Buffer, size: number): string {
  const handle = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (size <= CHUNK_BYTES) return hash("sha256", readUpTo(handle, size), "hex");
    const sum = createHash("sha256");
    eachChunk(handle, (chunk) => sum.update(chunk));
    return sum.digest("hex");
  } finally {
    closeSync(handle);
  }
}

/** Calls back with the rest of an open file; the chunk is valid during the call only. */
export function eachChunk(handle: number, visit: (chunk: Buffer) => void): void {
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, Math.max(1, fstatSync(handle).size + 1)));
  for (;;) {
    const count = readSync(handle, buffer);
    if (count === 0) return;
    visit(buffer.subarray(0, count));
  }
}

function readUpTo(handle: number, size: number): Buffer {
  const buffer = Buffer.allocUnsafe(size + 1);
  let length = 0;
  for (;;) {
    const count = readSync(handle, buffer, length, buffer.length - length, null);
    length += count;
    if (count === 0 || length === buffer.length) return buffer.subarray(0, length);
  }
}
