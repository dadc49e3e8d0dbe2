import assert from "node:assert/strict";
import { test } from "node:test";
import { RuntimeBench } from "../../test/support/runtime-bench.ts";
import { kernelLimits, memoryVerdict } from "./memory-limits.ts";
import type { DynoUsage } from "./ports.ts";

const MEGABYTE = 1024 * 1024;

function uses(megabytes: number, more: Partial<DynoUsage> = {}): DynoUsage {
  const none = { cacheBytes: 400 * MEGABYTE, pagesIn: null, pagesOut: null, cpuMilliseconds: 0, runnable: 0 };
  return { ...none, rssBytes: megabytes * MEGABYTE, swapBytes: 0, memoryKills: 0, ...more };
}

test("the kernel's limits leave room for R14: swap as much as memory, or memory alone", () => {
  const size = { memoryBytes: 512 * MEGABYTE, cpuShare: 1, maxProcesses: 256 };
  assert.deepEqual(kernelLimits(size, true), { limits: size, memoryAndSwapBytes: 1024 * MEGABYTE });
  assert.equal(kernelLimits(size, false).limits.memoryBytes, 1024 * MEGABYTE);
});

test("the lines of R14 and R15", () => {
  const quota = 1024 * MEGABYTE;
  assert.deepEqual(memoryVerdict(uses(1024), quota, false).messages, []);
  assert.deepEqual(memoryVerdict(uses(1000, { swapBytes: 58 * MEGABYTE }), quota, false), {
    messages: ["Process running mem=1058MB(103.3%)", "Error R14 (Memory quota exceeded)"],
    isVast: false,
  });
  assert.deepEqual(memoryVerdict(uses(2061), quota, false), {
    messages: ["Process running mem=2061MB(201.3%)", "Error R15 (Memory quota vastly exceeded)"],
    isVast: true,
  });
  assert.equal(memoryVerdict(uses(10), quota, true).messages[0], "Process running mem=2048MB(200.0%)");
});

async function withWeb(body: (bench: RuntimeBench) => Promise<void>): Promise<void> {
  const bench = await RuntimeBench.open();
  try {
    bench.store.deploy();
    bench.store.scale("web", 1);
    bench.change();
    await bench.bind("web.1");
    await bench.states("web.1:up");
    bench.takeLines();
    await body(bench);
  } finally {
    await bench.close();
  }
}

test("R14 is said every 20 seconds, and the dyno goes on", async () => {
  await withWeb(async (bench) => {
    bench.driver.used = uses(529);
    await bench.clock.advance(40_000);
    const lines = ["web.1: Process running mem=529MB(103.3%)", "web.1: Error R14 (Memory quota exceeded)"];
    await bench.reach(() => bench.lines, [...lines, ...lines]);
    bench.driver.used = uses(500);
    await bench.clock.advance(60_000);
    assert.equal(bench.lines.length, 4);
    await bench.states("web.1:up");
  });
});

test("R15 ends the dyno, which has crashed", async () => {
  await withWeb(async (bench) => {
    bench.driver.used = uses(1030);
    await bench.clock.advance(20_000);
    await bench.reach(
      () => bench.takeLines().slice(0, 5),
      [
        "web.1: Process running mem=1030MB(201.2%)",
        "web.1: Error R15 (Memory quota vastly exceeded)",
        "web.1: Stopping process with SIGKILL",
        "web.1: Process exited with status 137",
        "web.1: State changed from up to crashed",
      ],
    );
  });
});

test("R15 is also said of a dyno that the kernel has ended", async () => {
  await withWeb(async (bench) => {
    bench.driver.used = uses(12, { memoryKills: 1 });
    bench.exit("web.1", 137);
    await bench.reach(
      () => bench.lines.slice(0, 4),
      [
        "web.1: Process running mem=1024MB(200.0%)",
        "web.1: Error R15 (Memory quota vastly exceeded)",
        "web.1: Process exited with status 137",
        "web.1: State changed from up to crashed",
      ],
    );
  });
});
