import assert from "node:assert/strict";
import { test } from "node:test";
import { matcherOf, textsOf } from "./line.ts";

const at = new Date("2026-11-20T12:00:00.123Z");

test("a line looks as heroku logs prints it", () => {
  assert.deepEqual(textsOf({ at, source: "heroku", process: "web.1", message: "State changed from starting to up" }), [
    "2026-11-20T12:00:00.123000+00:00 heroku[web.1]: State changed from starting to up",
  ]);
});

test("a message is split at line breaks and at 10,000 bytes, never inside a character", () => {
  const split = textsOf({ at, source: "app", process: "api", message: "one\r\ntwo\n" });
  assert.deepEqual(
    split.map((text) => text.slice(33)),
    ["app[api]: one", "app[api]: two"],
  );
  const long = textsOf({ at, source: "app", process: "web.1", message: `a${"é".repeat(9_999)}` });
  const messages = long.map((text) => text.slice(text.indexOf("]: ") + 3));
  assert.deepEqual(
    messages.map((message) => Buffer.byteLength(message)),
    [9_999, 10_000],
  );
  assert.equal(messages.join(""), `a${"é".repeat(9_999)}`);
});

test("a carriage return does not end a line of the stream", () => {
  assert.match(textsOf({ at, source: "app", process: "web.1", message: "10%\r20%\r" })[0]!, /: 10% 20%$/);
});

test("filters go by source, by process name and by process type", () => {
  const text = "2026-11-20T12:00:00.123000+00:00 app[web.1]: heroku[worker.1]: no";
  const cases: [string | null, string | null, boolean][] = [
    [null, null, true],
    ["app", null, true],
    ["heroku", null, false],
    [null, "web", true],
    [null, "web.1", true],
    [null, "web.11", false],
    [null, "we", false],
    [null, "worker", false],
    ["heroku", "web", false],
    ["app", "web.1", true],
  ];
  for (const [source, process, passes] of cases)
    assert.equal(matcherOf({ source, process })(text), passes, `${source} ${process}`);
});
