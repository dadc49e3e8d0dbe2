import assert from "node:assert/strict";
import { appendFile, mkdtemp, readdir, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { systemClock } from "../kernel/clock.ts";
import type { Journal } from "../kernel/journal.ts";
import { type ReadOptions, readLog } from "./read.ts";
import type { StoredLine } from "./segment.ts";
import { AppLog } from "./store.ts";

const root = await mkdtemp(join(tmpdir(), "zarpa-logs-"));
after(() => rm(root, { recursive: true, force: true }));
const faults: string[] = [];
const journal: Journal = { note: () => {}, fault: (event) => faults.push(event) };
let folders = 0;

function folder(): string {
  folders += 1;
  return join(root, String(folders));
}

function open(path: string): AppLog {
  return new AppLog(path, systemClock, journal);
}

const line = (number: number, filler = ""): string => `2026-11-20T12:00:00.000000+00:00 app[web.1]: ${number}${filler}`;
const numbers = (lines: StoredLine[]): number[] => lines.map(({ text }) => Number(/: (\d+)/.exec(text)![1]));
const everything = { source: null, process: null };

async function read(log: AppLog, options: Partial<ReadOptions>): Promise<StoredLine[]> {
  const all: ReadOptions = { lines: 100, tail: false, afterId: null, signal: new AbortController().signal, ...options };
  return await Array.fromAsync(readLog(log, everything, all, systemClock));
}

test("lines come back in order, with growing ids, also from a later process", async () => {
  const path = folder();
  const first = open(path);
  void first.append([line(1), line(2)]);
  await first.append([line(3)]);
  assert.deepEqual(numbers(await read(first, {})), [1, 2, 3]);
  await first.close();
  const second = open(path);
  await second.append([line(4)]);
  const lines = await read(second, { lines: 3 });
  assert.deepEqual(numbers(lines), [2, 3, 4]);
  assert.deepEqual(
    lines.map(({ id }) => id),
    [2, 3, 4],
  );
  assert.deepEqual(numbers(await read(second, { afterId: 1 })), [2, 3, 4]);
  await second.close();
});

test("a log is empty before its first line", async () => {
  const log = open(folder());
  assert.deepEqual(await read(log, {}), []);
  await log.close();
});

test("what a crash left unfinished is dropped as a whole, with its position", async () => {
  const path = folder();
  const first = open(path);
  await first.append([line(1)], { dyno: [7, 100, 0] });
  await first.close();
  await appendFile(join(path, "000000000001.log"), `2 ${line(2)}\n3 torn`);
  const second = open(path);
  assert.deepEqual(await second.cursor("dyno"), [7, 100, 0]);
  await second.append([line(5)]);
  const lines = await read(second, {});
  assert.deepEqual(numbers(lines), [1, 5]);
  assert.equal(lines[1]!.id, 2);
  await second.close();
});

test("disk use is bounded, 1,500 lines stay, and positions survive the oldest segment", async () => {
  const path = folder();
  const log = open(path);
  await log.append([], { early: [1, 2, 3], gone: [1, 1, 0] });
  await log.append([], { gone: null });
  for (let batch = 0; batch < 40; batch += 1) {
    await log.append(Array.from({ length: 2_000 }, (_, index) => line(batch * 2_000 + index, "x".repeat(100))));
  }
  const sizes = await Promise.all((await readdir(path)).map(async (name) => (await stat(join(path, name))).size));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  assert.ok(total < 6 * 1024 * 1024, `${total} bytes on disk`);
  const kept = numbers(await read(log, { lines: 1_500 }));
  assert.deepEqual([kept.length, kept[0], kept.at(-1)], [1_500, 78_500, 79_999]);
  await log.close();
  const again = open(path);
  assert.deepEqual([await again.cursor("early"), await again.cursor("gone")], [[1, 2, 3], null]);
  await again.close();
});

test("1,500 lines stay also when each of them is as long as can be", async () => {
  const path = folder();
  const log = open(path);
  for (let batch = 0; batch < 20; batch += 1) {
    await log.append(Array.from({ length: 100 }, (_, index) => line(batch * 100 + index, "x".repeat(9_900))));
  }
  assert.equal((await read(log, { lines: 1_500 })).length, 1_500);
  await log.close();
});

test("of a batch that was cut while it was written nothing is left: its lines come once more, and are stored once", async () => {
  const path = folder();
  const log = open(path);
  await log.append([line(1)], { dyno: [7, 100, 0] });
  const { size } = await stat(join(path, "000000000001.log"));
  const lines = Array.from({ length: 10_000 }, (_, index) => line(index + 2));
  await log.append(lines, { dyno: [7, 200, 0] });
  await log.close();
  await truncate(join(path, "000000000001.log"), size + 300_000);
  const again = open(path);
  assert.deepEqual(await again.cursor("dyno"), [7, 100, 0]);
  await again.append(lines, { dyno: [7, 200, 0] });
  assert.deepEqual(
    numbers(await read(again, { lines: 20_000 })),
    Array.from({ length: 10_001 }, (_, index) => index + 1),
  );
  await again.close();
});

test("a tail goes on with what comes, and ends with its signal", async () => {
  const log = open(folder());
  await log.append([line(1), line(2)]);
  const session = new AbortController();
  const options: ReadOptions = { lines: 1, tail: true, afterId: null, signal: session.signal };
  const seen: number[] = [];
  for await (const one of readLog(log, everything, options, systemClock)) {
    seen.push(...numbers([one]));
    if (seen.length === 1) void log.append([line(3)]);
    if (seen.length === 2) setImmediate(() => void log.append([line(4), line(5)]));
    if (seen.length === 4) session.abort();
  }
  assert.deepEqual(seen, [2, 3, 4, 5]);
  assert.ok(log.isIdle);
  await log.close();
});

test("a tail that is too slow is told how many lines it has missed", async () => {
  const log = open(folder());
  await log.append([line(1)]);
  const session = new AbortController();
  const reader = readLog(log, everything, { lines: 1, tail: true, afterId: null, signal: session.signal }, systemClock);
  assert.deepEqual(numbers([(await reader.next()).value as StoredLine]), [1]);
  for (let batch = 0; batch < 240; batch += 1) {
    await log.append(Array.from({ length: 1_000 }, (_, index) => line(batch * 1_000 + index, "x".repeat(100))));
  }
  let missed: RegExpExecArray | null = null;
  let got = 0;
  for await (const { text } of reader) {
    const match = /heroku\[logplex\]: Error L11 \(Tail buffer overflow\) -> This tail session dropped (\d+) messages since /.exec(
      text,
    );
    if (match !== null) missed = match;
    else got += 1;
    if (text.includes(": 239999x")) session.abort();
  }
  assert.ok(missed !== null);
  assert.equal(got + Number(missed[1]), 240_000);
  await log.close();
});

test("lines that the disk does not take are counted in an L10 line", async () => {
  const path = folder();
  const log = open(path);
  await log.append([line(1)]);
  log.drop(12);
  await log.append([line(2)]);
  const texts = (await read(log, {})).map(({ text }) => text);
  assert.match(texts[1]!, /heroku\[logplex\]: Error L10 \(output buffer overflow\): 12 messages dropped since 20.*Z\.$/);
  assert.equal(texts.length, 3);
  await log.close();
  const nowhere = open(join(path, "000000000001.log", "nowhere"));
  await nowhere.append([line(1)]);
  assert.deepEqual(faults, ["log lines could not be stored"]);
  await nowhere.close();
});

test("a removed log is gone", async () => {
  const path = folder();
  const log = open(path);
  await log.append([line(1)]);
  await log.remove();
  await assert.rejects(stat(path));
});
