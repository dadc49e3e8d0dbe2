import assert from "node:assert/strict";
import { test } from "node:test";
import { testPlatform } from "../../test/support/platform.ts";
import { waitingJobKeys } from "../kernel/jobs.ts";
import { updateConfigVars, readConfigVars } from "./config-var.ts";
import { listFormation } from "./formation.ts";
import {
  failInterruptedReleases,
  findRelease,
  finishRelease,
  listReleases,
  releaseConfig,
  releaseSlug,
  rollBack,
} from "./release.ts";

test("an app begins with Heroku's two releases, and a deploy makes the third", async () => {
  await using platform = await testPlatform();
  const { ctx, app, actor } = platform;
  const { release, url, hasReleasePhase } = await platform.deploy({ web: "gunicorn app:app", worker: "python w.py" });
  assert.deepEqual([release.version, release.description, hasReleasePhase], [3, "Deploy 60883d9e", false]);
  assert.equal(url, "http://first-light.localhost:8080/");
  const releases = await listReleases(ctx, app.id);
  assert.deepEqual(
    releases.map(({ version, description, status, current }) => ({ version, description, status, current })),
    [
      { version: 1, description: "Initial release", status: "succeeded", current: false },
      { version: 2, description: "Enable Logplex", status: "succeeded", current: false },
      { version: 3, description: "Deploy 60883d9e", status: "succeeded", current: true },
    ],
  );
  assert.deepEqual(platform.events.logged, [
    `app[api]: Build started by user ${actor.email}`,
    `app[api]: Deploy 60883d9e by user ${actor.email}`,
    `app[api]: Release v3 created by user ${actor.email}`,
    "app[api]: Build succeeded",
  ]);
});

test("twenty changes at once are numbered without gaps, and one release is current", async () => {
  await using platform = await testPlatform();
  const { ctx, app, actor } = platform;
  const names = Array.from({ length: 20 }, (_, index) => `VAR_${index}`);
  await Promise.all(names.map(async (name) => await updateConfigVars(ctx, app.id, actor, { [name]: "1" })));
  const releases = await listReleases(ctx, app.id);
  assert.deepEqual(
    releases.map((release) => release.version),
    Array.from({ length: 22 }, (_, index) => index + 1),
  );
  assert.deepEqual(
    releases.filter((release) => release.current).map((release) => release.version),
    [22],
  );
  assert.deepEqual(Object.keys(await readConfigVars(ctx, app.id)).toSorted(), names.toSorted());
});

test("a rollback brings back slug and config vars as a new release", async () => {
  await using platform = await testPlatform();
  const { ctx, app, actor } = platform;
  await updateConfigVars(ctx, app.id, actor, { COLOUR: "blue" });
  const first = await platform.deploy({ web: "old" }, "a".repeat(40));
  await updateConfigVars(ctx, app.id, actor, { COLOUR: "red", SHAPE: "round" });
  await platform.deploy({ web: "new" }, "b".repeat(40));
  const back = await rollBack(ctx, app.id, actor, "v4");
  assert.deepEqual(
    [back.version, back.description, back.current, back.slug_id],
    [7, "Rollback to v4", true, first.release.slug_id],
  );
  assert.deepEqual(await readConfigVars(ctx, app.id), { COLOUR: "blue" });
  assert.deepEqual(await releaseConfig(ctx, back.id), { COLOUR: "blue" });
  assert.equal((await listFormation(ctx.db, app.id))[0]?.command, "old");
  await assert.rejects(rollBack(ctx, app.id, actor, "2"), /Cannot roll back to v2: it has no slug/);
  await assert.rejects(rollBack(ctx, app.id, actor, "99"), /Couldn't find that release/);
  assert.equal((await findRelease(ctx.db, app.id, "7")).current, true);
});

test("with a release process type the old release stays current until the phase has succeeded", async () => {
  await using platform = await testPlatform();
  const { ctx, app } = platform;
  await platform.deploy({ web: "old" });
  const { release, hasReleasePhase } = await platform.deploy({ web: "new", release: "migrate" });
  assert.deepEqual([release.status, release.current, hasReleasePhase], ["pending", false, true]);
  assert.ok(release.output_token);
  assert.ok((await waitingJobKeys(ctx.db)).has(release.id), "the phase is queued");
  assert.equal((await listFormation(ctx.db, app.id))[0]?.command, "old");
  await finishRelease(ctx, release.id, "succeeded");
  assert.equal((await findRelease(ctx.db, app.id, "4")).current, true);
  assert.deepEqual(
    (await listFormation(ctx.db, app.id)).map(({ type, quantity, command }) => [type, quantity, command]),
    [
      ["release", 0, "migrate"],
      ["web", 1, "new"],
    ],
  );
});

test("a failed release phase keeps the old release, and the next change starts from the slug that works", async () => {
  await using platform = await testPlatform();
  const { ctx, app, actor } = platform;
  const good = await platform.deploy({ web: "old" });
  const bad = await platform.deploy({ web: "new", release: "exit 1" });
  await finishRelease(ctx, bad.release.id, "failed");
  await finishRelease(ctx, bad.release.id, "succeeded");
  assert.equal((await findRelease(ctx.db, app.id, "4")).status, "failed");
  assert.equal((await findRelease(ctx.db, app.id, "3")).current, true);
  await updateConfigVars(ctx, app.id, actor, { A: "1" });
  assert.equal((await findRelease(ctx.db, app.id, "5")).slug_id, good.release.slug_id);
  await assert.rejects(rollBack(ctx, app.id, actor, "4"), /its release command has not succeeded/);
  const retry = await releaseSlug(ctx, app.id, actor, { slug: bad.release.slug_id ?? "", description: "Retry of v4" });
  assert.deepEqual([retry.version, retry.status, retry.description], [6, "pending", "Retry of v4"]);
});

test("a release phase that died with the control plane has failed, one that waits stays", async () => {
  await using platform = await testPlatform();
  const { ctx, app } = platform;
  await platform.deploy({ web: "w", release: "one" });
  await platform.deploy({ web: "w", release: "two" });
  const [, , third, fourth] = await listReleases(ctx, app.id);
  await failInterruptedReleases(ctx, new Set([fourth?.id ?? ""]));
  assert.deepEqual(
    (await listReleases(ctx, app.id)).map((release) => release.status),
    ["succeeded", "succeeded", "failed", "pending"],
  );
  assert.equal(third?.status, "pending");
});

test("a phase that ends after a later release is current does not take its place", async () => {
  await using platform = await testPlatform();
  const { ctx, app } = platform;
  const slow = await platform.deploy({ web: "w", release: "slow" });
  const quick = await platform.deploy({ web: "w", release: "quick" });
  await finishRelease(ctx, quick.release.id, "succeeded");
  await finishRelease(ctx, slow.release.id, "succeeded");
  assert.equal((await findRelease(ctx.db, app.id, "4")).current, true);
  assert.equal((await findRelease(ctx.db, app.id, "3")).status, "succeeded");
});
