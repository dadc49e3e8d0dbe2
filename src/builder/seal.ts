import { createHash } from "node:crypto";
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  futimesSync,
  fstatSync,
  lchownSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { manifestText, treeId, type ManifestEntry } from "./manifest.ts";
import { spareName } from "./spare.ts";
import { below, eachChunk, hashFile, listTree, type TreeEntry } from "./tree.ts";

/**
 * Making a slug of a build folder. Synchronous, for a worker thread: thousands of small file operations.
 *
 * A stored slug never changes. So no file of it may share its inode with anything a later build can write to, and builds write to
 * what they get back from their cache. Therefore a *cached tree* (a folder of the app that goes home to the cache) does not become
 * part of the slug: the slug gets its own copy. The copy is made once: the next build's file is recognised by inode and change time
 * (which no user can set), and the slug then takes a hard link of the former slug's copy; or, when nothing of the tree has changed, all
 * those links at once: a spare that has been made of them. Everything else in the build folder is
 * taken as it is, by renaming the folder.
 */
export interface SealOrder {
  /** The store; `<slugs>/<tree>` is the result. */
  slugs: string;
  /** A folder in the store's file system whose `root/app` is the build folder. */
  slot: string;
  /** Owner of everything in the slug, also a part of its name. */
  owner: number;
  /** Whether this process may change owners (root). */
  changeOwner: boolean;
  cached: CachedTree[];
  /** What the app's last seal has noted; read, then replaced. */
  record: string;
  /** Folder of the app's spares (`spare.ts`). */
  spares: string | null;
  maxBytes: number;
}

export interface CachedTree {
  /** Below the app's folder: `.heroku/python`. */
  path: string;
  /** Where the folder goes (its name must be free). */
  home: string;
  /** Paths below it that the slug leaves out. */
  omit: string[];
}

export type Sealed =
  | { ok: true; tree: string; size: number; reused: boolean; counts: SealCounts }
  | { ok: false; problem: string; size: number };

/** Where the time went: files hashed, copied from a cached tree, hard-linked from the former slug one by one or with a spare. */
export interface SealCounts {
  files: number;
  hashed: number;
  copied: number;
  linked: number;
  spared: number;
}

/** `[inode, change time, size, mode, sha256]` of a file, as the last seal found it. */
type Known = [inode: string, changed: string, size: number, mode: number, sha256: string];

interface SealRecord {
  tree: string;
  files: Record<string, Known>;
}

const PERMISSIONS = 0o777;
const MAX_ENTRIES = 2_000_000;
/** Path names longer than the kernel takes in one call are a trap for everything that comes later. */
const MAX_PATH_BYTES = 3000;
/** Smaller files are not worth the two calls that replace them by a link to the former slug's. */
const MIN_SHARED_BYTES = 64 * 1024;

