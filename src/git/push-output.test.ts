import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import type { Clock } from "../kernel/clock.ts";
import { PushOutput } from "./push-output.ts";

/** A clock whose alarms the test rings. */
function handClock(): { clock: Clock; ring: () => void } {
  const alarms = new Set<() => void>();
  const clock: Clock = {
    now: () => new Date(0),
    sleep: async () => {},
    after: (_milliseconds, action) => {
      alarms.add(action);
      return () => alarms.delete(action);
    },
  };
  return {
    clock,
    ring: () => {
      const due = Array.from(alarms);
      alarms.clear();
      for (const action of due) action();
    },
  };
}

test("text goes to band 2 in pieces, the report to band 1, and silence is bridged", async () => {
  const stream = new PassThrough();
  const sent = stream.toArray();
  const { clock, ring } = handClock();
  const output = new PushOutput(stream, new Set(["side-band-64k", "report-status"]), clock);
  await output.text("half a line");
  ring();
  await output.complaint("no\n");
  await output.text(Buffer.alloc(70_000, "x"));
  await output.end("ok", [
    { ref: "refs/heads/main", refused: "declined" },
    { ref: "refs/tags/v1", refused: null },
  ]);
  ring();
  const text = Buffer.concat(await sent).toString();
  assert.ok(text.startsWith("0010\x02half a line0005\x020009\x02\nno\nfff0\x02xxx"), text.slice(0, 60));
  assert.ok(text.endsWith("\x01000eunpack ok\n0020ng refs/heads/main declined\n0014ok refs/tags/v1\n00000000"), text.slice(-100));
});

test("a client without side bands gets the report alone", async () => {
  const stream = new PassThrough();
  const output = new PushOutput(stream, new Set(["report-status"]), handClock().clock);
  await output.text("progress");
  await output.end("ok", []);
  assert.equal(Buffer.concat(await stream.toArray()).toString(), "000eunpack ok\n0000");
});

test("a client that has gone is no error", async () => {
  const stream = new PassThrough();
  const output = new PushOutput(stream, new Set(["side-band-64k"]), handClock().clock);
  const full = output.text(Buffer.alloc(200_000));
  stream.destroy();
  await full;
  await output.text("more");
  await output.end("ok", []);
  assert.ok(output.abandoned);
});
