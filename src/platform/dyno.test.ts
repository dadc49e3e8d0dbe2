import assert from "node:assert/strict";
import { test } from "node:test";
import { testPlatform, type TestPlatform } from "../../test/support/platform.ts";
import { newId, tokenDigest } from "../kernel/ids.ts";
import { createOneOff, findDyno, listDynos, type OneOffOrder, stopDynos } from "./dyno.ts";
import { formationStore } from "./formation-store.ts";
import { readEcoQuota } from "./quota.ts";
import { listReleases } from "./release.ts";

const order: OneOffOrder = {
  command: "bash",
  attach: true,
  env: {},
  size: null,
  type: null,
  forceNoTty: false,
  timeToLive: null,
};
const HOUR_MS = 60 * 60 * 1000;

async function runDyno(platform: TestPlatform, name: string, state: "up" | "down" | "starting" | "crashed"): Promise<string> {
  const { ctx, app, clock } = platform;
  const releases = await listReleases(ctx, app.id);
  const id = newId();
  await formationStore(ctx, "/slugs").insert({
    id,
    app_id: app.id,
    release_id: releases.at(-1)?.id ?? "",
    type: name.split(".")[0] ?? "",
    name,
    size: "Eco",
    command: "w",
    state,
    kind: "formation",
    attach: false,
    force_no_tty: false,
    env: {},
    attach_digest: null,
    time_to_live: null,
    stop_requested: false,
    crashes: 2,
    restart_at: null,
    address: null,
    port: null,
    created_at: clock.now(),
    updated_at: clock.now(),
  });
  await clock.advance(1000);
  return id;
}

test("one-off dynos are bounded: how many, and what they are given", async () => {
  await using platform = await testPlatform();
  await platform.deploy({ web: "w" });
  const { ctx, app, actor } = platform;
  await assert.rejects(createOneOff(ctx, app.id, actor, { ...order, env: { A: "x".repeat(65_536) } }), /65536 bytes at most/);
  for (let count = 0; count < 50; count += 1) await createOneOff(ctx, app.id, actor, order);
  await assert.rejects(createOneOff(ctx, app.id, actor, order), /Only 50 one-off dynos of an app may run at once/);
});

