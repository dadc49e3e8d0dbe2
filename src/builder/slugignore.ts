import { readdir, rm } from "node:fs/promises";
import { join, matchesGlob } from "node:path";

/** The patterns of a `.slugignore`: one a line, `#` comments; negations (`!`) do not exist there. (Dev Center, "Slug Compiler".) */
export function slugignorePatterns(text: string): string[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  return lines.filter((line) => line !== "" && !line.startsWith("#") && !line.startsWith("!"));
}

/** Whether a path (relative, `/` between its parts) is left out: a pattern with a slash counts from the root, others at any depth. */
export function isIgnored(path: string, patterns: readonly string[]): boolean {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return patterns.some((pattern) => {
    const bare = pattern.replace(/\/+$/, "");
    if (bare.replace(/^\//, "") === "" || bare.split("/").includes("..")) return false;
    return bare.includes("/") ? matchesGlob(path, bare.replace(/^\//, "")) : matchesGlob(name, bare);
  });
}

/** Removes what the patterns name below `folder`; links are removed, never followed. Answers how many paths went. */
export async function removeIgnored(folder: string, patterns: readonly string[]): Promise<number> {
  let removed = 0;
  const visit = async (relative: string): Promise<void> => {
    for (const entry of await readdir(join(folder, relative), { withFileTypes: true })) {
      const path = relative === "" ? entry.name : `${relative}/${entry.name}`;
      if (isIgnored(path, patterns)) {
        await rm(join(folder, path), { recursive: true, force: true });
        removed += 1;
      } else if (entry.isDirectory()) {
        await visit(path);
      }
    }
  };
  if (patterns.length > 0) await visit("");
  return removed;
}
