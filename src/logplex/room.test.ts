import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { manualClock } from "../../test/support/clock.ts";
import { Room } from "./room.ts";
import { AppLog } from "./store.ts";

test("on a full disk log lines are dropped and counted, and kept again when there is room", async () => {
  const folder = await mkdtemp(join(tmpdir(), "zarpa-room-"));
  const clock = manualClock();
  const notes: string[] = [];
  const journal = { note: (event: string) => void notes.push(event), fault: () => assert.fail("no fault") };
  const reserve = { bytes: Infinity, share: 1 };
  const room = new Room({ folder, clock, journal, reserve });
  const log = new AppLog(join(folder, "app"), clock, journal, room);
  await log.append(["one", "two"]);
  await log.append(["three"]);
  assert.equal((await log.snapshot()).nextId, 1);
  reserve.share = 0;
  await clock.advance(1_000);
  await log.append(["four"]);
  // The line, and before it one that says how many are missing.
  assert.equal((await log.snapshot()).nextId, 3);
  assert.deepEqual(notes, ["the disk is almost full: log lines are dropped", "log lines are kept again"]);
  await log.close();
  await rm(folder, { recursive: true });
});