export function seal(order: SealOrder): Sealed {
  const app = join(order.slot, "root", "app");
  rmSync(join(app, ".git"), { recursive: true, force: true });
  const listed = listTree(app);
  const moved = sendHome(order.cached, app);
  const omitted = omission(order.cached);
  const entries = listed.filter((entry) => !omitted(entry.path));
  let size = 0;
  for (const entry of entries) if (entry.type === "f") size += entry.size;
  const problem = refusal(entries, size, order.maxBytes);
  if (problem !== null) return { ok: false, problem, size };

  const former = readRecord(order.record);
  const formerApp = former === null ? null : join(order.slugs, former.tree, "root", "app");
  const known = new Map(Object.entries(former?.files ?? {}));
  const files: Record<string, Known> = {};
  const manifest: ManifestEntry[] = [];
  const counts: SealCounts = { files: 0, hashed: 0, copied: 0, linked: 0, spared: 0 };
  const spared = new Set(moved.filter((tree) => takeSpare(tree, entries, known, order)));

  for (const entry of entries) {
    const from = moved.find((tree) => entry.path === tree.prefix || entry.path.startsWith(`${tree.prefix}/`));
    const target = below(app, entry.path);
    const mode = entry.mode & PERMISSIONS;
    const before = known.get(entry.path);
    if (from !== undefined && spared.has(from)) {
      const line = unchangedLine(entry, before);
      if (line !== null) manifest.push(line);
      if (before !== undefined && entry.type === "f") {
        counts.files += 1;
        counts.spared += 1;
        files[entry.path] = before;
      }
    } else if (entry.type === "d") {
      if (from !== undefined) mkdirSync(target);
      // Without write and search right of its owner a folder could be neither filled nor removed.
      const folderMode = mode | 0o700;
      if (from !== undefined || folderMode !== entry.mode) chmodSync(target, folderMode);
      if (order.changeOwner && (from !== undefined || entry.uid !== order.owner)) lchownSync(target, order.owner, order.owner);
      manifest.push(["d", entry.path, folderMode]);
    } else if (entry.type === "l") {
      if (from !== undefined) symlinkSync(Buffer.from(entry.target, "latin1"), target);
      if (order.changeOwner && (from !== undefined || entry.uid !== order.owner)) lchownSync(target, order.owner, order.owner);
      manifest.push(["l", entry.path, entry.target]);
    } else if (entry.type === "f") {
      counts.files += 1;
      const source = from === undefined ? target : below(from.home, entry.path.slice(from.prefix.length + 1));
      const sha256 = place({ entry, mode, source, target, before, formerApp, order, counts });
      files[entry.path] = [entry.inode, entry.changed, entry.size, entry.mode, sha256];
      manifest.push(["f", entry.path, mode, entry.size, sha256]);
    } else if (from === undefined) {
      unlinkSync(target);
    }
  }

  const text = manifestText(order.owner, manifest);
  const tree = treeId(text);
  const reused = store(order, tree, text);
  writeFileSync(`${order.record}.new`, JSON.stringify({ tree, files } satisfies SealRecord), { mode: 0o600 });
  renameSync(`${order.record}.new`, order.record);
  return { ok: true, tree, size, reused, counts };
}

interface Placing {
  entry: TreeEntry;
  mode: number;
  /** Where the content is; with files that are not of a cached tree the same as `target`. */
  source: string | Buffer;
  target: string | Buffer;
  before: Known | undefined;
  formerApp: string | null;
  order: SealOrder;
  counts: SealCounts;
}

/** Brings one regular file into the slug and answers its hash. */
function place(file: Placing): string {
  const { entry, mode, source, target, before, formerApp, order, counts } = file;
  const inPlace = source === target;
  if (!inPlace) {
    if (isUnchanged(entry, before) && formerApp !== null && tryLink(below(formerApp, entry.path), target)) {
      counts.linked += 1;
      return before[4];
    }
    counts.copied += 1;
    return copy(source, target, mode, order);
  }
  if (entry.links > 1) {
    // Another name of this inode may lie where a later build can write: the slug gets an inode of its own.
    const aside = join(order.slot, "aside");
    renameSync(target, aside);
    counts.copied += 1;
    const sha256 = copy(aside, target, mode, order);
    unlinkSync(aside);
    return sha256;
  }
  if (order.changeOwner && entry.uid !== order.owner) lchownSync(target, order.owner, order.owner);
  if (mode !== entry.mode) chmodSync(target, mode);
  counts.hashed += 1;
  const sha256 = hashFile(target, entry.size);
  const same = before !== undefined && before[4] === sha256 && (before[3] & PERMISSIONS) === mode;
  if (same && entry.size >= MIN_SHARED_BYTES && formerApp !== null) {
    const aside = join(order.slot, "aside");
    if (tryLink(below(formerApp, entry.path), aside)) {
      renameSync(aside, target);
      counts.linked += 1;
    }
  }
  return sha256;
}

function isUnchanged(entry: TreeEntry, before: Known | undefined): before is Known {
  return (
    before !== undefined &&
    before[0] === entry.inode &&
    before[1] === entry.changed &&
    before[2] === entry.size &&
    before[3] === entry.mode
  );
}

/** What an entry of a cached tree is in the slug; null: nothing, or not what it was. */
function unchangedLine(entry: TreeEntry, before: Known | undefined): ManifestEntry | null {
  const mode = entry.mode & PERMISSIONS;
  if (entry.type === "d") return ["d", entry.path, mode | 0o700];
  if (entry.type === "l") return ["l", entry.path, entry.target];
  return entry.type === "f" && isUnchanged(entry, before) ? ["f", entry.path, mode, entry.size, before[4]] : null;
}

