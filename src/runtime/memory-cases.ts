import assert from "node:assert/strict";
import { test } from "node:test";
import { type Trial, until } from "./driver-cases.ts";

const MEGABYTE = 1024 * 1024;
const NEEDS_GROUPS = { skip: process.getuid?.() !== 0 && "needs control groups" };

/** How drivers with control groups hold dynos to their memory. */
export function describeMemory(trial: Trial): void {
  const size = { memoryBytes: 64 * MEGABYTE, cpuShare: 1, maxProcesses: 30 };

  test("a dyno may use more than its memory for R14 to be seen", NEEDS_GROUPS, async () => {
    const { dynoId } = await trial.start(
      `python3 -c 'import time; x = b"x" * (90 << 20); print("held", flush=True); time.sleep(300)'`,
      {
        size,
      },
    );
    await trial.said(dynoId, /held/);
    const usage = await trial.driver.usage(dynoId);
    assert.ok(usage !== null && usage.rssBytes + usage.swapBytes > size.memoryBytes, JSON.stringify(usage));
    assert.equal(usage.memoryKills, 0);
    await trial.driver.remove(dynoId);
  });

  test("one that wants twice as much is ended by the kernel, which tells so", NEEDS_GROUPS, async () => {
    const { dynoId } = await trial.start(`exec python3 -c 'x = b"x" * (300 << 20)'`, { size });
    assert.equal(await trial.exit(dynoId), 137);
    await until(async () => ((await trial.driver.usage(dynoId))?.memoryKills ?? 0) > 0);
    await trial.driver.remove(dynoId);
  });
}
