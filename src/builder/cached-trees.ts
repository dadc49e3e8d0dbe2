import { lstat, readdir, readlink, rm } from "node:fs/promises";
import { join, normalize } from "node:path";
import type { CachedTree } from "./seal.ts";
import { readUserFile } from "./workspace.ts";

const MAX_OMIT_BYTES = 4 * 1024 * 1024;

/**
 * The convention between builder and buildpacks that makes a redeploy cheap: a buildpack *moves* a folder out of CACHE_DIR into
 * BUILD_DIR and leaves a symbolic link to it in CACHE_DIR. After the build the folder goes back in the link's place, and the slug
 * shares its unchanged files with the former slug (`seal.ts`). `NAME.omit` beside the link `NAME` lists paths below the folder that
 * the slug leaves out (development dependencies).
 *
 * Finds these links. Each is checked: it must lead to a real folder below BUILD_DIR, through real folders. Those that do not are
 * removed; links to other places mean nothing here.
 */
export async function findCachedTrees(cache: string, build: string, buildNames: readonly string[]): Promise<CachedTree[]> {
  const trees: CachedTree[] = [];
  for (const entry of await readdir(cache, { withFileTypes: true })) {
    if (!entry.isSymbolicLink()) continue;
    const link = join(cache, entry.name);
    const path = relativeTo(await readlink(link), buildNames);
    if (path === null) continue;
    await rm(link);
    const nested = trees.some((tree) => `${tree.path}/`.startsWith(`${path}/`) || `${path}/`.startsWith(`${tree.path}/`));
    if (nested || !(await isRealFolder(build, path))) continue;
    const omit = (await readUserFile(`${link}.omit`, MAX_OMIT_BYTES)) ?? "";
    trees.push({ path, home: link, omit: omit.split("\n").filter((line) => line !== "") });
  }
  return trees;
}

function relativeTo(target: string, buildNames: readonly string[]): string | null {
  for (const name of buildNames) {
    if (!target.startsWith(`${name}/`)) continue;
    const path = normalize(target.slice(name.length + 1)).replace(/\/$/, "");
    return path === "" || path === "." || path.startsWith("..") || path.startsWith("/") ? null : path;
  }
  return null;
}

async function isRealFolder(root: string, path: string): Promise<boolean> {
  let at = root;
  for (const part of path.split("/")) {
    at = join(at, part);
    const facts = await lstat(at).catch(() => null);
    if (facts === null || !facts.isDirectory()) return false;
  }
  return true;
}
