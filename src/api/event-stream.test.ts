import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "../../test/support/clock.ts";
import { eventStream, formatEvent } from "./event-stream.ts";

test("while no line comes the stream stays alive by comments, and no line is lost", async () => {
  const clock = manualClock();
  const gate = Promise.withResolvers<void>();
  const lines = async function* (): AsyncGenerator<{ id: number; text: string }> {
    await gate.promise;
    yield { id: 1, text: "late" };
  };
  const events = eventStream(lines(), clock);
  assert.equal((await events.next()).value, "retry: 1000\n\n");
  const silent = events.next();
  await clock.advance(15_000);
  assert.equal((await silent).value, ": keep-alive\n\n");
  gate.resolve();
  assert.equal((await events.next()).value, "id: 1\ndata: late\n\n");
  assert.equal((await events.next()).done, true);
});

test("a reader that goes away ends the log's own reading", async () => {
  let ended = false;
  const lines = async function* (): AsyncGenerator<{ id: number; text: string }> {
    try {
      yield { id: 1, text: "one" };
      yield { id: 2, text: "two" };
    } finally {
      ended = true;
    }
  };
  const events = eventStream(lines(), manualClock());
  await events.next();
  await events.next();
  await events.return(undefined);
  assert.ok(ended);
});

test("line breaks of any kind stay inside one event", () => {
  assert.equal(formatEvent({ id: 3, text: "a\r\nb\rc" }), "id: 3\ndata: a\ndata: b\ndata: c\n\n");
});
