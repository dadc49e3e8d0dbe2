import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Outputs } from "./output.ts";

async function inFolder(work: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "zarpa-output-"));
  try {
    await work(join(folder, "build.log"));
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function all(chunks: AsyncIterable<Buffer>): Promise<string> {
  let text = "";
  for await (const chunk of chunks) text += chunk.toString();
  return text;
}

test("a follower gets what was written before, what comes after, and ends with the writer", async () => {
  await inFolder(async (path) => {
    const outputs = new Outputs();
    await outputs.begin(path);
    await outputs.write(path, "one\n");
    const early = all(outputs.follow(path));
    const late = outputs.write(path, "two\n").then(async () => await all(outputs.follow(path)));
    await outputs.write(path, "three\n");
    await outputs.end(path);
    assert.equal(await early, "one\ntwo\nthree\n");
    assert.equal(await late, "one\ntwo\nthree\n");
    assert.equal(await all(outputs.follow(path)), "one\ntwo\nthree\n");
  });
});

test("beginning twice keeps what was written", async () => {
  await inFolder(async (path) => {
    const outputs = new Outputs();
    await Promise.all([outputs.begin(path), outputs.begin(path)]);
    await outputs.write(path, "kept\n");
    await outputs.begin(path);
    await outputs.end(path);
    assert.equal(await all(outputs.follow(path)), "kept\n");
  });
});

test("a follower that is aborted ends while the writer goes on", async () => {
  await inFolder(async (path) => {
    const outputs = new Outputs();
    await outputs.begin(path);
    await outputs.write(path, "one\n");
    const abort = new AbortController();
    const text = all(outputs.follow(path, abort.signal));
    abort.abort();
    assert.equal(await text, "one\n");
    assert.equal(outputs.isLive(path), true);
    await outputs.end(path);
  });
});

test("a file that nobody wrote has no output", async () => {
  await inFolder(async (path) => assert.equal(await all(new Outputs().follow(path)), ""));
});

test(
  "a disk that takes no more ends neither the writer nor the file",
  { skip: !existsSync("/dev/full") && "needs /dev/full" },
  async () => {
    const outputs = new Outputs();
    await outputs.begin("/dev/full");
    await outputs.write("/dev/full", "lost");
    await outputs.end("/dev/full");
    assert.equal(outputs.isLive("/dev/full"), false);
  },
);

test("a follower that comes while the file is being opened does not take it for an ended one", async () => {
  await inFolder(async (path) => {
    const outputs = new Outputs();
    const begun = outputs.begin(path);
    const text = all(outputs.follow(path));
    await begun;
    await outputs.write(path, "first\n");
    const later = all(outputs.follow(path));
    await outputs.write(path, "second\n");
    await outputs.end(path);
    assert.deepEqual([await text, await later], ["first\nsecond\n", "first\nsecond\n"]);
  });
});
