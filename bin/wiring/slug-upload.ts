import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { BuildFailure } from "../../src/builder/build-failure.ts";
import { MAX_SLUG_BYTES, type SlugStore } from "../../src/builder/slug-store.ts";
import { unpack } from "../../src/builder/unpack.ts";
import type { Paths } from "../../src/kernel/paths.ts";
import { Refusal } from "../../src/kernel/refusal.ts";

/** Stores the gzipped tar of a slug (`./app/…`) that somebody has built elsewhere; its files belong to the app's Unix user. */
export async function storeSlug(
  archive: Readable,
  owner: number,
  { paths, slugs }: { paths: Paths; slugs: SlugStore },
): Promise<{ tree: string; checksum: string; size: number }> {
  const draft = await mkdtemp(join(paths.slugs, ".new-upload-"));
  try {
    const file = join(draft, "slug.tgz");
    await pipeline(archive, createWriteStream(file, { mode: 0o600 }));
    const folder = join(draft, "app");
    await mkdir(folder);
    // The single folder at the top of a slug is `app`, and `unpack` takes a single folder away.
    await unpack(file, folder, MAX_SLUG_BYTES);
    const sealed = await slugs.seal({ folder, owner, cached: [], record: join(draft, "record") });
    if (!sealed.ok) throw new Refusal("invalid_params", sealed.problem);
    return { tree: sealed.tree, checksum: `SHA256:${sealed.tree}`, size: sealed.size };
  } catch (error) {
    if (error instanceof BuildFailure) throw new Refusal("invalid_params", error.message);
    throw error;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}
