import assert from "node:assert/strict";
import { test } from "node:test";
import { RuntimeBench } from "../../test/support/runtime-bench.ts";
import { manualClock } from "../../test/support/clock.ts";
import { newId } from "../kernel/ids.ts";
import { LaunchQueue } from "./launch-queue.ts";
import { cycleDelay } from "./life-times.ts";

const HOUR = 60 * 60_000;

test("a web dyno is cycled after a day and at most 216 minutes, without a gap", async () => {
  const bench = await RuntimeBench.open();
  try {
    bench.store.deploy();
    bench.store.scale("web", 1);
    bench.change();
    await bench.bind("web.1");
    await bench.states("web.1:up");
    const delay = cycleDelay(bench.store.rows[0]!.id);
    assert.ok(delay >= 0 && delay < 216 * 60_000);
    bench.takeLines();
    // Not by turning the clock: each day has 17,280 full passes.
    bench.store.rows[0]!.created_at = new Date(bench.clock.now().getTime() - 24 * HOUR - delay + 15_000);
    await bench.clock.advance(10_000);
    assert.deepEqual(bench.takeLines(), []);
    await bench.clock.advance(10_000);
    await bench.states("web.1:up", "web.1:starting");
    await bench.reach(() => bench.route.startsWith("up"), true);
    await bench.bind("web.1");
    await bench.reach(() => bench.route, "up web.1@10.0.0.2");
    await bench.windDown();
    await bench.states("web.1:up");
    assert.deepEqual(bench.takeLines(), [
      "web.1: Cycling",
      "web.1: Starting process with command `run web`",
      "web.1: State changed from starting to up",
      "web.1: Stopping all processes with SIGTERM",
      "web.1: Process exited with status 143",
    ]);
  } finally {
    await bench.close();
  }
});

test("a one-off dyno ends when its time is over", async () => {
  const bench = await RuntimeBench.open();
  try {
    bench.store.deploy();
    const { release } = bench.store.must();
    bench.store.scale("web", 1);
    bench.change();
    await bench.bind("web.1");
    await bench.states("web.1:up");
    const [web] = bench.store.rows;
    const now = bench.clock.now();
    const run = { id: newId(), release_id: release!.id, type: "run", name: "run.1234", kind: "one-off", time_to_live: 600 };
    bench.store.rows.push({ ...web!, ...run, state: "created", address: null, port: null, created_at: now, updated_at: now });
    bench.change();
    await bench.states("web.1:up", "run.1234:up");
    bench.takeLines();
    await bench.clock.advance(600_000);
    await bench.states("web.1:up");
    assert.deepEqual(bench.takeLines(), [
      "run.1234: Cycling",
      "run.1234: Stopping all processes with SIGTERM",
      "run.1234: Process exited with status 143",
      "run.1234: State changed from up to complete",
    ]);
  } finally {
    await bench.close();
  }
});

test("dynos boot a few at a time, in order, and a slow one holds nobody up for long", async () => {
  const clock = manualClock();
  const queue = new LaunchQueue(clock, 2);
  const begun: number[] = [];
  const ends = new Map<number, () => void>();
  for (const number of [1, 2, 3, 4]) {
    void queue.turn().then((end) => {
      begun.push(number);
      ends.set(number, end);
    });
  }
  await clock.advance(0);
  assert.deepEqual(begun, [1, 2]);
  ends.get(1)?.();
  ends.get(1)?.();
  await clock.advance(0);
  assert.deepEqual(begun, [1, 2, 3]);
  await clock.advance(10_000);
  assert.deepEqual(begun, [1, 2, 3, 4]);
});

test("the dyno metadata of the feature is in the environment, with the dyno's id", async () => {
  const bench = await RuntimeBench.open();
  try {
    const release = bench.store.deploy();
    release.metadata = { HEROKU_APP_NAME: "sample", HEROKU_RELEASE_VERSION: "v1" };
    bench.store.scale("worker", 1);
    bench.change();
    await bench.states("worker.1:up");
    const { env, dynoId } = bench.driver.find("worker.1").spec;
    assert.deepEqual([env["HEROKU_APP_NAME"], env["HEROKU_DYNO_ID"]], ["sample", dynoId]);
  } finally {
    await bench.close();
  }
});
