import assert from "node:assert/strict";
import { test } from "node:test";
import { testPlatform, type TestPlatform } from "../../test/support/platform.ts";
import { waitingJobKeys } from "../kernel/jobs.ts";
import { buildOrder, type BuildRow, cancelBuild, createBuild, findBuild } from "./build.ts";
import { buildFailed, buildSucceeded, failInterruptedBuilds } from "./build-outcome.ts";
import { updateConfigVars } from "./config-var.ts";
import { listReleases } from "./release.ts";

const slug = {
  tree: "t",
  checksum: "SHA256:00",
  size: 7,
  processTypes: { web: "w" },
  buildpacks: [{ url: "urn:buildpack:heroku/python", name: "heroku/python" }],
  description: "Python",
};

async function start(platform: TestPlatform, url = "https://example.com/source.tgz"): Promise<BuildRow> {
  const source = { kind: "url" as const, url, checksum: null };
  return await createBuild(platform.ctx, platform.app.id, platform.actor, { source, version: "v1", versionDescription: null });
}

test("a build is ordered with the app's user, config vars and remembered buildpacks, and its job is queued", async () => {
  await using platform = await testPlatform();
  const { ctx, app, actor } = platform;
  await updateConfigVars(ctx, app.id, actor, { A: "1" });
  const build = await start(platform);
  assert.ok((await waitingJobKeys(ctx.db)).has(build.id));
  assert.deepEqual(await buildOrder(ctx, build.id), {
    id: build.id,
    app: { id: app.id, name: app.name, uid: 200_000 + app.number },
    stack: app.build_stack,
    source: { kind: "url", url: "https://example.com/source.tgz", checksum: null },
    buildpacks: [],
    remembered: [],
    configVars: { A: "1" },
    firstBuild: true,
    sourceVersion: build.source_version,
  });
  await buildSucceeded(ctx, build.id, slug);
  const ended = await findBuild(ctx, app.id, build.id);
  assert.deepEqual([ended.status, ended.buildpacks], ["succeeded", slug.buildpacks]);
  assert.equal(await buildOrder(ctx, build.id), null);
  const second = await buildOrder(ctx, (await start(platform)).id);
  assert.deepEqual([second?.remembered, second?.firstBuild], [slug.buildpacks, false]);
});

test("a failed or cancelled build makes no release, whatever the builder says afterwards", async () => {
  await using platform = await testPlatform();
  const { ctx, app, actor } = platform;
  const failed = await start(platform);
  await buildFailed(ctx, failed.id);
  assert.equal(await buildSucceeded(ctx, failed.id, slug), null);
  await assert.rejects(cancelBuild(ctx, app.id, actor, failed.id), /has failed already/);
  const cancelled = await start(platform);
  assert.equal((await cancelBuild(ctx, app.id, actor, cancelled.id)).status, "failed");
  assert.deepEqual(platform.events.cancelled, [cancelled.id]);
  assert.equal(await buildSucceeded(ctx, cancelled.id, slug), null);
  assert.equal((await listReleases(ctx, app.id)).length, 2);
});

test("after a power cut the running build has failed and the waiting one still waits", async () => {
  await using platform = await testPlatform();
  const { ctx, app } = platform;
  const running = await start(platform);
  const waiting = await start(platform);
  assert.deepEqual(await failInterruptedBuilds(ctx, new Set([waiting.id])), [running.id]);
  assert.equal((await findBuild(ctx, app.id, running.id)).status, "failed");
  assert.equal((await findBuild(ctx, app.id, waiting.id)).status, "pending");
});

test("the end of a build whose app was destroyed is nothing", async () => {
  await using platform = await testPlatform();
  const build = await start(platform);
  await platform.ctx.db.deleteFrom("apps").where("id", "=", platform.app.id).execute();
  assert.equal(await buildSucceeded(platform.ctx, build.id, slug), null);
  await buildFailed(platform.ctx, build.id);
});
