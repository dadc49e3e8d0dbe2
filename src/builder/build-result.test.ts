import assert from "node:assert/strict";
import { test } from "node:test";
import { BuildFailure } from "./build-failure.ts";
import { readDefaults } from "./build-result.ts";

const CASES: [what: string, text: string, types: Record<string, string>][] = [
  ["nothing", "", {}],
  ["no types", "---\naddons: []\n", {}],
  ["commands", "---\ndefault_process_types:\n  web: npm start\n  worker: 'a b'\n", { web: "npm start", worker: "a b" }],
  ["commands one level deeper", "default_process_types:\n  web:\n    command: x\n", { web: "x" }],
  ["what is no command", "default_process_types:\n  web: [1]\n  'a b': x\n  empty: ''\n  number: 3\n", {}],
  ["a list where an object should be", "default_process_types: [web]\n", {}],
  ["a scalar", "hello\n", {}],
];

for (const [what, text, types] of CASES) {
  test(`bin/release with ${what}`, () => assert.deepEqual(readDefaults(text), types));
}

test("bin/release that answers no YAML, or YAML that explodes, fails the build", () => {
  assert.throws(() => readDefaults("a: [b\n"), BuildFailure);
  assert.throws(() => readDefaults("a: &x [1]\ndefault_process_types: [*x, *x]\n"), BuildFailure);
});

test("no answer of bin/release takes long", () => {
  const before = performance.now();
  readDefaults(Array.from({ length: 6000 }, (_, index) => `k${index}: v`).join("\n"));
  assert.throws(() => readDefaults("a: b\n".repeat(100_000)), /more than 65536 characters/);
  assert.ok(performance.now() - before < 1500);
});
