import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { chown, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type Trial, until } from "./driver-cases.ts";
import type { BuildCommand } from "./sandbox.ts";

/** What holds for the builds of every driver. */
export function describeSandbox(trial: Trial): void {
  const build = async (argv: string[], more: Partial<BuildCommand> = {}) => {
    let output = "";
    const ending = await trial.driver.sandbox.run({
      id: randomUUID(),
      stack: "heroku-24",
      argv,
      env: { PATH: "/usr/bin:/bin", WORD: "x y" },
      cwd: "/",
      uid: trial.uid,
      mounts: [],
      memoryBytes: 256 * 1024 * 1024,
      timeoutMilliseconds: 60_000,
      signal: new AbortController().signal,
      onOutput: (chunk) => (output += chunk.toString()),
      ...more,
    });
    return { ...ending, output };
  };

  test("a build's command runs in its folders and streams one output", async () => {
    const host = join(trial.folder, "build");
    await mkdir(host);
    if (process.getuid?.() === 0) await chown(host, trial.uid, trial.uid);
    const result = await build(["bash", "-c", 'echo "$WORD"; pwd >&2; echo made > made; echo "$DIR"; exit 3'], {
      cwd: "/tmp/build",
      env: { PATH: "/usr/bin:/bin", WORD: "x y", DIR: "/tmp/build" },
      mounts: [{ host, inside: "/tmp/build", writable: true }],
    });
    const seen = trial.driver.sandbox.isolated ? "/tmp/build" : host;
    assert.deepEqual(result, { exitCode: 3, reason: "exit", output: `x y\n${seen}\n${seen}\n` });
    assert.equal(await readFile(join(host, "made"), "utf8"), "made\n");
  });

  test("a build's place may be made before its command is known, and given up", async (t) => {
    const { stand } = trial.driver.sandbox;
    if (stand === undefined) return t.skip("this driver has nothing to prepare");
    const host = join(trial.folder, "awaited");
    await mkdir(host);
    await chown(host, trial.uid, trial.uid);
    const place = (): Parameters<typeof stand>[0] => ({
      id: randomUUID(),
      stack: "heroku-24",
      cwd: "/tmp/build",
      uid: trial.uid,
      mounts: [{ host, inside: "/tmp/build", writable: true }],
      memoryBytes: 256 * 1024 * 1024,
    });
    const [used, unused] = await Promise.all([stand(place()), stand(place())]);
    await writeFile(join(host, "late"), "came later\n");
    let output = "";
    const ending = await used.run({
      argv: ["sh", "-c", 'cat late; env; cat; echo "$1" >&2; exit 5', "sh", " a\n'b' "],
      env: { PATH: "/usr/bin:/bin", WORD: "x\ny=z" },
      timeoutMilliseconds: 60_000,
      signal: new AbortController().signal,
      onOutput: (chunk) => (output += chunk.toString()),
    });
    assert.deepEqual(ending, { exitCode: 5, reason: "exit" });
    assert.match(output, /^came later\nPATH=\/usr\/bin:\/bin\nWORD=x\ny=z\n(PWD=.*\n)? a\n'b' \n$/);
    await unused.drop();
    await until(async () => (await readdir(join(trial.folder, "dynos/live"))).length === 0);
  });

  test("a build's command is ended by its time and by its signal", async () => {
    const late = await build(["sh", "-c", "sleep 300 & sleep 300"], { timeoutMilliseconds: 700 });
    assert.deepEqual([late.reason, late.exitCode], ["timeout", 137]);
    const abort = new AbortController();
    const aborted = await build(["sh", "-c", "echo begun; sleep 300"], { signal: abort.signal, onOutput: () => abort.abort() });
    assert.equal(aborted.reason, "aborted");
    const before = await build(["true"], { signal: abort.signal });
    assert.equal(before.reason, "aborted");
    await until(async () => (await readdir(join(trial.folder, "dynos/live"))).length === 0);
  });

  test(
    "a build's command that wants too much memory is told apart",
    { skip: process.getuid?.() !== 0 && "needs control groups" },
    async () => {
      const result = await build(["python3", "-c", "x = bytearray(400 * 1024 * 1024); print(len(x))"]);
      assert.equal(result.reason, "memory");
    },
  );
}
