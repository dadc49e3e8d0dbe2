import assert from "node:assert/strict";
import { test } from "node:test";
import { RuntimeBench } from "../../test/support/runtime-bench.ts";

function benchTest(title: string, body: (bench: RuntimeBench) => Promise<void>): void {
  test(title, { timeout: 20_000 }, async () => {
    const bench = await RuntimeBench.open();
    try {
      bench.store.deploy();
      bench.store.scale("web", 1);
      bench.change();
      await bench.bind("web.1");
      await bench.reach(() => bench.route, "up web.1@10.0.0.1");
      await bench.clock.advance(5_000);
      bench.takeLines();
      await body(bench);
    } finally {
      await bench.close();
    }
  });
}

async function redeploy(bench: RuntimeBench): Promise<string> {
  const { id } = bench.store.deploy();
  bench.change();
  await bench.states("web.1:up", "web.1:starting");
  await bench.bind("web.1");
  return id;
}

benchTest("an old dyno is stopped when its requests are finished, and not before", async (bench) => {
  bench.driver.busy = 2;
  await redeploy(bench);
  await bench.reach(() => bench.route, "up web.1@10.0.0.2");
  await bench.clock.advance(20_000);
  assert.deepEqual(bench.driver.signals, []);
  bench.driver.busy = 0;
  await bench.clock.advance(1_000);
  await bench.reach(() => bench.driver.signals, ["SIGTERM web.1"]);
});

benchTest("connections that last longer than 30 seconds are ended, and counted in the release's proof", async (bench) => {
  bench.driver.busy = 3;
  const releaseId = await redeploy(bench);
  await bench.reach(() => bench.route, "up web.1@10.0.0.2");
  const { appId, runtime, clock } = bench;
  for (const failed of [false, false, true]) runtime.requestServed(appId, clock.now(), failed);
  runtime.requestServed(appId, new Date(clock.now().getTime() - 60_000), false);
  await clock.advance(29_000);
  assert.deepEqual(bench.driver.signals, []);
  await bench.clock.advance(1_500);
  await bench.reach(() => bench.driver.signals, ["SIGTERM web.1"]);
  await bench.states("web.1:up");
  runtime.requestServed(appId, new Date(clock.now().getTime() - 1_000), false);
  await clock.advance(2_000);
  await bench.reach(() => bench.store.proofs.has(releaseId), true);
  const proof = bench.store.proofs.get(releaseId)!;
  assert.ok(proof.seconds >= 29 && proof.seconds < 32, `${proof.seconds}`);
  assert.deepEqual({ ...proof, seconds: 0 }, { requests_served: 3, requests_failed: 1, sockets_ended: 3, seconds: 0 });
  const line = `release: Release v2: 3 requests served during the switch, 1 failed, 3 sockets ended, ${proof.seconds.toFixed(1)} s`;
  assert.equal(bench.lines.at(-1), line);
});

benchTest("a dyno that is wanted again while it winds down goes on", async (bench) => {
  bench.store.scale("web", 2);
  bench.change();
  await bench.bind("web.2");
  await bench.reach(() => bench.route, "up web.1@10.0.0.1 web.2@10.0.0.2");
  bench.driver.busy = 1;
  bench.store.scale("web", 1);
  bench.change();
  await bench.reach(() => bench.route, "up web.1@10.0.0.1");
  bench.store.scale("web", 2);
  bench.change();
  await bench.reach(() => bench.route, "up web.1@10.0.0.1 web.2@10.0.0.2");
  bench.driver.busy = 0;
  await bench.clock.advance(60_000);
  assert.deepEqual(bench.driver.signals, []);
});

benchTest("a release that the next one overtakes has its proof too", async (bench) => {
  bench.driver.busy = 1;
  const overtaken = await redeploy(bench);
  await bench.reach(() => bench.route, "up web.1@10.0.0.2");
  bench.runtime.requestServed(bench.appId, bench.clock.now(), false);
  const { id } = bench.store.deploy();
  bench.change();
  await bench.states("web.1:up", "web.1:up", "web.1:starting");
  assert.equal(bench.route, "up web.1@10.0.0.2", "the one before the last does not come back");
  await bench.bind("web.1");
  await bench.reach(() => bench.route, "up web.1@10.0.0.3");
  bench.driver.busy = 0;
  await bench.windDown();
  await bench.clock.advance(5_000);
  await bench.reach(() => [bench.store.proofs.has(overtaken), bench.store.proofs.has(id)], [true, true]);
  assert.equal(bench.store.proofs.get(overtaken)?.requests_served, 1);
});

benchTest("a restart of dynos is no release: it has no proof", async (bench) => {
  const releaseId = await redeploy(bench);
  await bench.windDown();
  await bench.clock.advance(5_000);
  await bench.reach(() => bench.store.proofs.has(releaseId), true);
  bench.takeLines();
  bench.store.rows.at(-1)!.stop_requested = true;
  bench.change();
  await bench.bind("web.1");
  await bench.windDown();
  await bench.clock.advance(5_000);
  assert.ok(!bench.lines.some((line) => line.startsWith("release: ")));
});

benchTest("preboot: the old dynos serve until the new ones are three minutes old", async (bench) => {
  bench.store.must().features = ["preboot"];
  await redeploy(bench);
  await bench.states("web.1:up", "web.1:up");
  await bench.clock.advance(170_000);
  assert.equal(bench.route, "up web.1@10.0.0.1");
  await bench.clock.advance(15_000);
  await bench.reach(() => bench.route, "up web.1@10.0.0.2");
  await bench.windDown();
  await bench.states("web.1:up");
  assert.deepEqual(bench.driver.signals, ["SIGTERM web.1"]);
});

benchTest("preboot, switched off meanwhile, waits no longer", async (bench) => {
  bench.store.must().features = ["preboot"];
  await redeploy(bench);
  await bench.states("web.1:up", "web.1:up");
  await bench.clock.advance(10_000);
  assert.equal(bench.route, "up web.1@10.0.0.1");
  bench.store.must().features = [];
  bench.change();
  await bench.reach(() => bench.route, "up web.1@10.0.0.2");
});
