import assert from "node:assert/strict";
import { test } from "node:test";
import { testPlatform } from "../../test/support/platform.ts";
import { readAccountLimits, setAccountLimits } from "./account-limits.ts";
import { createOneOff, type OneOffOrder } from "./dyno.ts";
import { createSize, deleteSize, updateSize } from "./dyno-size-change.ts";
import { formationStore } from "./formation-store.ts";
import { updateFormation } from "./formation.ts";

const GIGABYTE = 1024 ** 3;
const order: OneOffOrder = {
  command: "bash",
  attach: false,
  env: {},
  size: null,
  type: null,
  forceNoTty: false,
  timeToLive: null,
};

test("an administrator changes, adds and removes sizes", async () => {
  await using platform = await testPlatform();
  await platform.deploy({ web: "serve" });
  const { ctx, app, actor } = platform;
  const admin = { ...actor, isAdmin: true };
  await assert.rejects(updateSize(ctx, actor, "eco", { memory: 1 }), /Only an administrator/);
  await updateSize(ctx, admin, "eco", { memory: 0.75, max_processes: 100, sleeps: false });
  assert.deepEqual(ctx.sizes.limits("Eco"), {
    memoryBytes: 0.75 * GIGABYTE,
    cpuShare: 1,
    maxProcesses: 100,
    diskBytes: 4 * GIGABYTE,
  });
  assert.equal((await formationStore(ctx, "/slugs").desired(app.id))?.sleep.may, false);
  await createSize(ctx, admin, "Lab-XL", { memory: 8, compute: 4, tier: "professional", max_quantity: 3 });
  await assert.rejects(createSize(ctx, admin, "lab-xl", {}), /There is a dyno size lab-xl already/);
  await assert.rejects(createSize(ctx, admin, "no good", {}), /no name for a dyno size/);
  await assert.rejects(updateSize(ctx, admin, "lab-xl", { memory: 0 }), /memory is 0/);
  await updateFormation(ctx, app.id, actor, [{ type: "web", size: "lab-xl", quantity: 3 }]);
  await assert.rejects(updateFormation(ctx, app.id, actor, [{ type: "web", quantity: 4 }]), /more than 3 Lab-XL/);
  await assert.rejects(deleteSize(ctx, admin, "lab-xl"), /Lab-XL is in use by first-light/);
  await updateFormation(ctx, app.id, actor, [{ type: "web", size: "eco", quantity: 1 }]);
  await deleteSize(ctx, admin, "lab-xl");
  assert.equal(ctx.sizes.find("lab-xl"), null);
  await assert.rejects(deleteSize(ctx, admin, "eco"), /new apps begin with/);
});

test("an account has so many dynos and no more", async () => {
  await using platform = await testPlatform();
  await platform.deploy({ web: "serve", worker: "work" });
  const { ctx, app, actor } = platform;
  const admin = { ...actor, isAdmin: true };
  await assert.rejects(setAccountLimits(ctx, actor, "~", { max_dynos: 3 }), /Only an administrator/);
  const limits = await setAccountLimits(ctx, admin, actor.email, { max_dynos: 3 });
  assert.deepEqual([limits.dynos, limits.max_dynos, limits.eco_hours], [1, 3, 1000]);
  await updateFormation(ctx, app.id, actor, [{ type: "web", size: "standard-1x", quantity: 2 }]);
  await createOneOff(ctx, app.id, actor, order);
  await assert.rejects(createOneOff(ctx, app.id, actor, order), /limit of 3 dynos for your account: its apps have 3/);
  await assert.rejects(updateFormation(ctx, app.id, actor, [{ type: "worker", quantity: 1 }]), /limit of 3 dynos/);
  await updateFormation(ctx, app.id, actor, [
    { type: "web", quantity: 1 },
    { type: "worker", quantity: 1 },
  ]);
  assert.equal((await readAccountLimits(ctx, actor, "~")).dynos, 3);
  await assert.rejects(setAccountLimits(ctx, admin, "nobody@example.com", {}), /Couldn't find that account/);
  await assert.rejects(readAccountLimits(ctx, actor, "nobody@example.com"), /Only an administrator/);
});

test("Eco hours that are used up stop Eco apps until the month ends", async () => {
  await using platform = await testPlatform();
  const { release } = await platform.deploy({ web: "serve" });
  const { ctx, clock, app, actor } = platform;
  const store = formationStore(ctx, "/slugs");
  const exhausted = async (): Promise<boolean | undefined> => (await store.desired(app.id))?.sleep.exhausted;
  await setAccountLimits(ctx, { ...actor, isAdmin: true }, "~", { eco_hours: 2 });
  const now = clock.now();
  const [id] = [app.id];
  await ctx.db
    .insertInto("dynos")
    .values({
      id,
      app_id: app.id,
      release_id: release.id,
      type: "web",
      name: "web.1",
      size: "Eco",
      command: "serve",
      state: "up",
      kind: "formation",
      env: "{}",
      attach: false,
      force_no_tty: false,
      stop_requested: false,
      attach_digest: null,
      time_to_live: null,
      exit_code: null,
      address: null,
      port: null,
      crashes: 0,
      created_at: now,
      updated_at: now,
    })
    .execute();
  assert.equal(await exhausted(), false);
  await clock.advance(2 * 60 * 60_000);
  assert.equal(await exhausted(), true);
  await store.update(id, { state: "down" });
  await assert.rejects(createOneOff(ctx, app.id, actor, order), /dyno hours are used up/);
  await createOneOff(ctx, app.id, actor, { ...order, size: "basic" });
  await clock.advance(31 * 24 * 60 * 60_000);
  assert.equal(await exhausted(), false, "a new month");
});
