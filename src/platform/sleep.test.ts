import assert from "node:assert/strict";
import { test } from "node:test";
import { testPlatform, type TestPlatform } from "../../test/support/platform.ts";
import { newId } from "../kernel/ids.ts";
import { formationStore } from "./formation-store.ts";
import { updateFormation } from "./formation.ts";
import { readEcoQuota } from "./quota.ts";

const HOUR = 60 * 60_000;

async function addDyno(platform: TestPlatform, releaseId: string, kind = "formation"): Promise<string> {
  const id = newId();
  const now = platform.clock.now();
  await platform.ctx.db
    .insertInto("dynos")
    .values({
      id,
      app_id: platform.app.id,
      release_id: releaseId,
      type: "web",
      name: "web.1",
      size: "Eco",
      command: "serve",
      state: "up",
      kind,
      env: "{}",
      attach: false,
      force_no_tty: false,
      stop_requested: false,
      attach_digest: null,
      exit_code: null,
      address: null,
      port: null,
      crashes: 0,
      created_at: now,
      updated_at: now,
    })
    .execute();
  return id;
}

test("an app sleeps and wakes once at a time, and the time it took to wake is kept", async () => {
  await using platform = await testPlatform();
  await platform.deploy({ web: "serve", worker: "work" });
  const { ctx, clock, app } = platform;
  const store = formationStore(ctx, "/slugs");
  assert.deepEqual((await store.desired(app.id))?.sleep, { may: true, since: null, exhausted: false });
  const began = clock.now();
  await store.sleep(app.id);
  await store.sleep(app.id);
  assert.deepEqual((await store.desired(app.id))?.sleep, { may: true, since: began, exhausted: false });
  await clock.advance(HOUR);
  assert.equal(await store.wake(app.id), true);
  assert.equal(await store.wake(app.id), false);
  await clock.advance(1_234);
  await store.woken(app.id);
  await clock.advance(1_000);
  await store.woken(app.id);
  const rows = await ctx.db.selectFrom("sleeps").selectAll().execute();
  assert.deepEqual(
    rows.map((row) => row.wake_milliseconds),
    [1_234],
  );
});

test("only apps with a web dyno of a size that sleeps do", async () => {
  await using platform = await testPlatform();
  await platform.deploy({ web: "serve", worker: "work" });
  const { ctx, app, actor } = platform;
  const may = async (): Promise<boolean | undefined> => (await formationStore(ctx, "/slugs").desired(app.id))?.sleep.may;
  await updateFormation(ctx, app.id, actor, [{ type: "web", size: "basic" }]);
  assert.equal(await may(), false);
  await updateFormation(ctx, app.id, actor, [{ type: "web", size: "eco", quantity: 0 }]);
  assert.equal(await may(), false);
});

test("what an app sleeps is not counted, what its one-off dynos run is", async () => {
  await using platform = await testPlatform();
  const { release } = await platform.deploy({ web: "serve" });
  const { ctx, clock, app, actor } = platform;
  const store = formationStore(ctx, "/slugs");
  const used = async (): Promise<number> => (await readEcoQuota(ctx, actor.accountId)).quota_used / 3600;
  const web = await addDyno(platform, release.id);
  await clock.advance(2 * HOUR);
  await store.sleep(app.id);
  assert.equal(await used(), 2);
  await clock.advance(3 * HOUR);
  assert.equal(await used(), 2);
  await store.wake(app.id);
  await clock.advance(HOUR);
  assert.equal(await used(), 3);
  await store.update(web, { state: "down" });
  await store.sleep(app.id);
  await addDyno(platform, release.id, "one-off");
  await clock.advance(HOUR);
  assert.equal(await used(), 4);
  await clock.advance(31 * 24 * HOUR);
  const month = clock.now().getTime() - Date.UTC(2026, 1, 1);
  assert.equal(await used(), month / HOUR, "a new month counts from its first day");
});
