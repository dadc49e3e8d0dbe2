import assert from "node:assert/strict";
import { test } from "node:test";
import { testPlatform } from "../../test/support/platform.ts";
import { MAX_CONFIG_BYTES, mergeConfig, readConfigVars, updateConfigVars } from "./config-var.ts";
import { listReleases } from "./release.ts";

test("changes are merged, null removes, and each real change is one release", async () => {
  await using platform = await testPlatform();
  const { ctx, app, actor } = platform;
  assert.deepEqual(await updateConfigVars(ctx, app.id, actor, { A: "1", B: "2" }), { A: "1", B: "2" });
  assert.deepEqual(await updateConfigVars(ctx, app.id, actor, { A: null, C: "" }), { B: "2", C: "" });
  await updateConfigVars(ctx, app.id, actor, { B: null, UNKNOWN: null });
  await updateConfigVars(ctx, app.id, actor, { C: "", UNKNOWN: null });
  assert.deepEqual(
    (await listReleases(ctx, app.id)).slice(2).map((release) => release.description),
    ["Set A, B config vars", "Set C and remove A config vars", "Remove B config vars"],
  );
  assert.deepEqual(await readConfigVars(ctx, app.id), { C: "" });
  assert.equal(platform.events.logged.at(0), `app[api]: Set A, B config vars by user ${actor.email}`);
  assert.equal(platform.events.logged.at(1), `app[api]: Release v3 created by user ${actor.email}`);
});

test("bad names, null bytes and too much are refused, and nothing is changed", async () => {
  await using platform = await testPlatform();
  const { ctx, app, actor } = platform;
  await assert.rejects(updateConfigVars(ctx, app.id, actor, { OK: "1", "NOT-OK": "1" }), /"NOT-OK" is no name/);
  await assert.rejects(updateConfigVars(ctx, app.id, actor, { OK: "a\0b" }), /null byte/);
  await assert.rejects(updateConfigVars(ctx, app.id, actor, { ["A".repeat(256)]: "x" }), /255 at most/);
  const most = "x".repeat(MAX_CONFIG_BYTES - 1);
  await assert.rejects(updateConfigVars(ctx, app.id, actor, { A: `${most}y` }), /65536 bytes in all.*65537/);
  assert.deepEqual(await readConfigVars(ctx, app.id), {});
  await updateConfigVars(ctx, app.id, actor, { A: most });
  await assert.rejects(updateConfigVars(ctx, app.id, actor, { B: "" }), /65536 bytes/);
  assert.equal((await listReleases(ctx, app.id)).length, 3);
});

test("values are counted in bytes, and removing always works", () => {
  const full = { A: "é".repeat(MAX_CONFIG_BYTES / 2) };
  assert.deepEqual(mergeConfig(full, { A: null }).config, {});
  assert.throws(() => mergeConfig({}, full), /bytes in all/);
});

test("config vars are sealed in the database", async () => {
  await using platform = await testPlatform();
  const { ctx, app, actor } = platform;
  await updateConfigVars(ctx, app.id, actor, { PASSWORD: "correct-horse" });
  const { config } = await ctx.db.selectFrom("apps").select("config").where("id", "=", app.id).executeTakeFirstOrThrow();
  assert.ok(!config.includes("correct-horse"));
});