test("the list shows the newest instance of each name and nothing that is down", async () => {
  await using platform = await testPlatform();
  await platform.deploy({ web: "w" });
  await runDyno(platform, "web.1", "up");
  const newer = await runDyno(platform, "web.1", "starting");
  await runDyno(platform, "web.2", "down");
  const dynos = await listDynos(platform.ctx, platform.app.id);
  assert.deepEqual(
    dynos.map(({ id, name, state, version }) => ({ id, name, state, version })),
    [{ id: newer, name: "web.1", state: "starting", version: 3 }],
  );
  assert.equal((await findDyno(platform.ctx, platform.app.id, newer)).name, "web.1");
  await assert.rejects(findDyno(platform.ctx, platform.app.id, "web.2"), /Couldn't find that dyno \(web.2\)/);
});

test("a one-off dyno has a name, its environment as texts, and a secret that only its client knows", async () => {
  await using platform = await testPlatform();
  const { ctx, app, actor } = platform;
  await platform.deploy({ web: "w", rake: "bundle exec rake" });
  const env = { TERM: "xterm", COLUMNS: 100 };
  const { dyno, attachUrl } = await createOneOff(ctx, app.id, actor, { ...order, command: "rake db:migrate -v", env });
  assert.match(dyno.name, /^run\.\d{4}$/);
  assert.deepEqual([dyno.type, dyno.kind, dyno.size, dyno.state], ["run", "one-off", "Eco", "created"]);
  assert.deepEqual(dyno.env, { TERM: "xterm", COLUMNS: "100" });
  assert.equal(dyno.command, "bundle exec rake db:migrate -v");
  const secret = /^rendezvous:\/\/localhost:8444\/([\w-]{32})$/.exec(attachUrl ?? "")?.[1] ?? "";
  assert.deepEqual(dyno.attach_digest, tokenDigest(secret));
  const detached = await createOneOff(ctx, app.id, actor, { ...order, attach: false, size: "standard-2x", type: "scheduler" });
  assert.deepEqual([detached.attachUrl, detached.dyno.size], [null, "Standard-2X"]);
  assert.match(detached.dyno.name, /^scheduler\.\d{4}$/);
  await assert.rejects(createOneOff(ctx, app.id, actor, { ...order, command: " " }), /no command to run/);
  await assert.rejects(createOneOff(ctx, app.id, actor, { ...order, size: "huge" }), /Couldn't find that dyno size/);
  await assert.rejects(createOneOff(ctx, app.id, actor, { ...order, env: { "A B": "1" } }), /"A B" is no name/);
});

test("restarting asks for new instances of one, of a type or of the formation, and spares one-off dynos", async () => {
  await using platform = await testPlatform();
  const { ctx, app, actor } = platform;
  await platform.deploy({ web: "w", worker: "k" });
  await runDyno(platform, "web.1", "up");
  await runDyno(platform, "web.2", "crashed");
  await runDyno(platform, "worker.1", "up");
  const { dyno } = await createOneOff(ctx, app.id, actor, order);
  const asked = async (): Promise<string[]> =>
    (await listDynos(ctx, app.id)).filter((row) => row.stop_requested).map((row) => row.name);
  await stopDynos(ctx, app.id, { dyno: "web.2" });
  assert.deepEqual(await asked(), ["web.2"]);
  assert.equal((await findDyno(ctx, app.id, "web.2")).crashes, 0);
  await stopDynos(ctx, app.id, { type: "worker" });
  assert.deepEqual(await asked(), ["web.2", "worker.1"]);
  await stopDynos(ctx, app.id, "formation");
  assert.deepEqual(await asked(), ["web.1", "web.2", "worker.1"]);
  await stopDynos(ctx, app.id, { dyno: dyno.name });
  assert.ok((await asked()).includes(dyno.name));
  await assert.rejects(stopDynos(ctx, app.id, { dyno: "web.9" }), /Couldn't find that dyno/);
  await assert.rejects(stopDynos(ctx, app.id, { type: "clock" }), /Couldn't find that process type/);
});

test("the runtime sees hosts, release and formation, and nothing to run before the first slug", async () => {
  await using platform = await testPlatform();
  const { ctx, app } = platform;
  const store = formationStore(ctx, "/slugs");
  assert.equal((await store.desired(app.id))?.release, null);
  await platform.deploy({ web: "w" });
  const desired = await store.desired(app.id);
  assert.deepEqual(desired?.hosts, ["first-light.localhost"]);
  assert.deepEqual(desired?.formation, [{ type: "web", quantity: 1, size: "Eco", command: "w" }]);
  assert.deepEqual([desired?.release?.version, desired?.release?.slugRoot], [3, "/slugs/tree/root"]);
  assert.equal(await store.desired(newId()), null);
  const id = await runDyno(platform, "web.1", "starting");
  await store.update(id, { port: 5000, address: "10.0.0.2" });
  const before = (await store.dynos(app.id))[0];
  await store.update(id, { state: "up" });
  const after = (await store.dynos(app.id))[0];
  assert.deepEqual(
    [after?.port, after?.state, before?.updated_at.getTime() === after?.updated_at.getTime()],
    [5000, "up", false],
  );
  await store.update(id, { state: "down", exit_code: 143 });
  assert.deepEqual(await store.dynos(app.id), []);
  assert.deepEqual(store.limits("Standard-2X"), {
    memoryBytes: 1024 ** 3,
    cpuShare: 2,
    maxProcesses: 512,
    diskBytes: 8 * 1024 ** 3,
  });
});

test("Eco hours are what the dynos of the account really ran this month", async () => {
  await using platform = await testPlatform();
  const { ctx, app, actor, clock } = platform;
  await platform.deploy({ web: "w" });
  const id = await runDyno(platform, "web.1", "up");
  await clock.advance(2 * HOUR_MS - 1000);
  assert.deepEqual(await readEcoQuota(ctx, actor.accountId), {
    account_quota: 3_600_000,
    quota_used: 7200,
    apps: [{ app_uuid: app.id, quota_used: 7200 }],
  });
  await formationStore(ctx, "/slugs").update(id, { state: "down" });
  await clock.advance(5 * HOUR_MS);
  assert.equal((await readEcoQuota(ctx, actor.accountId)).quota_used, 7200);
  await clock.advance(31 * 24 * HOUR_MS);
  assert.equal((await readEcoQuota(ctx, actor.accountId)).quota_used, 0);
});
