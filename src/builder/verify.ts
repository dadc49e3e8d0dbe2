import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readManifest, treeId, type ManifestEntry } from "./manifest.ts";
import { below, hashFile, listTree } from "./tree.ts";

const MAX_DIFFERENCES = 100;

/** Compares a stored slug with its manifest, reading every byte. Answers what differs (at most 100 lines); empty: all is right. */
export function verify(slugs: string, tree: string): string[] {
  const text = readFileSync(join(slugs, tree, "manifest"), "utf8");
  if (treeId(text) !== tree) return ["the manifest itself was changed"];
  const { owner, entries } = readManifest(text);
  const app = join(slugs, tree, "root", "app");
  const expected = new Map(entries.map((entry) => [entry[1], entry]));
  const differences: string[] = [];
  for (const found of listTree(app)) {
    if (differences.length >= MAX_DIFFERENCES) break;
    const wanted = expected.get(found.path);
    expected.delete(found.path);
    if (wanted === undefined) differences.push(`${found.path}: is not part of the slug`);
    else if (!sameEntry(wanted, found.type, found.mode, found.size, found.target)) differences.push(`${found.path}: was changed`);
    else if (process.getuid?.() === 0 && found.uid !== owner) differences.push(`${found.path}: belongs to user ${found.uid}`);
    else if (wanted[0] === "f" && hashFile(below(app, found.path), found.size) !== wanted[4]) {
      differences.push(`${found.path}: has another content`);
    }
  }
  for (const path of expected.keys()) differences.push(`${path}: is missing`);
  return differences.slice(0, MAX_DIFFERENCES);
}

function sameEntry(wanted: ManifestEntry, type: string, mode: number, size: number, target: string): boolean {
  if (wanted[0] !== type) return false;
  if (wanted[0] === "l") return wanted[2] === target;
  return wanted[2] === mode && (wanted[0] === "d" || wanted[3] === size);
}
