import { chmod, chown, lstat, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** What a container's root file system is put together from. */
export interface RootFacts {
  /** Holds `upper`, and `work` unless there is a layer. */
  folder: string;
  /** Where a file system of its own, with `upper` and `work`, will be mounted for what the container writes; null: it is written here. */
  layer: string | null;
  /** Read-only, the topmost first: the slug's root, if any, and the stack. */
  layers: string[];
  uid: number;
  hostname: string;
  address: string;
  resolvConf: string;
  /** Where something will be mounted: these exist afterwards. */
  mountPoints: { inside: string; kind: "folder" | "file" }[];
}

/**
 * Writes the container's private layer: the files under /etc that are its own, an /app that its user owns, and mount points. Returns the
 * options for the overlay's mount. `volatile`: the layer dies with the container, so nothing waits for the disk.
 */
export async function writeRoot(facts: RootFacts): Promise<string> {
  const upper = join(facts.folder, "upper");
  const work = join(facts.folder, "work");
  for (const path of [...facts.layers, upper]) {
    if (/[,:\\"\s]/.test(path))
      throw new Error(`"${path}" cannot be a layer: overlay paths have no comma, colon, quote or space`);
  }
  await mkdir(join(upper, "etc"), { recursive: true, mode: 0o755 });
  await mkdir(join(upper, "app"), { mode: 0o755 });
  if (facts.layer === null) await mkdir(work, { mode: 0o700 });
  await chown(join(upper, "app"), facts.uid, facts.uid);
  const stack = facts.layers.at(-1) ?? "/";
  const files = {
    hostname: `${facts.hostname}\n`,
    hosts: `127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n${facts.address} ${facts.hostname}\n`,
    "resolv.conf": facts.resolvConf,
    passwd: await withEntry(join(stack, "etc/passwd"), `u${facts.uid}:x:${facts.uid}:${facts.uid}::/app:/bin/bash`),
    group: await withEntry(join(stack, "etc/group"), `dyno:x:${facts.uid}:`),
  };
  await Promise.all(
    Object.entries(files).map(async ([name, text]) => await writeFile(join(upper, "etc", name), text, { mode: 0o644 })),
  );
  for (const point of facts.mountPoints) await ensureMountPoint(upper, facts.layers, point);
  const { layer, layers } = facts;
  const folders =
    layer === null
      ? `lowerdir=${layers.join(":")},upperdir=${upper},workdir=${work}`
      : `lowerdir=${[upper, ...layers].join(":")},upperdir=${layer}/upper,workdir=${layer}/work`;
  return `${folders},volatile,nosuid,nodev`;
}

/** The overlay's options are one text with commas and colons in between. Throws an Error for a path that would break it. */
export function checkLayerPath(path: string): void {
  if (/[,:\\"\s]/.test(path)) throw new Error(`"${path}" cannot hold containers: the path has a comma, colon, quote or space`);
}

async function withEntry(file: string, entry: string): Promise<string> {
  const text = await readFile(file, "utf8");
  return `${text}${text.endsWith("\n") ? "" : "\n"}${entry}\n`;
}

async function ensureMountPoint(upper: string, layers: string[], point: RootFacts["mountPoints"][number]): Promise<void> {
  if (await existsIn(layers, point.inside)) return;
  const folder = point.kind === "folder" ? point.inside : dirname(point.inside);
  let path = "";
  for (const part of folder.split("/").filter(Boolean)) {
    path = `${path}/${part}`;
    // A folder of the upper layer hides the owner and mode of the same one below.
    const below = await existsIn(layers, path);
    await mkdir(join(upper, path), { recursive: true });
    if (below !== null && path !== "/app") await chmod(join(upper, path), below.mode & 0o7777);
  }
  if (point.kind === "file") await writeFile(join(upper, point.inside), "", { flag: "a", mode: 0o644 });
}

async function existsIn(layers: string[], path: string): Promise<{ mode: number } | null> {
  for (const layer of layers) {
    const found = await lstat(join(layer, path)).catch(() => null);
    if (found !== null) return found;
  }
  return null;
}

/** Whether a bind mount of this host path needs a folder or a file to be mounted on. */
export async function mountPointKind(host: string): Promise<"folder" | "file"> {
  return (await stat(host)).isDirectory() ? "folder" : "file";
}
