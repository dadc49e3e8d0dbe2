import {
  chmodSync,
  existsSync,
  lchownSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { type ManifestEntry, manifestText, readManifest, treeId } from "./manifest.ts";
import { below } from "./tree.ts";

/**
 * A *spare* is a copy, by hard links, of a stored slug's cached tree (see `seal.ts`): when the next build has not changed that tree, the
 * spare becomes a part of the next slug in one step. It is made after a deploy, when nobody waits. Synchronous, for a worker thread.
 */
export interface SpareOrder {
  slugs: string;
  tree: string;
  /** Cached trees, below the app's folder. */
  paths: string[];
  /** Folder for the app's spares, which only root may enter; others in it are removed. */
  spares: string;
  changeOwner: boolean;
}

/** A spare is named by its content: whoever finds one of the right name may use it. */
export function spareName(owner: number, entries: ManifestEntry[]): string {
  return treeId(manifestText(owner, entries));
}

export function makeSpares(order: SpareOrder): void {
  const { owner, entries } = readManifest(readFileSync(join(order.slugs, order.tree, "manifest"), "utf8"));
  mkdirSync(order.spares, { recursive: true, mode: 0o700 });
  const kept = new Set<string>();
  for (const path of order.paths) {
    const prefix = Buffer.from(path).toString("latin1");
    const own = entries.filter(([, name]) => name === prefix || name.startsWith(`${prefix}/`));
    const name = spareName(owner, own);
    kept.add(name);
    if (own.length > 0 && !existsSync(join(order.spares, name))) makeSpare(order, owner, prefix, own, name);
  }
  for (const name of readdirSync(order.spares)) {
    if (!kept.has(name)) rmSync(join(order.spares, name), { recursive: true, force: true });
  }
}

function makeSpare(order: SpareOrder, owner: number, prefix: string, entries: ManifestEntry[], name: string): void {
  const app = join(order.slugs, order.tree, "root", "app");
  const draft = join(order.spares, ".new");
  rmSync(draft, { recursive: true, force: true });
  // Parents stand before their children.
  for (const entry of entries) {
    const target = entry[1] === prefix ? draft : below(draft, entry[1].slice(prefix.length + 1));
    if (entry[0] === "f") linkSync(below(app, entry[1]), target);
    else if (entry[0] === "l") symlinkSync(Buffer.from(entry[2], "latin1"), target);
    else mkdirSync(target);
    if (entry[0] === "d") chmodSync(target, entry[2]);
    if (entry[0] !== "f" && order.changeOwner) lchownSync(target, owner, owner);
  }
  renameSync(draft, join(order.spares, name));
}
