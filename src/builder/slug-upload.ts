import { createHash } from "node:crypto";
import { chmod, mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { newId } from "../kernel/ids.ts";
import { Refusal } from "../kernel/refusal.ts";
import { BuildFailure } from "./build-failure.ts";
import { MAX_SLUG_BYTES, removeTree, type SlugStore } from "./slug-store.ts";
import { unpack } from "./unpack.ts";

export interface SlugUpload {
  store: SlugStore;
  /** Where builds work, in the store's file system. */
  buildsFolder: string;
  /** Gzipped tar of `./app/…`. */
  archive: Readable;
  /** The app's Unix user id. */
  owner: number;
}

/**
 * Stores a slug that was built elsewhere (https://devcenter.heroku.com/articles/platform-api-deploying-slugs). Refuses what is no such
 * archive, or too large. The checksum is the archive's, as Heroku's is.
 */
export async function receiveSlug(upload: SlugUpload): Promise<{ tree: string; checksum: string; size: number }> {
  const scratch = join(upload.buildsFolder, `upload-${newId()}`);
  await mkdir(scratch, { mode: 0o700 });
  try {
    const archive = join(scratch, "slug.tgz");
    const checksum = await save(upload.archive, archive);
    const folder = join(scratch, "app");
    await mkdir(folder);
    await chmod(folder, 0o755);
    await unpack(archive, folder, MAX_SLUG_BYTES);
    const record = join(scratch, "record");
    const sealed = await upload.store.seal({ folder, owner: upload.owner, cached: [], record });
    if (!sealed.ok) throw new Refusal("invalid_params", sealed.problem);
    return { tree: sealed.tree, checksum, size: sealed.size };
  } catch (error) {
    throw error instanceof BuildFailure ? new Refusal("invalid_params", error.lines.join(" ")) : error;
  } finally {
    await removeTree(scratch);
  }
}

async function save(archive: Readable, path: string): Promise<string> {
  const hash = createHash("sha256");
  const file = await open(path, "wx", 0o600);
  let size = 0;
  try {
    for await (const chunk of archive) {
      size += (chunk as Buffer).length;
      if (size > MAX_SLUG_BYTES) throw new Refusal("payload_too_large", `A slug may have ${MAX_SLUG_BYTES} bytes at most.`);
      hash.update(chunk as Buffer);
      await file.write(chunk as Buffer);
    }
  } finally {
    await file.close();
  }
  return `SHA256:${hash.digest("hex")}`;
}