/** Puts the spare of a cached tree that has not changed in its place; false: there is none, or something has changed. */
function takeSpare(
  { prefix, path }: { prefix: string; path: string },
  entries: TreeEntry[],
  known: Map<string, Known>,
  order: SealOrder,
): boolean {
  if (order.spares === null || !existsSync(order.spares)) return false;
  const lines: ManifestEntry[] = [];
  for (const entry of entries) {
    if (entry.path !== prefix && !entry.path.startsWith(`${prefix}/`)) continue;
    const line = unchangedLine(entry, known.get(entry.path));
    if (line !== null) lines.push(line);
    else if (entry.type === "f") return false;
  }
  try {
    renameSync(join(order.spares, spareName(order.owner, lines)), join(order.slot, "root", "app", path));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

function tryLink(existing: string | Buffer, name: string | Buffer): boolean {
  try {
    linkSync(existing, name);
    return true;
  } catch (error) {
    // The former slug was removed, or has as many links as the file system allows: then a copy does.
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "EMLINK" || code === "ENAMETOOLONG" || code === "EPERM") return false;
    throw error;
  }
}

/** Copies content, permissions and times (compiled Python modules know their source by its time), hashing on the way. */
function copy(source: string | Buffer, target: string | Buffer, mode: number, order: SealOrder): string {
  const input = openSync(source, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const output = openSync(target, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
    try {
      const sum = createHash("sha256");
      eachChunk(input, (chunk) => {
        sum.update(chunk);
        for (let at = 0; at < chunk.length;) at += writeSync(output, chunk, at);
      });
      if (order.changeOwner) fchownSync(output, order.owner, order.owner);
      fchmodSync(output, mode);
      const { atimeMs, mtimeMs } = fstatSync(input);
      futimesSync(output, atimeMs / 1000, mtimeMs / 1000);
      return sum.digest("hex");
    } finally {
      closeSync(output);
    }
  } finally {
    closeSync(input);
  }
}

/** Moves the cached trees out of the app's folder; their entries are then rebuilt in it. */
function sendHome(trees: CachedTree[], app: string): { prefix: string; path: string; home: string }[] {
  return trees.map((tree) => {
    renameSync(join(app, tree.path), tree.home);
    return { prefix: Buffer.from(tree.path).toString("latin1"), path: tree.path, home: tree.home };
  });
}

/** Whether the slug leaves a path out: it or a folder above it is on a cached tree's list. */
function omission(trees: CachedTree[]): (path: string) => boolean {
  const left = new Set(trees.flatMap((tree) => tree.omit.map((path) => Buffer.from(`${tree.path}/${path}`).toString("latin1"))));
  if (left.size === 0) return () => false;
  return (path) => {
    for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
      if (left.has(path.slice(0, end))) return true;
    }
    return false;
  };
}

function refusal(entries: TreeEntry[], size: number, maxBytes: number): string | null {
  if (size > maxBytes) {
    return `Compiled slug size: ${megabytes(size)} is too large (max is ${megabytes(maxBytes)}).`;
  }
  if (entries.length > MAX_ENTRIES) return `The slug has ${entries.length} files, more than the ${MAX_ENTRIES} allowed.`;
  const long = entries.find((entry) => entry.path.length > MAX_PATH_BYTES);
  if (long !== undefined) return `The slug holds a path of ${long.path.length} bytes, more than the ${MAX_PATH_BYTES} allowed.`;
  return null;
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1024 / 1024)}M`;
}

function readRecord(path: string): SealRecord | null {
  if (!existsSync(path)) return null;
  try {
    return JSON.parse(readFileSync(path, "utf8")) as SealRecord;
  } catch {
    // Half written at a power cut: everything is hashed and copied once more.
    return null;
  }
}

/** Gives the slot its final name; answers whether the same slug was there already (then the slot is left to be removed). */
function store(order: SealOrder, tree: string, text: string): boolean {
  const place = join(order.slugs, tree);
  if (existsSync(place)) return true;
  writeFileSync(join(order.slot, "manifest"), text, { mode: 0o600 });
  // Only the app's own user passes here (the process driver runs from the folder itself).
  chmodSync(order.slot, 0o750);
  if (order.changeOwner) lchownSync(order.slot, process.getuid?.() ?? 0, order.owner);
  renameSync(order.slot, place);
  return false;
}
