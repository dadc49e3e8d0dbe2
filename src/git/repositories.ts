import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mustRun } from "../kernel/command.ts";
import { isId, newToken } from "../kernel/ids.ts";
import type { Journal } from "../kernel/journal.ts";
import { GIT_ENVIRONMENT, Repository } from "./repository.ts";

/** Begins the names of what an interrupted push leaves behind in a repository's `objects` folder; git's own word for it. */
export const QUARANTINE_PREFIX = "tmp_objdir-incoming-";

const TRASH_PREFIX = "trash-";
const PUSHES_BETWEEN_TIDYINGS = 20;

/**
 * Nothing of the machine decides how a repository behaves. Loose objects are as safe from a power cut as packs, by one sync a push;
 * large files are streamed, never held in memory.
 */
const CONFIGURATION = `[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\tlogAllRefUpdates = false
\tfsync = committed,loose-object
\tfsyncMethod = batch
\tbigFileThreshold = 16m
[gc]
\tauto = 0
[uploadpack]
\tallowFilter = true
`;

/** The bare repositories, one per app id, made when first needed. */
export class Repositories {
  readonly #folder: string;
  readonly #journal: Journal;
  readonly #making = new Map<string, Promise<void>>();
  readonly #pushes = new Map<string, { open: number; since: number }>();

  constructor(folder: string, journal: Journal) {
    this.#folder = folder;
    this.#journal = journal;
  }

  /** The app's repository; an empty one is made when there is none. */
  async open(appId: string): Promise<Repository> {
    const folder = this.#path(appId);
    if (!existsSync(folder)) {
      const making = this.#making.get(appId) ?? this.#make(folder).finally(() => this.#making.delete(appId));
      this.#making.set(appId, making);
      await making;
    }
    return new Repository(folder);
  }

  has(appId: string): boolean {
    return existsSync(this.#path(appId));
  }

  /** Removes the app's repository, if there is one. */
  async remove(appId: string): Promise<void> {
    const folder = this.#path(appId);
    if (!existsSync(folder)) return;
    const trash = join(this.#folder, TRASH_PREFIX + newToken());
    await rename(folder, trash);
    await rm(trash, { recursive: true, force: true });
  }

  /** Removes what a killed process has left: half-received pushes, locks, half-made and half-removed repositories. For a start only. */
  async sweep(): Promise<void> {
    for (const name of await namesIn(this.#folder)) {
      const path = join(this.#folder, name);
      if (name.startsWith(TRASH_PREFIX)) {
        await rm(path, { recursive: true, force: true });
        continue;
      }
      for (const inner of await namesIn(join(path, "objects"))) {
        if (inner.startsWith(QUARANTINE_PREFIX)) await rm(join(path, "objects", inner), { recursive: true, force: true });
      }
      // A lock that nobody holds any more would refuse every push to come.
      const refs = (await readdir(join(path, "refs"), { recursive: true }).catch(() => [])).map((name) => join("refs", name));
      const locks = refs.filter((name) => name.endsWith(".lock"));
      for (const lock of [...locks, "HEAD.lock", "packed-refs.lock", "gc.pid"]) await rm(join(path, lock), { force: true });
    }
  }

  /** Called around each push, so that no repository is tidied while one is received. */
  pushBegins(appId: string): void {
    const pushes = this.#pushes.get(appId) ?? { open: 0, since: 0 };
    this.#pushes.set(appId, { open: pushes.open + 1, since: pushes.since + 1 });
  }

  /** Ends what `pushBegins` began; now and then this tidies the repository. */
  async pushEnds(appId: string): Promise<void> {
    const pushes = this.#pushes.get(appId);
    if (pushes === undefined) return;
    pushes.open -= 1;
    if (pushes.open > 0 || pushes.since < PUSHES_BETWEEN_TIDYINGS) return;
    this.#pushes.delete(appId);
    try {
      await new Repository(this.#path(appId)).tidy();
    } catch (error) {
      // An app destroyed meanwhile, a full disk: the repository is whole without tidying.
      this.#journal.fault("git.tidy_failed", error, { app_id: appId });
    }
  }

  #path(appId: string): string {
    if (!isId(appId)) throw new Error("an app id is expected");
    return join(this.#folder, `${appId}.git`);
  }

  async #make(folder: string): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const draft = join(this.#folder, TRASH_PREFIX + newToken());
    await mustRun(["git", "init", "--quiet", "--bare", "--template=", "--initial-branch=main", draft], { env: GIT_ENVIRONMENT });
    await writeFile(join(draft, "config"), CONFIGURATION);
    await rename(draft, folder);
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch {
    return [];
  }
}
