import assert from "node:assert/strict";
import { test } from "node:test";
import { SentinelCutter } from "./sentinel.ts";

const SENTINEL = "\uFFFF heroku-command-exit-status: 3";

function cut(text: string, size: number): string[] {
  const bytes = Buffer.from(text);
  const cutter = new SentinelCutter();
  const pieces: Buffer[] = [];
  for (let start = 0; start < bytes.length; start += size) pieces.push(...cutter.push(bytes.subarray(start, start + size)));
  pieces.push(cutter.end());
  return pieces.filter(({ length }) => length > 0).map(String);
}

test("the exit-status line is one piece, wherever the chunks end", () => {
  const output = `héllo ，\uFFFE\n${SENTINEL}\r\n`;
  for (let size = 1; size <= Buffer.byteLength(output); size += 1) {
    const pieces = cut(output, size);
    assert.equal(pieces.filter((piece) => piece === SENTINEL).length, 1, `chunks of ${size}`);
    assert.equal(pieces.join("").replaceAll("\uFFFD", "").endsWith(`${SENTINEL}\r\n`), true);
  }
});

test("all digits of the status stay together, and nothing is lost when the output ends", () => {
  assert.deepEqual(cut("\uFFFF heroku-command-exit-status: 127", 5), ["\uFFFF heroku-command-exit-status: 127"]);
  assert.deepEqual(cut("a\uFFFF heroku-comm", 100), ["a", "\uFFFF heroku-comm"]);
});

test("other output goes through as it comes", () => {
  const cutter = new SentinelCutter();
  assert.deepEqual(cutter.push(Buffer.from("one")).map(String), ["one"]);
  assert.deepEqual(cutter.push(Buffer.from("two\uFFFF three")).map(String), ["two\uFFFF three"]);
});
