import assert from "node:assert/strict";
import { test } from "node:test";
import { RuntimeBench } from "../../test/support/runtime-bench.ts";
import { strainVerdict } from "./limit-watch.ts";

const MIB = 1024 * 1024;
const ROOM = { bytes: 4096 * MIB, freeBytes: 500 * MIB, files: 1000, freeFiles: 10 };

test("what the log says of a dyno's limits", () => {
  const calm = { maxProcesses: 256, refusedProcesses: 7, disk: ROOM };
  assert.deepEqual(strainVerdict(calm, 7), []);
  assert.deepEqual(strainVerdict(calm, 0), ["Process limit reached: 256 processes and threads at a time, 7 more were refused"]);
  assert.deepEqual(strainVerdict({ ...calm, disk: { ...ROOM, freeBytes: 4096 } }, 7), [
    "Disk quota exceeded: 4096M are written, no more fits",
  ]);
  assert.deepEqual(strainVerdict({ ...calm, disk: { ...ROOM, freeFiles: 0 } }, 7), [
    "Disk quota exceeded: there are 1000 files, no more fit",
  ]);
  assert.deepEqual(strainVerdict({ maxProcesses: null, refusedProcesses: 7, disk: null }, 0), []);
});

test("a limit is named at once, not oftener than every 20 seconds, and at the dyno's end", async () => {
  const bench = await RuntimeBench.open();
  try {
    bench.store.deploy();
    bench.store.scale("web", 1);
    bench.change();
    await bench.bind("web.1");
    await bench.states("web.1:up");
    bench.takeLines();
    const line = (count: number): string =>
      `web.1: Process limit reached: 256 processes and threads at a time, ${count} more were refused`;
    bench.driver.strained = { maxProcesses: 256, refusedProcesses: 10, disk: null };
    await bench.clock.advance(5_000);
    await bench.reach(() => bench.lines, [line(10)]);
    bench.driver.strained = { maxProcesses: 256, refusedProcesses: 100, disk: null };
    await bench.clock.advance(15_000);
    assert.deepEqual(bench.lines, [line(10)]);
    await bench.clock.advance(5_000);
    await bench.reach(() => bench.takeLines(), [line(10), line(90)]);
    bench.driver.strained = { maxProcesses: 256, refusedProcesses: 101, disk: null };
    bench.driver.end(bench.driver.find("web.1").spec.dynoId, 1);
    await bench.reach(() => bench.takeLines().slice(0, 2), [line(1), "web.1: Process exited with status 1"]);
  } finally {
    await bench.close();
  }
});
