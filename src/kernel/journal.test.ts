import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileJournal } from "./journal.ts";

const at = new Date("2026-01-01T00:00:00Z");

test("a journal's lines are in the file at once, and the file is set aside when it is full", () => {
  const folder = mkdtempSync(join(tmpdir(), "zarpa-journal-"));
  const path = join(folder, "platform.log");
  const journal = fileJournal(path, 100, () => at);
  journal.note("first", { n: 1 });
  assert.equal(readFileSync(path, "utf8"), '{"at":"2026-01-01T00:00:00.000Z","event":"first","n":1}\n');
  journal.fault("second", new Error("because", { cause: "of this" }));
  assert.match(readFileSync(path, "utf8"), /"fault":"Error: because[^]* <- of this"/);
  journal.note("third");
  assert.match(readFileSync(`${path}.1`, "utf8"), /first[^]*second/);
  assert.match(readFileSync(path, "utf8"), /^[^\n]*third[^\n]*\n$/);
  rmSync(folder, { recursive: true });
});

test("a disk that takes no more does no harm", { skip: !existsSync("/dev/full") && "needs /dev/full" }, () => {
  fileJournal("/dev/full", 100, () => at).note("lost");
});
