import { mkdir } from "node:fs/promises";
import type { Repository } from "./repository.ts";

/** Heroku's limit of a checkout. */
export const CHECKOUT_LIMIT_BYTES = 1024 ** 3;

const LISTING_LIMIT_BYTES = 256 * 1024 ** 2;
const MESSAGE_LIMIT_BYTES = 64 * 1024;
const SUBMODULE_MODE = "160000";

/** What is deployed: a commit, its tree, and the first line of its message. */
export interface Commit {
  tree: string;
  subject: string;
}

/** The files of a commit before they are written out. */
export interface Listing {
  files: number;
  bytes: number;
  submodules: string[];
}

/** Reads a commit; null when the object is something else (an annotated tag, a tree). */
export async function readCommit(repository: Repository, commit: string, env: Record<string, string>): Promise<Commit | null> {
  const { stdout } = await repository.git(["cat-file", "--batch"], { env, input: `${commit}\n`, maxBytes: MESSAGE_LIMIT_BYTES });
  const [, type] = /^\S+ (\S+) \d+\n/.exec(stdout) ?? [];
  const [, tree] = /\ntree ([0-9a-f]{40})\n/.exec(stdout) ?? [];
  if (type !== "commit" || tree === undefined) return null;
  const body = stdout.indexOf("\n\n");
  const subject =
    stdout
      .slice(body + 2)
      .trimStart()
      .split("\n", 1)[0] ?? "";
  return { tree, subject };
}

/** Counts files and bytes of a commit and names its submodules, without writing anything. */
export async function listSource(repository: Repository, commit: string, env: Record<string, string>): Promise<Listing> {
  const args = ["ls-tree", "-r", "-l", "-z", "--full-tree", commit];
  const { stdout } = await repository.git(args, { env, maxBytes: LISTING_LIMIT_BYTES });
  return parseListing(stdout);
}

/** Parses `git ls-tree -r -l -z`: `<mode> <type> <object> <size>\t<path>\0`. */
export function parseListing(text: string): Listing {
  const listing: Listing = { files: 0, bytes: 0, submodules: [] };
  for (const entry of text.split("\0")) {
    const tab = entry.indexOf("\t");
    if (tab < 0) continue;
    const [mode, , , size] = entry.slice(0, tab).split(/ +/);
    if (mode === SUBMODULE_MODE) {
      listing.submodules.push(entry.slice(tab + 1));
      continue;
    }
    listing.files += 1;
    listing.bytes += Number(size);
  }
  return listing;
}

/**
 * Writes the files of a commit into `folder`, with their modes and symbolic links. Null, or git's complaint when it cannot (a full
 * disk, a hostile path).
 */
export async function checkOut(
  repository: Repository,
  commit: string,
  folder: string,
  env: Record<string, string>,
): Promise<string | null> {
  await mkdir(folder, { recursive: true });
  // One process: an index of our own beside the folder, filled from the commit and written out.
  const args = ["--work-tree", folder, "read-tree", "--reset", "-u", commit];
  const { exitCode, stderr } = await repository.git(args, { env: { ...env, GIT_INDEX_FILE: `${folder}.index` } });
  return exitCode === 0 ? null : stderr.trim();
}
