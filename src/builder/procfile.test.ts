import assert from "node:assert/strict";
import { test } from "node:test";
import { misnamedProcfile, parseProcfile } from "./procfile.ts";

const READ: [what: string, text: string, types: Record<string, string>][] = [
  ["one type", "web: gunicorn app:app\n", { web: "gunicorn app:app" }],
  ["several types, comments, blank lines", "# hi\n\nweb: a\nworker:b c\n", { web: "a", worker: "b c" }],
  ["Windows line endings and a byte order mark", "\uFEFFweb: a\r\nclock: b\r\n", { web: "a", clock: "b" }],
  ["colons and quotes in the command", 'web: sh -c "echo a: b"\n', { web: 'sh -c "echo a: b"' }],
  ["no newline at the end", "release: python manage.py migrate", { release: "python manage.py migrate" }],
  ["spaces around", "  web:   a  \n", { web: "a" }],
  ["dashes and digits", "web-2_b: a\n", { "web-2_b": "a" }],
  ["nothing", "", {}],
];

for (const [what, text, types] of READ) {
  test(`a Procfile with ${what}`, () => {
    assert.deepEqual(parseProcfile(text), { types, problems: [], warnings: [] });
  });
}

const WRONG: [text: string, problem: RegExp][] = [
  ["web gunicorn app:app", /line 1: .*did you mean "web: gunicorn app:app"\?/],
  ["web: a\nworker : b", /line 2: .*did you mean "worker: b"\?/],
  ["web:", /line 1: "web:" has no command/],
  ["wéb: a", /line 1: .*write "TYPE: COMMAND"/],
  [`${"x".repeat(129)}: a`, /line 1: .*…/],
];

for (const [text, problem] of WRONG) {
  test(`a Procfile with ${JSON.stringify(text.slice(0, 30))} is refused, naming the line`, () => {
    const { problems } = parseProcfile(text);
    assert.equal(problems.length, 1);
    assert.match(problems[0] ?? "", problem);
  });
}

test("the last of two declarations counts, with a warning", () => {
  const { types, warnings } = parseProcfile("web: a\nweb: b\n");
  assert.deepEqual(types, { web: "b" });
  assert.deepEqual(warnings, ['Procfile line 2: "web" was declared on line 1 already; the last one counts.']);
});

test("a type called __proto__ is a type like any other", () => {
  assert.deepEqual(Object.entries(parseProcfile("__proto__: a\n").types), [["__proto__", "a"]]);
});

test("a Procfile under another name is recognised", () => {
  assert.equal(misnamedProcfile(["app.py", "procfile"]), "procfile");
  assert.equal(misnamedProcfile(["Procfile.txt"]), "Procfile.txt");
  assert.equal(misnamedProcfile(["Procfile", "procfile"]), null);
  assert.equal(misnamedProcfile(["Procfile.windows"]), null);
});

test("no line takes long, however odd", () => {
  const before = performance.now();
  assert.equal(parseProcfile(`a${" ".repeat(900_000)}b\u2028c`).problems.length, 1);
  assert.ok(performance.now() - before < 1000);
});
