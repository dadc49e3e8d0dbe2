import assert from "node:assert/strict";
import { test } from "node:test";
import { RuntimeBench } from "../../test/support/runtime-bench.ts";

const MINUTE = 60_000;

function benchTest(title: string, body: (bench: RuntimeBench) => Promise<void>): void {
  test(title, { timeout: 20_000 }, async () => {
    const bench = await RuntimeBench.open();
    try {
      bench.store.must().sleep.may = true;
      bench.store.deploy();
      bench.store.scale("web", 1);
      bench.store.scale("worker", 1);
      bench.change();
      await bench.bind("web.1");
      await bench.states("web.1:up", "worker.1:up");
      await bench.reach(() => bench.route, "up web.1@10.0.0.1");
      bench.takeLines();
      await body(bench);
    } finally {
      await bench.close();
    }
  });
}

async function sleepIn(bench: RuntimeBench): Promise<void> {
  await bench.clock.advance(30 * MINUTE);
  await bench.states("web.1:idle", "worker.1:idle");
  await bench.reach(() => bench.route, "asleep web.1@10.0.0.1");
}

const WAKES = ["Unidling", "State changed from down to starting", "State changed from starting to up"];

benchTest("after 30 minutes without a request the app is frozen, its worker too, and a request wakes it", async (bench) => {
  await bench.clock.advance(10 * MINUTE);
  bench.runtime.requestServed(bench.appId, bench.clock.now(), false);
  await bench.clock.advance(25 * MINUTE);
  await bench.states("web.1:up", "worker.1:up");
  await bench.clock.advance(5 * MINUTE);
  await bench.states("web.1:idle", "worker.1:idle");
  assert.ok([...bench.driver.dynos.values()].every((dyno) => dyno.frozen));
  assert.deepEqual(bench.driver.signals, []);
  assert.equal(bench.published.at(-1)?.thaw?.length, 2);
  assert.deepEqual(bench.takeLines().toSorted(), [
    "web.1: Idling",
    "web.1: State changed from up to down",
    "worker.1: Idling",
    "worker.1: State changed from up to down",
  ]);
  bench.runtime.wake(bench.appId);
  await bench.states("web.1:up", "worker.1:up");
  await bench.reach(() => bench.route, "up web.1@10.0.0.1");
  assert.ok([...bench.driver.dynos.values()].every((dyno) => !dyno.frozen));
  assert.deepEqual(
    bench.takeLines().filter((line) => line.startsWith("web.1")),
    WAKES.map((line) => `web.1: ${line}`),
  );
  assert.equal(bench.store.wakes, 2, "the first start, and the wake");
});

benchTest("somebody who is still connected keeps the app awake", async (bench) => {
  bench.driver.busy = 1;
  await bench.clock.advance(70 * MINUTE);
  await bench.states("web.1:up", "worker.1:up");
  bench.driver.busy = 0;
  await bench.clock.advance(30 * MINUTE);
  await bench.states("web.1:idle", "worker.1:idle");
});

benchTest("a frozen app is stopped two hours later, and started by the next request", async (bench) => {
  await sleepIn(bench);
  bench.takeLines();
  await bench.clock.advance(120 * MINUTE);
  await bench.reach(() => bench.driver.dynos.size, 0);
  await bench.states("web.1:idle", "worker.1:idle");
  await bench.reach(() => bench.route, "asleep");
  assert.deepEqual(bench.driver.signals.toSorted(), ["SIGTERM web.1", "SIGTERM worker.1"]);
  assert.deepEqual(
    bench.takeLines().filter((line) => line.startsWith("web.1")),
    ["web.1: Stopping all processes with SIGTERM", "web.1: Process exited with status 143"],
  );
  bench.runtime.wake(bench.appId);
  await bench.reach(() => bench.store.states().toSorted(), ["web.1:starting", "worker.1:up"]);
  await bench.reach(() => bench.route, "booting");
  await bench.bind("web.1");
  await bench.reach(() => bench.store.states().toSorted(), ["web.1:up", "worker.1:up"]);
  assert.deepEqual(
    bench.takeLines().filter((line) => line.startsWith("web.1")),
    [
      "web.1: Unidling",
      "web.1: State changed from down to starting",
      "web.1: Starting process with command `run web`",
      "web.1: State changed from starting to up",
    ],
  );
  assert.equal(bench.store.wakes, 2, "the first start, and the wake");
});

benchTest("where nothing can be frozen, sleeping dynos are stopped at once", async (bench) => {
  bench.driver.freezes = false;
  await bench.clock.advance(30 * MINUTE);
  await bench.reach(() => bench.driver.dynos.size, 0);
  await bench.states("web.1:idle", "worker.1:idle");
  await bench.reach(() => bench.route, "asleep");
});

benchTest("a restarted control plane lets sleepers sleep, and sees who was woken without it", async (bench) => {
  await sleepIn(bench);
  await bench.restart();
  await bench.reach(() => bench.route, "asleep web.1@10.0.0.1");
  await bench.states("web.1:idle", "worker.1:idle");
  await bench.runtime.stop();
  for (const dyno of bench.driver.dynos.values()) dyno.frozen = false;
  await bench.restart();
  await bench.states("web.1:up", "worker.1:up");
  await bench.reach(() => bench.route, "up web.1@10.0.0.1");
});

benchTest("after a restart of the machine what slept sleeps on", async (bench) => {
  await sleepIn(bench);
  await bench.runtime.stop();
  bench.driver.dynos.clear();
  await bench.restart();
  await bench.reach(() => bench.route, "asleep");
  await bench.states("web.1:idle", "worker.1:idle");
  bench.runtime.wake(bench.appId);
  await bench.bind("web.1");
  await bench.reach(() => bench.store.states().toSorted(), ["web.1:up", "worker.1:up"]);
});

benchTest("a restart wakes the app, and a worker does not sleep alone", async (bench) => {
  await sleepIn(bench);
  bench.store.rows[0]!.stop_requested = true;
  bench.change();
  await bench.reach(() => bench.store.states().toSorted(), ["web.1:starting", "web.1:up", "worker.1:up"]);
  await bench.bind("web.1");
  await bench.windDown();
  await bench.reach(() => bench.store.states().toSorted(), ["web.1:up", "worker.1:up"]);
  await bench.clock.advance(30 * MINUTE);
  await bench.reach(() => bench.store.states().toSorted(), ["web.1:idle", "worker.1:idle"]);
  bench.store.scale("web", 0);
  bench.store.must().sleep.may = false;
  bench.change();
  await bench.states("worker.1:up");
});
