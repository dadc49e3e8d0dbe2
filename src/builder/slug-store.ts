import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { Worker } from "node:worker_threads";
import { newId } from "../kernel/ids.ts";
import { mustRun } from "../kernel/command.ts";
import type { CachedTree, Sealed } from "./seal.ts";
import type { SlugTask } from "./slug-worker.ts";
import { smallTree } from "./small-tree.ts";

const TREE = /^[0-9a-f]{64}$/;
/** Heroku's limit of a slug (Dev Center, "Slug Size"). */
export const MAX_SLUG_BYTES = 500 * 1024 * 1024;

export interface SealRequest {
  /** The build folder, of the same file system as the store; it becomes the slug's `app` folder, whatever the answer. */
  folder: string;
  owner: number;
  cached: CachedTree[];
  /** File that keeps what is known of the app's last slug. */
  record: string;
  /** The app's folder for spares (`spare.ts`), of the same file system. */
  spares?: string;
  maxBytes?: number;
}

/** Slugs by content: `<slugs>/<tree>/root/app/…` with `<tree>` the SHA-256 of the manifest beside it. What is stored never changes. */
export interface SlugStore {
  /** Starts the thread of the next `seal` before it is needed: that takes as long as sealing a small app. */
  warmUp(): void;
  /** Makes a slug of a build folder without copying what has not changed. */
  seal(request: SealRequest): Promise<Sealed>;
  /** Makes the next `seal` of the app faster, if that finds the cached trees at these paths as they are in this slug. */
  spare(request: { tree: string; paths: string[]; spares: string }): Promise<void>;
  /** After a power cut a stored slug must be whole: asks the file system to write what it has. Does not wait for it. */
  flush(): void;
  /** Folder that holds `app/`: the drivers' `slugRoot`. */
  root(tree: string): string;
  /** A gzip tar of `./app`, made on demand. */
  archive(tree: string): Readable;
  /** What differs from the manifest; empty: all is right. */
  verify(tree: string): Promise<string[]>;
  list(): Promise<string[]>;
  /** Removes a slug that no release and no dyno uses any more. */
  remove(tree: string): Promise<void>;
  /** Takes a folder of the store's file system away in one step, then removes it; what begins meanwhile meets nothing of it. */
  discard(folder: string): Promise<void>;
  /** Removes what an interrupted process left half made; when nothing builds, at start. */
  sweep(): Promise<void>;
}

export function createSlugStore(slugs: string): SlugStore {
  const placeOf = (tree: string): string => {
    if (!TREE.test(tree)) throw new Error(`"${tree}" is not the name of a slug`);
    return join(slugs, tree);
  };
  const discard = async (folder: string): Promise<void> => {
    const trash = join(slugs, `.old-${newId()}`);
    try {
      await mkdir(slugs, { recursive: true, mode: 0o711 });
      await rename(folder, trash);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      throw error;
    }
    await removeTree(trash);
  };
  let warm: Worker | null = null;
  const inThread = async (task: SlugTask): Promise<unknown> => {
    const worker = warm ?? newThread();
    warm = null;
    worker.ref();
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    worker.postMessage(task);
    const [answer] = (await once(worker, "message")) as [unknown];
    return answer;
  };
  return {
    warmUp() {
      warm ??= newThread();
    },
    async seal(request) {
      await mkdir(slugs, { recursive: true, mode: 0o711 });
      const slot = join(slugs, `.new-${newId()}`);
      await mkdir(join(slot, "root"), { recursive: true, mode: 0o755 });
      await chmod(join(slot, "root"), 0o755);
      try {
        await rename(request.folder, join(slot, "root", "app"));
        const changeOwner = process.getuid?.() === 0;
        const { owner, cached, record, spares = null, maxBytes = MAX_SLUG_BYTES } = request;
        const order = { slugs, slot, owner, changeOwner, cached, record, spares, maxBytes };
        const sealed = (await inThread({ kind: "seal", order })) as Sealed;
        // Nobody waits for a second copy of a slug to go; after a crash `sweep` finds it.
        if (sealed.ok && sealed.reused) void removeTree(slot).catch(() => {});
        else if (!sealed.ok) await removeTree(slot);
        return sealed;
      } catch (error) {
        await removeTree(slot);
        throw error;
      }
    },
    async spare({ tree, paths, spares }) {
      if (paths.length === 0) return;
      const order = { slugs, tree, paths, spares, changeOwner: process.getuid?.() === 0 };
      await inThread({ kind: "spare", order }).catch((error: NodeJS.ErrnoException) => {
        // The slug or the app's cache has been removed meanwhile: there is nothing to spare.
        if (error.code !== "ENOENT") throw error;
      });
    },
    flush() {
      spawn("sync", ["--file-system", slugs], { stdio: "ignore" }).on("error", () => {});
    },
    root: (tree) => join(placeOf(tree), "root"),
    archive(tree) {
      const argv = [
        "--create",
        "--gzip",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "-C",
        join(placeOf(tree), "root"),
        "./app",
      ];
      const tar = spawn("tar", argv, { stdio: ["ignore", "pipe", "ignore"] });
      tar.on("error", (error) => tar.stdout.destroy(error));
      tar.on("exit", (code) => {
        if (code !== 0) tar.stdout.destroy(new Error(`tar ended with status ${code}`));
      });
      return tar.stdout;
    },
    verify: async (tree) => {
      placeOf(tree);
      return (await inThread({ kind: "verify", slugs, tree })) as string[];
    },
    list: async () => (await names(slugs)).filter((name) => TREE.test(name)),
    remove: async (tree) => await discard(placeOf(tree)),
    discard,
    async sweep() {
      for (const name of await names(slugs)) if (/^\.(new|old)-/.test(name)) await removeTree(join(slugs, name));
    },
  };
}

/** Removes a folder that users have filled, however deep; links are not followed. No error when it is not there. */
export async function removeTree(path: string): Promise<void> {
  if ((await smallTree(path)) !== null) await rm(path, { recursive: true, force: true });
  // Ten times faster than fs.rm on large trees, and at home with names longer than a path may be.
  else await mustRun(["rm", "-rf", "--one-file-system", "--", path]);
}

function newThread(): Worker {
  const worker = new Worker(new URL("./slug-worker.ts", import.meta.url));
  worker.unref();
  return worker;
}

async function names(folder: string): Promise<string[]> {
  return await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
}
