import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "../../test/support/clock.ts";
import { DiskWatch } from "./disk-watch.ts";
import { type DynoFact, launchingFact } from "./facts.ts";

const MIB = 1024 * 1024;

test("when the disk runs full, the dyno that has written most is ended, one at a time", async () => {
  const clock = manualClock();
  const facts = new Map<string, DynoFact>();
  const written = new Map<string, number>();
  const add = (dynoId: string, megabytes: number): void => {
    const identity = { appId: `app-${dynoId}`, process: "web.1", quotaBytes: 0, cpuShare: 1 };
    facts.set(dynoId, { ...launchingFact(`app-${dynoId}`), phase: "running", identity });
    written.set(`/dynos/${dynoId}`, megabytes * MIB);
  };
  const [lines, signals, notes]: [string[], string[], string[]] = [[], [], []];
  let free = 100_000 * MIB;
  const watch = new DiskWatch({
    folder: "/dynos",
    dynos: {
      facts,
      signal: async (dynoId, signal) => {
        signals.push(`${signal} ${dynoId}`);
        facts.get(dynoId)!.killed = true;
      },
    },
    log: {
      say: ({ appId, message }) => lines.push(`${appId}: ${message}`),
      follow: () => {},
      finish: async () => {},
    },
    clock,
    journal: { note: (event) => notes.push(event), fault: (event, cause) => assert.fail(`${event}: ${String(cause)}`) },
    disk: {
      free: async () => free,
      used: async (folders) => new Map(folders.map((folder) => [folder, written.get(folder) ?? 0])),
    },
  });
  watch.start();
  add("small", 100);
  add("large", 3000);
  add("larger", 6000);
  await clock.advance(5000);
  assert.deepEqual(signals, []);
  free = 1000 * MIB;
  await clock.advance(5000);
  assert.deepEqual(signals, ["SIGKILL larger"], "the next one waits until this one is cleared away");
  assert.deepEqual(lines, [
    "app-larger: The disk of this installation is almost full, and this dyno has written most: 6000M",
    "app-larger: Stopping process with SIGKILL",
  ]);
  facts.delete("larger");
  await clock.advance(1000);
  assert.deepEqual(signals, ["SIGKILL larger", "SIGKILL large"]);
  facts.delete("large");
  await clock.advance(5000);
  assert.equal(signals.length, 2, "nobody is ended for 100M");
  assert.deepEqual(notes, ["runtime.disk_full", "runtime.disk_full"]);
  await watch.stop();
});
