import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isIgnored, removeIgnored, slugignorePatterns } from "./slugignore.ts";

const CASES: [pattern: string, path: string, ignored: boolean][] = [
  ["*.psd", "art/logo.psd", true],
  ["*.psd", "logo.psd.txt", false],
  ["test", "lib/test", true],
  ["/test", "test", true],
  ["/test", "lib/test", false],
  ["docs/", "docs", true],
  ["docs/*.pdf", "docs/a.pdf", true],
  ["docs/*.pdf", "docs/old/a.pdf", false],
  ["docs/**", "docs/old/a.pdf", true],
  ["/", "anything", false],
  ["../etc", "etc", false],
];

for (const [pattern, path, ignored] of CASES) {
  test(`.slugignore ${pattern} ${ignored ? "leaves out" : "keeps"} ${path}`, () => {
    assert.equal(isIgnored(path, [pattern]), ignored);
  });
}

test("comments, blank lines and negations are no patterns", () => {
  assert.deepEqual(slugignorePatterns("# x\n\n*.psd\r\n!keep.psd\n  test  \n"), ["*.psd", "test"]);
});

test("links are removed, what they point to stays", async () => {
  const folder = mkdtempSync(join(tmpdir(), "zarpa-slugignore-"));
  mkdirSync(join(folder, "app/sub"), { recursive: true });
  mkdirSync(join(folder, "outside"));
  writeFileSync(join(folder, "outside/a.psd"), "");
  writeFileSync(join(folder, "app/sub/b.psd"), "");
  symlinkSync("../outside", join(folder, "app/link"));
  symlinkSync("../../outside", join(folder, "app/sub/test"));
  assert.equal(await removeIgnored(join(folder, "app"), ["*.psd", "test"]), 2);
  assert.deepEqual([existsSync(join(folder, "outside/a.psd")), existsSync(join(folder, "app/sub/b.psd"))], [true, false]);
  rmSync(folder, { recursive: true });
});

test("names that are not UTF-8 are names too", async () => {
  const folder = mkdtempSync(join(tmpdir(), "zarpa-slugignore-"));
  const name = Buffer.concat([Buffer.from(`${folder}/a`), Buffer.of(0xf1), Buffer.from("o")]);
  mkdirSync(name);
  writeFileSync(Buffer.concat([name, Buffer.from("/x.psd")]), "");
  writeFileSync(join(folder, "año.psd"), "");
  assert.equal(await removeIgnored(folder, ["*.psd", "/año*"]), 2);
  rmSync(folder, { recursive: true });
});

test("too many patterns are refused", () => {
  assert.throws(() => slugignorePatterns("*a\n".repeat(501)), /more than 500 patterns/);
});
