import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { UploadRoom } from "./disk.ts";

test("an upload is refused while the disk has less than the reserve", async () => {
  await new UploadRoom(tmpdir(), 0).mustTake(1);
  const full = new UploadRoom(tmpdir(), Number.MAX_SAFE_INTEGER);
  assert.equal(await full.take(1), false);
  assert.equal(await full.take(1), true, "the disk is not asked for each chunk");
  await assert.rejects(full.mustTake(100 * 1024 ** 2), /almost full: ask its operator/);
});
