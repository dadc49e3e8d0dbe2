import { randomBytes } from "node:crypto";
import { constants, existsSync } from "node:fs";
import { chmod, chown, lchown, lstat, mkdir, open, readdir, rename, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { mustRun } from "../kernel/command.ts";
import { BuildFailure } from "./build-failure.ts";
import { removeTree } from "./slug-store.ts";
import { smallTree } from "./small-tree.ts";

/**
 * The folders of one build. Everything that the build may write to lies in one folder, its `/tmp`: files move between cache and build
 * folder by renaming. The path to the cache is root's, so that no build can put a link in its place.
 */
export interface Workspace {
  /** `/tmp` of the build, on the host. */
  tmp: string;
  /** BUILD_DIR, CACHE_DIR, ENV_DIR and where the driver script answers; on the host. */
  build: string;
  cache: string;
  env: string;
  result: string;
  /** Where the buildpacks are copied to before they run. */
  copies: string;
}

/** Root's folder in the build's `/tmp`: what lies directly in it can be neither moved nor replaced by a build. Heroku's name. */
const ROOMS = "codon";

/** Makes the app's work folder ready and clears what a killed build left in it. */
export async function openWorkspace(appFolder: string, uid: number): Promise<Workspace> {
  const tmp = join(appFolder, "tmp");
  await mkdir(tmp, { recursive: true, mode: 0o755 });
  await chmod(appFolder, 0o711);
  await chmod(tmp, 0o1777);
  const rooms = join(tmp, ROOMS);
  const cache = join(rooms, "tmp", "cache");
  for (const path of [rooms, dirname(cache)]) await makeOwn(path);
  await mkdir(cache, { mode: 0o755 }).catch(ignoreExisting);
  await clearWorkspace({ tmp });
  await own(cache, uid);
  const hex = randomBytes(4).toString("hex");
  const folder = (name: string): string => join(rooms, `${name}_${hex}`);
  const workspace = {
    tmp,
    build: join(tmp, `build_${hex}`),
    cache,
    env: folder("env"),
    result: folder("result"),
    copies: folder("buildpacks"),
  };
  for (const path of [workspace.env, workspace.result, workspace.copies]) {
    await mkdir(path, { mode: 0o700 });
    await own(path, uid);
  }
  return workspace;
}

/** Removes everything but the cache: what a build has left anywhere else would keep its place on the disk for ever. */
export async function clearWorkspace({ tmp }: Pick<Workspace, "tmp">): Promise<void> {
  const rooms = join(tmp, ROOMS);
  const clear = async (folder: string, but: string): Promise<void> => {
    const names = (await readdir(folder)).filter((name) => name !== but);
    // A name that is not UTF-8 cannot be removed by its text.
    if (names.some((name) => name.includes("\uFFFD"))) await clearBytes(folder, but);
    else await Promise.all(names.map(async (name) => await removeTree(join(folder, name))));
  };
  await clear(tmp, ROOMS);
  await clear(rooms, "tmp");
}

async function clearBytes(folder: string, but: string): Promise<void> {
  await mustRun(["find", folder, "-mindepth", "1", "-maxdepth", "1", "!", "-name", but, "-exec", "rm", "-rf", "--", "{}", "+"]);
}

/** A folder of the platform's own; what else has its name, put there by a build, goes. */
async function makeOwn(path: string): Promise<void> {
  const facts = await lstat(path).catch(() => null);
  if (facts?.isDirectory() === true && facts.uid === process.getuid?.()) return;
  if (facts !== null) await removeTree(path);
  await mkdir(path, { mode: 0o755 });
}

/**
 * Takes the source over: the folder becomes BUILD_DIR and the app's property; or its entries do, where an empty BUILD_DIR is mounted
 * already. Answers what `isIntact` knows it by.
 */
export async function adoptSource(source: string, workspace: Workspace, uid: number): Promise<number> {
  if (!(await lstat(source)).isDirectory()) throw new Error(`the source ${source} is not a folder`);
  if (existsSync(workspace.build)) await moveEntries(source, workspace.build);
  else await rename(source, workspace.build);
  // The folder that the source was handed over in; no matter when there is something else in it.
  await rmdir(dirname(source)).catch(() => {});
  await chmod(workspace.build, 0o755);
  if (process.getuid?.() === 0) await ownTree(workspace.build, uid);
  return (await lstat(workspace.build)).ino;
}

async function moveEntries(from: string, to: string): Promise<void> {
  // Names are bytes: not all of them are text.
  for (const name of await readdir(from, { encoding: "buffer" })) {
    await rename(Buffer.concat([Buffer.from(`${from}/`), name]), Buffer.concat([Buffer.from(`${to}/`), name]));
  }
  await rmdir(from);
}

/** Whether BUILD_DIR is still the folder that was adopted: a build may move it, and put a link to anywhere in its place. */
export async function isIntact(workspace: Workspace, inode: number): Promise<boolean> {
  const facts = await lstat(workspace.build).catch(() => null);
  return facts !== null && facts.isDirectory() && facts.ino === inode;
}

/** ENV_DIR: one file per config var, readable by the build only. */
export async function writeConfigVars(workspace: Workspace, configVars: Record<string, string>, uid: number): Promise<void> {
  for (const [name, value] of Object.entries(configVars)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) continue;
    const path = join(workspace.env, name);
    await writeFile(path, value, { mode: 0o600, flag: "wx" });
    await own(path, uid);
  }
}

/** A small file of the app's tree; null when it is not there. A link in its place is not followed. */
export async function readUserFile(path: string, maxBytes: number): Promise<string | null> {
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const facts = await handle.stat();
      if (!facts.isFile()) return null;
      if (facts.size > maxBytes)
        throw new BuildFailure(`${path.slice(path.lastIndexOf("/") + 1)} is larger than ${maxBytes} bytes.`);
      return await handle.readFile("utf8");
    } finally {
      await handle.close();
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ELOOP" || code === "ENOTDIR" || code === "ENXIO") return null;
    throw error;
  }
}

async function ownTree(folder: string, uid: number): Promise<void> {
  const below = await smallTree(folder);
  if (below !== null) await Promise.all([folder, ...below].map(async (path) => await lchown(path, uid, uid)));
  else await mustRun(["chown", "--recursive", "--no-dereference", "-P", "--", `${uid}:${uid}`, folder]);
}

async function own(path: string, uid: number): Promise<void> {
  if (process.getuid?.() === 0) await chown(path, uid, uid);
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== "EEXIST") throw error;
}
