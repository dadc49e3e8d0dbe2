import assert from "node:assert/strict";
import { test } from "node:test";
import { decoderFor, type Message } from "./decode.ts";

const T = "2026-11-20T12:00:00.123456789+00:00";

/** Feeds a whole file in chunks of `size` bytes, as a follower does; optionally with a fresh decoder at every chunk, as after a crash. */
function decode(format: "k8s" | "plain", file: string, size: number, crashing = false): string[] {
  const bytes = Buffer.from(file);
  const messages: Message[] = [];
  let decoder = decoderFor(format, { offset: 0, skip: 0 });
  let offset = 0;
  for (let seen = size; ; seen += size) {
    const { messages: more, next } = decoder.push(bytes.subarray(offset, seen), offset);
    messages.push(...more);
    offset = next;
    if (seen >= bytes.length) break;
    if (crashing) {
      const from = decoder.position(next);
      decoder = decoderFor(format, from);
      offset = from.offset;
    }
  }
  messages.push(...decoder.end(bytes.subarray(offset)));
  return messages.map(({ message }) => message);
}

test("plain output: lines, empty lines, an unfinished last line", () => {
  assert.deepEqual(decode("plain", "one\n\nthree\r\nfour", 7), ["one", "", "three", "four"]);
});

test("plain output: a line of more than 10,000 bytes is split", () => {
  const file = `${"x".repeat(20_000)}\ny\n`;
  assert.deepEqual(
    decode("plain", file, 30_000).map((message) => message.length),
    [10_000, 10_000, 1],
  );
});

test("conmon's format: times, parts that go on, both streams", () => {
  const file = `${T} stdout F one\n${T} stdout P tw\n${T} stdout F o\n${T} stderr P pro\n${T} stdout F three\n${T} stderr F mpt\n${T} stdout F \n`;
  const expected = ["one", "two", "pro", "three", "mpt", ""];
  for (const size of [1, 7, 40, 1000]) assert.deepEqual(decode("k8s", file, size), expected, `chunks of ${size}`);
  const { messages } = decoderFor("k8s", { offset: 0, skip: 0 }).push(Buffer.from(file), 0);
  assert.equal(messages[0]!.stamp, "2026-11-20T12:00:00.123456+00:00");
});

test("conmon's format: another time zone becomes UTC", () => {
  const file = Buffer.from("2026-11-20T14:30:00.123456789+02:30 stdout F x\n");
  const { messages } = decoderFor("k8s", { offset: 0, skip: 0 }).push(file, 0);
  assert.deepEqual(messages, [{ stamp: "2026-11-20T12:00:00.123456+00:00", message: "x" }]);
});

test("conmon's format: a crash anywhere in a long joined line loses and repeats nothing", () => {
  const part = (letter: string): string => `${T} stdout P ${letter.repeat(8_000)}\n`;
  const file = `${part("a")}${part("b")}${part("c")}${T} stdout F d\n${T} stdout F next\n`;
  const whole = decode("k8s", file, 100_000);
  assert.deepEqual(
    whole.map((message) => message.length),
    [10_000, 10_000, 4_001, 4],
  );
  for (const size of [8_100, 9_000, 17_000]) assert.deepEqual(decode("k8s", file, size, true), whole, `crash every ${size}`);
});

test("conmon's format: what is no record is left out", () => {
  assert.deepEqual(decode("k8s", `garbage\n${T} stdout F ok\n\n`, 1000), ["ok"]);
});
