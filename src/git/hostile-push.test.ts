import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { afterEach, beforeEach, describe, test } from "node:test";
import { deflateSync } from "node:zlib";
import { runCommand } from "../kernel/command.ts";
import { type Bench, startBench } from "./git.test-support.ts";
import { packet } from "./packet.ts";
import { NO_OBJECT } from "./push-order.ts";

describe("a hostile push", () => {
  let bench: Bench;
  beforeEach(async () => {
    bench = await startBench();
  });
  afterEach(async () => {
    await bench.close();
    assert.deepEqual(bench.faults, []);
  });

  const post = async (body: Buffer): Promise<{ status: number; text: string }> => {
    const answer = await fetch(`${bench.origin}/${bench.platform.app.name}.git/git-receive-pack`, {
      method: "POST",
      headers: { authorization: `Basic ${Buffer.from(`:${bench.platform.token}`).toString("base64")}` },
      body,
    });
    return { status: answer.status, text: await answer.text() };
  };

  test("of a tree that holds itself ten times over, ten times deep, ends soon", async () => {
    const git = async (input: string, ...args: string[]): Promise<string> => {
      const { stdout, stderr } = await runCommand(["git", ...args], {
        cwd: `${bench.folder}/work`,
        input,
        env: { PATH: process.env["PATH"] ?? "" },
      });
      assert.equal(stderr, "");
      return stdout.trim();
    };
    let entry = `100644 blob ${await git("x", "hash-object", "-w", "--stdin")}`;
    let tree = "";
    for (let level = 0; level < 10; level += 1) {
      tree = await git(Array.from({ length: 10 }, (_, index) => `${entry}\td${index}\n`).join(""), "mktree");
      entry = `040000 tree ${tree}`;
    }
    const identity = ["-c", "user.name=x", "-c", "user.email=x@localhost"];
    const commit = await git("", ...identity, "commit-tree", "-m", "bomb", tree);
    const push = await bench.git("push", "heroku", `${commit}:refs/heads/main`);
    assert.match(push.stderr, /Push rejected, the commit has more than the 300000 files allowed\./);
    assert.equal(bench.platform.builds.length, 0);
    assert.deepEqual(await readdir(bench.builds), []);
  });

  test("whose few bytes stand for gigabytes of memory is refused", async () => {
    const block = Buffer.alloc(0xff_ffff, "a");
    const base = createHash("sha1").update(`blob ${block.length}\0`).update(block).digest();
    const copies = 200;
    const copyAll = Buffer.from([0xf0, 0xff, 0xff, 0xff]);
    const delta = Buffer.concat([
      size(block.length),
      size(copies * block.length),
      ...Array.from({ length: copies }, () => copyAll),
    ]);
    const objects = [head(3, block.length), deflateSync(block), head(7, delta.length), base, deflateSync(delta)];
    const pack = Buffer.concat([Buffer.from("PACK"), Buffer.of(0, 0, 0, 2, 0, 0, 0, 2), ...objects]);
    const command = packet(`${NO_OBJECT} ${"1".repeat(40)} refs/heads/main\0report-status side-band-64k`);
    const { text } = await post(Buffer.concat([command, Buffer.from("0000"), pack, createHash("sha1").update(pack).digest()]));
    assert.match(text, /Push rejected, Out of memory/);
    assert.match(text, /ng refs\/heads\/main unpacker error/);
  });

  test("of more refs than fit into an order is refused", async () => {
    const line = packet(`${NO_OBJECT} ${"1".repeat(40)} refs/heads/${"x".repeat(60_000)}`);
    const { status, text } = await post(Buffer.concat(Array.from({ length: 1000 }, () => line)));
    assert.deepEqual([status, text], [400, "the order of a push can have 4194304 bytes at most\n"]);
  });
});

/** An object's header in a pack: type and size (gitformat-pack(5)). */
function head(type: number, length: number): Buffer {
  const bytes = [(type << 4) | (length & 15)];
  for (let rest = length >> 4; rest > 0; rest >>= 7) {
    bytes[bytes.length - 1]! |= 0x80;
    bytes.push(rest & 0x7f);
  }
  return Buffer.from(bytes);
}

/** A size in a delta: seven bits a byte, the lowest first. */
function size(length: number): Buffer {
  const bytes: number[] = [];
  for (let rest = length; ; rest = Math.floor(rest / 128)) {
    bytes.push((rest % 128) | (rest >= 128 ? 0x80 : 0));
    if (rest < 128) return Buffer.from(bytes);
  }
}
