import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "../../test/support/clock.ts";
import { CpuWatch } from "./cpu-watch.ts";
import { type DynoFact, launchingFact } from "./facts.ts";

test("a dyno that computes all the time stands back, and has its share again when it is calm", async () => {
  const clock = manualClock();
  const identity = { appId: "a", process: "web.1", quotaBytes: 0, cpuShare: 2 };
  const facts = new Map<string, DynoFact>([["busy", { ...launchingFact("a"), phase: "running", identity }]]);
  const shares: string[] = [];
  let [used, perSecond] = [0, 900];
  const watch = new CpuWatch({
    driver: {
      cpuMilliseconds: async () => (used += perSecond),
      setShare: async (dynoId, share) => void shares.push(`${dynoId} ${share}`),
    },
    dynos: { facts },
    clock,
    journal: { note: () => {}, fault: (event, cause) => assert.fail(`${event}: ${String(cause)}`) },
  });
  watch.start();
  await clock.advance(4000);
  assert.deepEqual(shares, ["busy 0.125"]);
  perSecond = 300;
  await clock.advance(2000);
  assert.equal(shares.length, 1, "a little calmer is not calm");
  perSecond = 100;
  await clock.advance(2000);
  assert.deepEqual(shares, ["busy 0.125", "busy 2"]);
  perSecond = 300;
  await clock.advance(2000);
  assert.equal(shares.length, 2, "nor is a little busier busy");
  await watch.stop();
});
