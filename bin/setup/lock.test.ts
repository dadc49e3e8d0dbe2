import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { runningPid, takeLock } from "./lock.ts";

describe("the lock of a home", () => {
  const run = mkdtempSync(join(tmpdir(), "zarpa-lock-"));
  const paths = { run, platformPid: join(run, "platform.pid") };
  after(() => rmSync(run, { recursive: true, force: true }));

  it("is held by one control plane at a time, and says which", () => {
    assert.equal(runningPid(paths), null);
    const lock = takeLock(paths);
    assert.ok(lock);
    assert.equal(readFileSync(paths.platformPid, "utf8"), `${process.pid}\n`);
    assert.equal(takeLock(paths), null);
    assert.equal(runningPid(paths), process.pid);
    lock.release();
    assert.equal(existsSync(paths.platformPid), false);
    assert.equal(runningPid(paths), null);
  });

  it("ends with its process, even by kill -9, and a stale pid file means nothing", async () => {
    const script = `const { takeLock } = await import(${JSON.stringify(join(import.meta.dirname, "lock.ts"))});
      console.log(takeLock(${JSON.stringify(paths)}) !== null); process.stdin.resume();`;
    const other = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["pipe", "pipe", "inherit"] });
    const [line] = (await once(other.stdout, "data")) as [Buffer];
    assert.equal(line.toString(), "true\n");
    assert.equal(runningPid(paths), other.pid);
    assert.equal(takeLock(paths), null);
    other.kill("SIGKILL");
    await once(other, "exit");
    assert.ok(existsSync(paths.platformPid));
    assert.equal(runningPid(paths), null);
    const lock = takeLock(paths);
    assert.ok(lock);
    lock.release();
  });

  it("does not believe a pid file that a stranger's process fits", () => {
    writeFileSync(paths.platformPid, `${process.ppid}\n`);
    assert.equal(runningPid(paths), null);
    takeLock(paths)?.release();
  });

  it("is not inherited by what the control plane starts and leaves running", async () => {
    const lock = takeLock(paths);
    const child = spawn("sleep", ["30"], { detached: true, stdio: "ignore" });
    lock?.release();
    assert.equal(runningPid(paths), null);
    const again = takeLock(paths);
    assert.ok(again);
    again.release();
    child.kill("SIGKILL");
    await once(child, "exit");
  });
});
