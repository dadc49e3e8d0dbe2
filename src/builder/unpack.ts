import { once } from "node:events";
import { createReadStream } from "node:fs";
import { readdir, rename, rmdir } from "node:fs/promises";
import { join, normalize } from "node:path";
import { type ReadEntry, Unpack } from "tar";
import { BuildFailure } from "./build-failure.ts";

const MAX_ENTRIES = 300_000;
const KINDS = new Set(["File", "OldFile", "ContiguousFile", "Directory", "SymbolicLink", "Link", "GNUDumpDir"]);

/**
 * Unpacks a tar archive (plain, gzip, zstd or brotli) into the empty folder `into`. Names and hard links that point outside of it,
 * devices, and more than `maxBytes` of content are refused before they are written. A single folder at the top is taken away,
 * as archives of code hosts have one.
 */
export async function unpack(archive: string, into: string, maxBytes: number): Promise<void> {
  let size = 0;
  let count = 0;
  let refused: BuildFailure | null = null;
  const check = (entry: ReadEntry): void => {
    count += 1;
    size += entry.size;
    if (count > MAX_ENTRIES) throw new BuildFailure(`The archive has more than the ${MAX_ENTRIES} entries allowed.`);
    if (size > maxBytes)
      throw new BuildFailure(`The archive unpacks to more than the ${Math.floor(maxBytes / 1024 / 1024)}M allowed.`);
    if (!KINDS.has(entry.type)) throw new BuildFailure(`The archive holds "${entry.path}", a ${entry.type}: it is refused.`);
    if (leads(entry.path)) throw new BuildFailure(`The archive holds "${entry.path}", a path outside of it: it is refused.`);
    if ((entry.type === "Link" || entry.type === "SymbolicLink") && linkLeads(entry)) {
      throw new BuildFailure(`The archive links "${entry.path}" to "${entry.linkpath}", outside of it: it is refused.`);
    }
  };
  const parser = new Unpack({
    cwd: into,
    strict: true,
    preserveOwner: false,
    preservePaths: false,
    filter: (_path, entry) => {
      if (refused !== null) return false;
      try {
        if ("type" in entry) check(entry);
        return true;
      } catch (error) {
        refused = error as BuildFailure;
        return false;
      }
    },
  });
  try {
    await feed(parser, archive, () => refused !== null);
  } catch (error) {
    if (refused === null) throw new BuildFailure(`The archive cannot be unpacked: ${(error as Error).message}`);
  }
  if (refused !== null) throw refused as BuildFailure;
  await liftSingleFolder(into);
}

/** Reads on only until the archive is refused: what follows may be a thousand times as large as the archive. */
async function feed(parser: Unpack, archive: string, isRefused: () => boolean): Promise<void> {
  const ended = new Promise<void>((resolve, reject) => {
    parser.on("error", reject);
    parser.on("close", () => resolve());
  });
  ended.catch(() => {});
  for await (const chunk of createReadStream(archive)) {
    const flows = parser.write(chunk as Buffer);
    if (isRefused()) {
      parser.abort(new Error("refused"));
      return;
    }
    if (!flows) await Promise.race([once(parser, "drain"), ended]);
  }
  parser.end();
  await ended;
}

/** Whether a name leads out of the folder that it is relative to. */
function leads(path: string): boolean {
  const clean = normalize(path);
  return clean === ".." || clean.startsWith("../") || clean.startsWith("/");
}

/** Hard links are relative to the archive, symbolic links to the folder they lie in. */
function linkLeads(entry: ReadEntry): boolean {
  const target = entry.linkpath ?? "";
  if (entry.type === "Link") return leads(target);
  if (target.startsWith("/")) return true;
  return leads(join(entry.path, "..", target));
}

async function liftSingleFolder(folder: string): Promise<void> {
  const [only, ...others] = await readdir(folder, { withFileTypes: true });
  // A buildpack may consist of its bin folder alone.
  if (only === undefined || others.length > 0 || !only.isDirectory() || only.name === "bin") return;
  const aside = `${folder}.top`;
  await rename(join(folder, only.name), aside);
  for (const name of await readdir(aside)) await rename(join(aside, name), join(folder, name));
  await rmdir(aside);
}
