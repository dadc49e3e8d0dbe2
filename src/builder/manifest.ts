import { hash } from "node:crypto";

/** A line of a slug's manifest: a file with its content's SHA-256, a folder, or a symbolic link with its target. */
export type ManifestEntry =
  | ["f", path: string, mode: number, size: number, sha256: string]
  | ["d", path: string, mode: number]
  | ["l", path: string, target: string];

const FORMAT = 1;

/**
 * The text that names a slug: every entry in the order of its path, one JSON array a line, after a header with the owner. Times are
 * left out: two builds with the same content are the same slug.
 */
export function manifestText(owner: number, entries: ManifestEntry[]): string {
  const sorted = entries.toSorted((a, b) => (a[1] < b[1] ? -1 : 1));
  const lines = sorted.map((entry) => JSON.stringify(entry));
  return `${JSON.stringify({ format: FORMAT, owner })}\n${lines.join("\n")}\n`;
}

/** The slug's name in the store: SHA-256 of its manifest, in hex. */
export function treeId(manifest: string): string {
  return hash("sha256", manifest, "hex");
}

export function readManifest(text: string): { owner: number; entries: ManifestEntry[] } {
  const [header = "", ...lines] = text.split("\n");
  const { format, owner } = JSON.parse(header) as { format: number; owner: number };
  if (format !== FORMAT) throw new Error(`a slug manifest of format ${format} is not known here`);
  return { owner, entries: lines.filter((line) => line !== "").map((line) => JSON.parse(line) as ManifestEntry) };
}
