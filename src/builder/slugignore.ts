import { readdir, rm } from "node:fs/promises";
import { BuildFailure } from "./build-failure.ts";
import { compileGlob, type Glob } from "./glob.ts";
import { below } from "./tree.ts";

/** More than anybody writes by hand; each is tried on each file. */
const MAX_PATTERNS = 500;
const MAX_PATTERN_LENGTH = 1000;
/** Other people's requests are answered in between. */
const TURN_MILLISECONDS = 20;

/** The patterns of a `.slugignore`: one a line, `#` comments; negations (`!`) do not exist there. (Dev Center, "Slug Compiler".) */
export function slugignorePatterns(text: string): string[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const patterns = lines.filter((line) => line !== "" && !line.startsWith("#") && !line.startsWith("!"));
  if (patterns.length > MAX_PATTERNS || patterns.some((pattern) => pattern.length > MAX_PATTERN_LENGTH)) {
    throw new BuildFailure(
      `.slugignore has more than ${MAX_PATTERNS} patterns, or one of more than ${MAX_PATTERN_LENGTH} characters.`,
    );
  }
  return patterns;
}

/** Whether a path (relative, `/` between its parts) is left out: a pattern with a slash counts from the root, others at any depth. */
export function isIgnored(path: string, patterns: readonly string[]): boolean {
  return compilePatterns(patterns)(Buffer.from(path).toString("latin1"));
}

/** Removes what the patterns name below `folder`; links are removed, never followed. Answers how many paths went. */
export async function removeIgnored(folder: string, patterns: readonly string[]): Promise<number> {
  const isOut = compilePatterns(patterns);
  let removed = 0;
  let turnEnds = performance.now() + TURN_MILLISECONDS;
  const visit = async (relative: string): Promise<void> => {
    // Names are bytes, one character each: not every file name is UTF-8.
    for (const entry of await readdir(below(folder, relative), { withFileTypes: true, encoding: "latin1" })) {
      const path = relative === "" ? entry.name : `${relative}/${entry.name}`;
      if (performance.now() > turnEnds) {
        await new Promise((resolve) => setImmediate(resolve));
        turnEnds = performance.now() + TURN_MILLISECONDS;
      }
      if (isOut(path)) {
        await rm(below(folder, path), { recursive: true, force: true });
        removed += 1;
      } else if (entry.isDirectory()) {
        await visit(path);
      }
    }
  };
  if (patterns.length > 0) await visit("");
  return removed;
}

function compilePatterns(patterns: readonly string[]): Glob {
  const whole: Glob[] = [];
  const names: Glob[] = [];
  for (const pattern of patterns) {
    const bare = Buffer.from(pattern).toString("latin1").replace(/\/+$/, "");
    if (bare.replace(/^\//, "") === "" || bare.split("/").includes("..")) continue;
    if (bare.includes("/")) whole.push(compileGlob(bare.replace(/^\//, "")));
    else names.push(compileGlob(bare));
  }
  return (path) => {
    const name = path.slice(path.lastIndexOf("/") + 1);
    return names.some((glob) => glob(name)) || whole.some((glob) => glob(path));
  };
}
