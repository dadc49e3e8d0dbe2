import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { newId } from "../kernel/ids.ts";
import { type Listing, listSource, MAX_FILES } from "./listing.ts";
import type { Repository } from "./repository.ts";

/** Heroku's limit of a checkout. */
export const CHECKOUT_LIMIT_BYTES = 1024 ** 3;

/** Begins the names of folders that no build owns yet; what a killed process leaves of them is removed at start. */
const DRAFT_PREFIX = "incoming-";
const OWNED_PREFIX = "push-";
const MESSAGE_LIMIT_BYTES = 64 * 1024;

/** A pushed commit on its way to the builder: its files are written out while the rest of the push is still being checked. */
export class PushedSource {
  readonly #builds: string;
  readonly #draft: string;
  /** Why the commit cannot be built, in words for the pushing user; null when its files are there. */
  problem: string | null = null;
  subject = "";
  tree = "";
  files = 0;

  constructor(buildsFolder: string) {
    this.#builds = buildsFolder;
    this.#draft = join(buildsFolder, `${DRAFT_PREFIX}${newId()}`);
  }

  /**
   * Writes the commit's files out, or sets `problem`. `env` lets git see the pushed objects. The files are on their way while git still
   * lists them: a commit that turns out to be too large is stopped in the middle.
   */
  async write(repository: Repository, commit: string, env: Record<string, string>, limitBytes: number): Promise<void> {
    const folder = join(this.#draft, "source");
    await mkdir(folder, { recursive: true });
    const unwanted = new AbortController();
    const complained = checkOut(repository, commit, folder, env, unwanted.signal);
    try {
      const [found, listing] = await Promise.all([readCommit(repository, commit, env), listSource(repository, commit, env)]);
      this.problem = found === null ? NOT_A_COMMIT : problemOf(listing, limitBytes);
      if (found === null || this.problem !== null) return;
      this.subject = found.subject;
      this.tree = found.tree;
      this.files = listing.files;
      const complaint = await complained;
      if (complaint !== null) this.problem = `the source files could not be written out:\n${printable(complaint)}`;
    } finally {
      unwanted.abort();
      await complained;
    }
  }

  /** Hands the files over: from now on the folder is the build's. */
  async release(): Promise<string> {
    const owned = join(this.#builds, `${OWNED_PREFIX}${newId()}`);
    await rename(this.#draft, owned);
    return join(owned, "source");
  }

  /** Removes the files, unless they were handed over. */
  async drop(): Promise<void> {
    await rm(this.#draft, { recursive: true, force: true });
  }
}

/** Removes folders that were being written when the process was killed. */
export async function sweepSources(buildsFolder: string): Promise<void> {
  const names = await readdir(buildsFolder).catch(() => []);
  for (const name of names) {
    if (name.startsWith(DRAFT_PREFIX)) await rm(join(buildsFolder, name), { recursive: true, force: true });
  }
}

const NOT_A_COMMIT = "this is an annotated tag and not a commit. Push the commit it names: git push heroku TAG^{}:main";

function problemOf(listing: Listing, limitBytes: number): string | null {
  if (listing.endless) return `the commit has more than the ${MAX_FILES} files allowed.`;
  if (listing.submodules.length > 0) {
    const names = printable(listing.submodules.join(", "));
    return (
      `submodules are not fetched: ${names}.\n` +
      " !     Add their files to this repository instead: git rm --cached PATH; rm -rf PATH/.git; git add PATH"
    );
  }
  if (listing.bytes <= limitBytes) return null;
  return `the source files have ${megabytes(listing.bytes)} MB and the limit is ${megabytes(limitBytes)} MB. Keep large files elsewhere.`;
}

/** Reads tree and first line of the message of a commit; null when the object is something else (an annotated tag, a tree). */
async function readCommit(
  repository: Repository,
  commit: string,
  env: Record<string, string>,
): Promise<{ tree: string; subject: string } | null> {
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

/** Writes the files of a commit, with their modes and symbolic links; null, or git's complaint (a full disk, a hostile path). */
async function checkOut(
  repository: Repository,
  commit: string,
  folder: string,
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<string | null> {
  // One process: an index of our own beside the folder, filled from the commit and written out.
  const args = ["--work-tree", folder, "read-tree", "--reset", "-u", commit];
  const index = `${folder}.index`;
  try {
    const { exitCode, stderr } = await repository.git(args, { env: { ...env, GIT_INDEX_FILE: index }, signal });
    return exitCode === 0 ? null : stderr.trim();
  } catch (error) {
    return (error as Error).message;
  } finally {
    await rm(index, { force: true });
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1024 ** 2).toFixed(bytes < 10 * 1024 ** 2 ? 1 : 0);
}

/** Text out of a repository, fit for a terminal. */
function printable(text: string): string {
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f]/g, "?");
}
