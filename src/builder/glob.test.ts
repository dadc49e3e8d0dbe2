import assert from "node:assert/strict";
import { test } from "node:test";
import { compileGlob } from "./glob.ts";

const CASES: [pattern: string, fits: string[], not: string[]][] = [
  ["*.psd", ["a.psd"], ["a.psd.txt", "a/b.psd", ".psd", ".a.psd"]],
  [".*", [".env", ".a"], ["a"]],
  ["a?c", ["abc"], ["ac", "abbc", "a/c"]],
  ["a/**/c", ["a/c", "a/b/c", "a/b/b/c"], ["a/b", "b/a/c"]],
  ["**/*.z", ["x.z", "x/y.z"], ["x.z/y"]],
  ["docs/**", ["docs/a", "docs/a/b"], ["doc/a"]],
  ["[a-cx]*", ["bob", "x"], ["d"]],
  ["[!a-c]", ["d"], ["a"]],
  ["[]]", ["]"], ["["]],
  ["a[", ["a["], ["a"]],
  [String.raw`a\*`, ["a*"], ["ab"]],
  ["{a,b{c,d}}.txt", ["a.txt", "bc.txt", "bd.txt"], ["b.txt"]],
  ["{a}", ["{a}"], ["a"]],
];

for (const [pattern, fits, not] of CASES) {
  test(`the pattern ${pattern}`, () => {
    const glob = compileGlob(pattern);
    assert.deepEqual(
      fits.filter((path) => !glob(path)),
      [],
    );
    assert.deepEqual(
      not.filter((path) => glob(path)),
      [],
    );
  });
}

test("no pattern takes long", () => {
  const before = performance.now();
  assert.equal(compileGlob(`${"*a".repeat(400)}*b`)("a".repeat(255)), false);
  assert.equal(compileGlob(`${"**/a/".repeat(200)}b`)("a/".repeat(2000)), false);
  assert.equal(compileGlob("{a,b}".repeat(200))("a"), false);
  assert.ok(performance.now() - before < 1000);
});
