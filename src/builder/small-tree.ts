import { readdir } from "node:fs/promises";
import { join } from "node:path";

const MOST_ENTRIES = 300;
/** With this few levels of names no path below is longer than the kernel takes. */
const MOST_LEVELS = 8;

/**
 * Paths of everything below a folder, parents before children, links not followed; null when that is more than a few hundred, or not to be had as texts. In a small
 * tree our own calls are faster than starting a program for it, in a large one slower.
 */
export async function smallTree(folder: string, levels = MOST_LEVELS): Promise<string[] | null> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return [];
    throw error;
  });
  if (entries.length > MOST_ENTRIES) return null;
  const paths: string[] = [];
  for (const entry of entries) {
    // A name that is not UTF-8 has no text that leads back to it.
    if (entry.name.includes("\uFFFD")) return null;
    const path = join(folder, entry.name);
    paths.push(path);
    if (!entry.isDirectory()) continue;
    const below = levels > 1 ? await smallTree(path, levels - 1) : null;
    if (below === null || paths.length + below.length > MOST_ENTRIES) return null;
    paths.push(...below);
  }
  return paths;
}
