import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { mustRun } from "../kernel/command.ts";
import { createSlugStore } from "./slug-store.ts";
import { receiveSlug } from "./slug-upload.ts";

test("a slug built elsewhere is stored as the app's, and comes back as an archive", async () => {
  const home = mkdtempSync(join(tmpdir(), "zarpa-upload-"));
  try {
    const store = createSlugStore(join(home, "slugs"));
    const owner = process.getuid?.() === 0 ? 200_777 : (process.getuid?.() ?? 0);
    await mustRun(["mkdir", "-p", join(home, "made/app")]);
    await mustRun(["cp", import.meta.filename, join(home, "made/app/server.js")]);
    await mustRun(["tar", "-czf", join(home, "slug.tgz"), "-C", join(home, "made"), "./app"]);
    const archive = readFileSync(join(home, "slug.tgz"));
    const upload = { store, buildsFolder: home, owner };
    const stored = await receiveSlug({ ...upload, archive: Readable.from([archive]) });
    assert.equal(stored.checksum, `SHA256:${createHash("sha256").update(archive).digest("hex")}`);
    assert.deepEqual(readdirSync(join(store.root(stored.tree), "app")), ["server.js"]);
    assert.ok((await text(store.archive(stored.tree))).length > 0);

    await assert.rejects(receiveSlug({ ...upload, archive: Readable.from([Buffer.from("no archive")]) }), { name: "Refusal" });
    await assert.rejects(receiveSlug({ ...upload, archive: Readable.from([gzipSync("no tar")]) }), { name: "Refusal" });
    assert.deepEqual(readdirSync(home).toSorted(), ["made", "slug.tgz", "slugs"]);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});
