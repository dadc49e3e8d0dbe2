import assert from "node:assert/strict";
import { existsSync, lstatSync, readFileSync, statSync } from "node:fs";
import { chmod, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { Refusal } from "../kernel/refusal.ts";
import { type Bench, gitUntil, MemoryPlatform, quarantines, randomFile, startBench, waitFor } from "./git.test-support.ts";

/** The lines the server sent, without git's prefix and padding. */
function remoteLines(stderr: string): string {
  return [...stderr.matchAll(/^remote: ?(.*)$/gm)].map(([, line]) => (line ?? "").trimEnd()).join("\n");
}

describe("a push of the deployed branch", () => {
  let bench: Bench;
  beforeEach(async () => {
    bench = await startBench();
  });
  afterEach(async () => {
    await bench.close();
    assert.deepEqual(bench.faults, []);
  });

  test("builds the commit, shows the build, and moves the branch", async () => {
    const work = join(bench.folder, "work");
    await mkdir(join(work, "bin"));
    await symlink("../app.py", join(work, "bin/link"));
    const commit = await bench.commit(
      { "app.py": "print(1)\n", "bin/run": "#!/bin/sh\n", ".gitattributes": "app.py export-ignore\n" },
      "Say one\n\nMore.",
    );
    await chmod(join(work, "bin/run"), 0o755);
    const executable = await bench.commit({}, "Make it run");
    assert.notEqual(executable, commit);
    bench.platform.onBuild = (build) => {
      build.print("-----> Building on the Heroku-24 stack\n-----> Launching...\n       Released v3\n\n");
      build.end("succeeded");
    };
    const push = await bench.git("push", "heroku", "main");
    assert.equal(push.exitCode, 0, push.stderr);
    assert.equal(
      remoteLines(push.stderr),
      "Compressing source files... done.\nBuilding source:\n\n-----> Building on the Heroku-24 stack\n-----> Launching...\n       Released v3\n\nVerifying deploy... done.",
    );
    assert.match(push.stderr, /\* \[new branch\] +main -> main/);
    assert.equal(await bench.serverRef("refs/heads/main"), executable);
    const { order } = await bench.platform.build(0);
    assert.deepEqual(
      [order.commit, order.message, order.accountId, order.appId],
      [executable, "Make it run", bench.platform.account.id, bench.platform.app.id],
    );
    assert.equal(readFileSync(join(order.folder, "app.py"), "utf8"), "print(1)\n");
    assert.equal(statSync(join(order.folder, "bin/run")).mode & 0o777, 0o755);
    assert.ok(lstatSync(join(order.folder, "bin/link")).isSymbolicLink());
    assert.ok(!existsSync(join(order.folder, ".git")));
    await waitFor(async () => (bench.platform.sizes[0] ?? 0) > 0);
  });

  test("sends deltas against what is there, and says how many paths it took", async () => {
    const lines = Array.from({ length: 2000 }, (_, index) => `line ${index * 7919}\n`);
    await bench.commit({ "data.txt": lines.join("") });
    await bench.git("push", "heroku", "main");
    lines[1000] = "changed\n";
    const commit = await bench.commit({ "data.txt": lines.join("") });
    const push = await bench.git("push", "heroku", "main");
    assert.equal(push.exitCode, 0, push.stderr);
    assert.match(remoteLines(push.stderr), /^Updated 1 path from [0-9a-f]{7}\nCompressing source files/);
    assert.equal(await bench.serverRef("refs/heads/main"), commit);
    assert.equal((await bench.git("--git-dir", bench.repository, "fsck", "--full")).exitCode, 0);
  });

  test("that fails to build leaves the repository as it was", async () => {
    const first = await bench.commit({ "app.py": "1\n" });
    await bench.git("push", "heroku", "main");
    const files = await readdir(bench.repository, { recursive: true });
    bench.platform.onBuild = (build) => {
      build.print(" !     Push rejected, failed to compile Python app.\n\n !     Push failed\n");
      build.end("failed");
    };
    await bench.commit({ "app.py": "2\n" });
    await bench.git("tag", "v2");
    const push = await bench.git("push", "heroku", "main", "v2");
    assert.equal(push.exitCode, 1);
    assert.ok(
      remoteLines(push.stderr).endsWith(
        " !     Push rejected, failed to compile Python app.\n\n !     Push failed\nVerifying deploy...\n\n!\tPush rejected to shop.\n",
      ),
      push.stderr,
    );
    assert.match(push.stderr, /! \[remote rejected\] main -> main \(pre-receive hook declined\)/);
    assert.match(push.stderr, /! \[remote rejected\] v2 -> v2 \(pre-receive hook declined\)/);
    assert.equal(await bench.serverRef("refs/heads/main"), first);
    assert.deepEqual(await readdir(bench.repository, { recursive: true }), files);
  });

  test("is shown line by line while it is built", async () => {
    await bench.commit({ "app.py": "1\n" });
    bench.platform.onBuild = (build) => build.print("-----> A first step\n");
    const pushing = gitUntil(bench, "A first step", "push", "heroku", "main");
    await bench.platform.build(0);
    // The build has not ended, and yet the client has seen the line; then it is killed.
    await pushing;
    const build = await bench.platform.build(0);
    build.print("-----> A second step\n");
    build.end("succeeded");
    // Nobody listens any more: the branch moves all the same.
    await waitFor(async () => (await bench.serverRef("refs/heads/main")) === build.order.commit);
  });

  test("with a release phase shows that too, after the branch has moved", async () => {
    const commit = await bench.commit({ "app.py": "1\n" });
    const main: (string | null)[] = [];
    const output = async function* (): AsyncGenerator<Buffer> {
      main.push(await bench.serverRef("refs/heads/main"));
      yield Buffer.from("migrating\n");
    };
    bench.platform.phase = { output: output(), result: async () => ({ status: "failed" }) };
    const push = await bench.git("push", "heroku", "main");
    assert.equal(push.exitCode, 0, push.stderr);
    assert.deepEqual(main, [commit]);
    assert.match(
      remoteLines(push.stderr),
      /Verifying deploy\.\.\. done\.\nRunning release command\.{4}\n\nmigrating\nWaiting for release\.{4} failed\.\n !     The release command failed/,
    );
  });

  test("that the platform refuses says why", async () => {
    await bench.commit({ "app.py": "1\n" });
    bench.platform.onBuild = () => {
      throw new Refusal("forbidden", "The disk is full.");
    };
    const push = await bench.git("push", "heroku", "main");
    assert.match(remoteLines(push.stderr), /^ ! {5}The disk is full\.$/m);
    assert.equal(await bench.serverRef("refs/heads/main"), null);
    assert.deepEqual(await readdir(bench.builds), []);
  });

  test("waits for its turn while another is built", async () => {
    await bench.commit({ "app.py": "1\n" });
    bench.platform.onBuild = () => {};
    const first = bench.git("push", "heroku", "main");
    const build = await bench.platform.build(0);
    const commit = await bench.commit({ "app.py": "2\n" });
    const second = bench.git("push", "heroku", "main");
    await waitFor(async () => (await quarantines(bench)) === 2);
    await gitUntil(bench, "Waiting for it to end", "push", "heroku", "main");
    bench.platform.onBuild = (next) => next.end("succeeded");
    build.end("succeeded");
    assert.equal((await first).exitCode, 0);
    const outcome = await second;
    assert.equal(outcome.exitCode, 0, outcome.stderr);
    assert.match(outcome.stderr, /remote: Another push to shop is being built\. Waiting for it to end\.\.\./);
    assert.equal(await bench.serverRef("refs/heads/main"), commit);
    assert.equal(bench.platform.builds.length, 2, "the killed third push was not built");
  });

  test("is refused when the branch has gone elsewhere while it waited", async () => {
    await bench.commit({ "app.py": "1\n" });
    bench.platform.onBuild = () => {};
    const first = bench.git("push", "heroku", "main");
    const build = await bench.platform.build(0);
    await bench.git("checkout", "--quiet", "--orphan", "other");
    await bench.commit({ "app.py": "2\n" });
    const second = bench.git("push", "heroku", "other:main");
    await waitFor(async () => (await quarantines(bench)) === 2);
    build.end("succeeded");
    await first;
    const outcome = await second;
    assert.match(outcome.stderr, /another push has moved the branch/);
    assert.match(outcome.stderr, /\[rejected\] +other -> main \(fetch first\)/);
  });

  test("can be forced back to another history", async () => {
    await bench.commit({ "app.py": "1\n" });
    const second = await bench.commit({ "app.py": "2\n" });
    await bench.git("push", "heroku", "main");
    await bench.git("reset", "--quiet", "--hard", "HEAD~1");
    const other = await bench.commit({ "app.py": "3\n" });
    assert.match((await bench.git("push", "heroku", "main")).stderr, /non-fast-forward|fetch first/);
    assert.equal(await bench.serverRef("refs/heads/main"), second);
    const push = await bench.git("push", "--force", "heroku", "main");
    assert.equal(push.exitCode, 0, push.stderr);
    assert.equal(await bench.serverRef("refs/heads/main"), other);
    assert.match((await bench.git("push", "heroku", "main")).stderr, /Everything up-to-date/);
  });

  test("of an annotated tag or with submodules says what to do", async () => {
    await bench.commit({ "app.py": "1\n" });
    await bench.git("tag", "--annotate", "v1", "--message", "one");
    const tag = await bench.git("push", "heroku", "v1:refs/heads/main");
    assert.match(tag.stderr, /git push heroku TAG\^\{\}:main|cannot update ref/);
    await bench.git("update-index", "--add", "--cacheinfo", `160000,${"1".repeat(40)},vendor/lib`);
    await bench.git("commit", "--quiet", "--message", "with a submodule");
    const push = await bench.git("push", "heroku", "main");
    assert.match(push.stderr, /submodules are not fetched: vendor\/lib\./);
    assert.match(push.stderr, /pre-receive hook declined/);
  });
});

describe("other refs", () => {
  let bench: Bench;
  before(async () => {
    bench = await startBench();
    await bench.commit({ "app.py": "1\n" });
    await bench.git("push", "heroku", "main");
  });
  after(async () => {
    await bench.close();
    assert.deepEqual(bench.faults, []);
  });

  test("are stored without a build", async () => {
    await bench.git("tag", "--annotate", "v1", "--message", "one");
    const branch = await bench.git("push", "heroku", "main:refs/heads/feature/x", "v1");
    assert.equal(branch.exitCode, 0, branch.stderr);
    assert.match(branch.stderr, /remote: Pushed to non-main branch, skipping build\./);
    assert.equal(await bench.serverRef("refs/heads/feature/x"), await bench.serverRef("refs/heads/main"));
    assert.ok(await bench.serverRef("refs/tags/v1"));
    assert.equal(bench.platform.builds.length, 1);
  });

  test("can be deleted, the deployed branch cannot", async () => {
    await bench.git("push", "heroku", "main:refs/heads/old");
    assert.equal((await bench.git("push", "heroku", ":old")).exitCode, 0);
    assert.equal(await bench.serverRef("refs/heads/old"), null);
    const main = await bench.git("push", "heroku", ":main");
    assert.match(main.stderr, /\[remote rejected\] main \(deletion of the deployed branch prohibited\)/);
    assert.ok(await bench.serverRef("refs/heads/main"));
  });

  test("of other kinds, or in the way of main, are refused", async () => {
    const push = await bench.git("push", "heroku", "main:refs/pull/1/head", "main:refs/heads/main/x", "main:refs/heads/fine");
    assert.match(push.stderr, /\[remote rejected\] main -> refs\/pull\/1\/head \(funny refname\)/);
    assert.match(push.stderr, /\[remote rejected\] main -> main\/x \(funny refname\)/);
    assert.ok(await bench.serverRef("refs/heads/fine"));
    const clash = await bench.git("push", "heroku", "main:refs/heads/fine/finer", "main:refs/heads/good");
    assert.match(clash.stderr, /fine\/finer \(failed to update ref\)/);
    assert.ok(await bench.serverRef("refs/heads/good"));
  });

  test("are all or nothing with --atomic", async () => {
    const push = await bench.git("push", "--atomic", "heroku", "main:refs/pull/1/head", "main:refs/heads/whole");
    assert.match(push.stderr, /atomic push failure|funny refname/);
    assert.equal(await bench.serverRef("refs/heads/whole"), null);
  });
});

describe("limits", () => {
  test("a large push streams, and a shallow clone is told to fetch the rest", async (context) => {
    const bench = await startBench();
    context.after(bench.close);
    await bench.commit({ "app.py": "1\n" });
    await randomFile(join(bench.folder, "work/large.bin"), 30);
    await bench.git("config", "core.compression", "0");
    const many = Array.from({ length: 120 }, (_, index) => [`many/${index}.txt`, `${index}\n`]);
    const commit = await bench.commit(Object.fromEntries(many));
    const before = process.memoryUsage().rss;
    const push = await bench.git("push", "heroku", "main");
    assert.equal(push.exitCode, 0, push.stderr);
    assert.equal(await bench.serverRef("refs/heads/main"), commit);
    assert.ok(process.memoryUsage().rss - before < 150 * 1024 ** 2);
    const clone = join(bench.folder, "shallow");
    await bench.git("clone", "--quiet", "--depth=1", bench.remote, clone);
    await bench.git("-C", clone, "commit", "--quiet", "--allow-empty", "--message", "more");
    const shallow = await bench.git("-C", clone, "push", "origin", "main:fresh");
    assert.deepEqual(bench.faults, []);
    if (shallow.exitCode !== 0) assert.match(shallow.stderr, /source repository is a shallow clone/);
  });

  test("a pack or a checkout above its limit is refused with its size", async (context) => {
    const bench = await startBench({ packLimitBytes: 3 * 1024 ** 2, checkoutLimitBytes: 1024 ** 2 });
    context.after(bench.close);
    await bench.commit({ "zeros.bin": "0".repeat(2 * 1024 ** 2) });
    const checkout = await bench.git("push", "heroku", "main");
    assert.match(checkout.stderr, /the source files have 2\.0 MB and the limit is 1\.0 MB/);
    await randomFile(join(bench.folder, "work/large.bin"), 6);
    await bench.commit({});
    const pack = await bench.git("push", "heroku", "main");
    assert.match(pack.stderr, /Push rejected, the push is larger than 3 MB/);
    assert.equal(await bench.serverRef("refs/heads/main"), null);
    assert.deepEqual((await readdir(join(bench.repository, "objects"))).sort(), ["info", "pack"]);
    assert.deepEqual(bench.faults, []);
  });

  test("requests are counted by app and user", async (context) => {
    const bench = await startBench({ requestsPerHour: 4 });
    context.after(bench.close);
    await bench.commit({ "app.py": "1\n" });
    assert.equal((await bench.git("push", "heroku", "main")).exitCode, 0);
    assert.equal((await bench.git("ls-remote", "heroku")).exitCode, 0);
    assert.match((await bench.git("ls-remote", "heroku")).stderr, /Too many git requests for shop: try again in 900 s|429/);
    await bench.close();
  });
});

test("what a killed process leaves is removed at the next start", async (context) => {
  const bench = await startBench();
  context.after(bench.close);
  await bench.commit({ "app.py": "1\n" });
  await bench.git("push", "heroku", "main");
  await mkdir(join(bench.repository, "objects/tmp_objdir-incoming-abc/00"), { recursive: true });
  await mkdir(join(bench.builds, "incoming-abc/source"), { recursive: true });
  await writeFile(join(bench.repository, "refs/heads/main.lock"), "");
  await writeFile(join(bench.repository, "packed-refs.lock"), "");
  await bench.handler.recover();
  assert.equal(await quarantines(bench), 0);
  await bench.commit({ "app.py": "2\n" });
  assert.equal((await bench.git("push", "heroku", "main")).exitCode, 0);
  assert.deepEqual(
    (await readdir(bench.builds)).filter((name) => name.startsWith("incoming")),
    [],
  );
  await bench.handler.removeRepository(bench.platform.app.id);
  assert.ok(!existsSync(bench.repository));
});

test("the app's own faults are not the pusher's riddle", async (context) => {
  const platform = new MemoryPlatform();
  platform.onBuild = () => {
    throw new Error("connection lost");
  };
  const bench = await startBench({ platform });
  context.after(bench.close);
  await bench.commit({ "app.py": "1\n" });
  const push = await bench.git("push", bench.remote.replace(bench.platform.token, platform.token), "main");
  assert.match(push.stderr, /The platform failed, not your app/);
  assert.match(bench.faults.join(), /connection lost/);
});
