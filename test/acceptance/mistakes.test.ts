// Wrong input gets a clear error and loses nothing.
import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { mustRun } from "../../src/kernel/command.ts";
import { TestPlatform } from "./support/platform.ts";
import { remoteLines, User } from "./support/user.ts";

describe("mistakes", () => {
  let platform: TestPlatform;
  let user: User;
  let folder: string;
  before(async () => {
    platform = await TestPlatform.start();
    user = await User.arrive(platform);
    folder = await user.deploy("tiny", "sound");
    await user.untilPage("sound", ({ status }) => status === 200);
  });
  after(async () => {
    await user?.leave();
    await platform?.close();
  });
  /** The app serves what it served before. */
  const soundStill = async (): Promise<void> => {
    const page = await user.page("sound");
    assert.equal(page.status, 200);
    assert.match(page.body, /Edition one/);
  };
  const rejected = async (sample: string): Promise<string> => {
    const work = await user.copyApp(sample);
    const name = sample.replace("/", "-");
    await user.mustHeroku(["create", name], { cwd: work });
    const push = await user.push(work);
    assert.equal(push.exitCode, 1, push.stderr);
    const lines = remoteLines(push);
    assert.match(push.stderr, /! \[remote rejected\] main -> main \(pre-receive hook declined\)/);
    assert.ok(lines.endsWith(` !     Push failed\nVerifying deploy...\n\n!\tPush rejected to ${name}.\n`), lines);
    assert.equal((await user.git(work, "ls-remote", "heroku")).stdout, "");
    const { body } = await user.api("GET", `/apps/${name}/builds`);
    assert.equal((body as { status: string }[])[0]?.status, "failed");
    return lines;
  };

  test("an app name that is none, and one that is taken", async () => {
    const bad = await user.heroku(["create", "Bad_Name"]);
    assert.notEqual(bad.exitCode, 0);
    assert.match(bad.stderr, /Name must start with a letter|invalid/i);
    const taken = await user.heroku(["create", "sound"]);
    assert.notEqual(taken.exitCode, 0);
    assert.match(taken.stderr, /Name sound is already taken|already taken/i);
  });

  test("a config var and a formation that cannot be", async () => {
    const name = await user.heroku(["config:set", "not-a-name=1", "-a", "sound"]);
    assert.notEqual(name.exitCode, 0);
    const type = await user.heroku(["ps:scale", "nothing=1", "-a", "sound"]);
    assert.notEqual(type.exitCode, 0);
    assert.match(type.stderr, /Couldn't find that (process type|formation)/i);
    const release = await user.heroku(["rollback", "v99", "-a", "sound"]);
    assert.notEqual(release.exitCode, 0);
    await soundStill();
  });

  test("no token, or a wrong one", async () => {
    const remote = `https://heroku:wrong@localhost:${platform.tlsPort}/sound.git`;
    const push = await user.run(["git", "-c", "credential.helper=", "ls-remote", remote], { env: { GIT_TERMINAL_PROMPT: "0" } });
    assert.match(push.stderr, /Authentication failed|could not read Username/);
    const api = await user.heroku(["apps:info", "-a", "sound"], { env: { HEROKU_API_KEY: "wrong" } });
    assert.match(api.stderr, /HEROKU_API_KEY is invalid/);
  });

  test("nothing that a buildpack knows", async () => {
    const lines = await rejected("broken/nothing");
    assert.match(lines, /^ !     No default language could be detected for this app\.$/m);
  });

  test("a dependency that does not resolve", async () => {
    const lines = await rejected("broken/dependency");
    assert.match(lines, /flask==99\.0\.0/);
    assert.match(lines, /^ !     Push rejected, failed to compile Python app\.$/m);
  });

  test("a syntax error in the Procfile", async () => {
    const lines = await rejected("broken/procfile");
    assert.match(lines, /Procfile/);
    assert.match(lines, /web gunicorn main:app|line 1/);
  });

  test("a command that does not exist", async () => {
    const work = await user.deploy("broken/command", "lost");
    await user.untilPage("lost", ({ status, body }) => status === 503 && /Application error/i.test(body));
    await user.untilOutput(["logs", "-n", "500", "-a", "lost"], /gunicornn: command not found[^]*Process exited with status 127/);
    await user.untilOutput(["logs", "-n", "500", "-a", "lost"], /State changed from starting to crashed/);
    await user.page("lost");
    await user.untilOutput(["logs", "-n", "500", "-a", "lost"], /code=H10 desc="App crashed"/);
    const listed = await user.mustHeroku(["ps"], { cwd: work });
    assert.match(listed.stdout, /web\.1: (crashed|starting)/);
  });

  test("an app that binds no port", async () => {
    await user.deploy("broken/port", "deaf");
    await user.untilOutput(["logs", "--source", "app", "-a", "deaf"], /awake/);
    await user.untilOutput(
      ["logs", "-n", "500", "-a", "deaf"],
      /Error R10 \(Boot timeout\) -> Web process failed to bind to \$PORT within 60 seconds/,
      90,
    );
    await user.untilOutput(["logs", "-n", "500", "-a", "deaf"], /State changed from starting to crashed/);
  });

  test("a failed push after a good one keeps the good one", async () => {
    await user.edit(folder, "index.html", "Edition one", "Edition two");
    await writeFile(join(folder, "requirements.txt"), "flask==99.0.0\n");
    await user.commit(folder, "Break it");
    const before = (await user.git(folder, "ls-remote", "heroku", "main")).stdout;
    const push = await user.push(folder);
    assert.equal(push.exitCode, 1);
    assert.equal((await user.git(folder, "ls-remote", "heroku", "main")).stdout, before);
    await soundStill();
    await user.git(folder, "reset", "--quiet", "--hard", "HEAD~2");
  });

  test("another branch is not deployed", async () => {
    const push = await user.run(["git", "push", "heroku", "main:feature"], { cwd: folder });
    assert.equal(push.exitCode, 0, push.stderr);
    assert.match(remoteLines(push), /Pushed to non-main branch, skipping build\./);
    await soundStill();
  });

  test("two pushes at once", async () => {
    const work = await user.deploy("tiny", "double");
    await user.edit(work, "index.html", "Edition one", "Edition two");
    const first = user.push(work);
    await user.untilBuild("double", "pending");
    await user.edit(work, "index.html", "Edition two", "Edition three");
    const second = await user.push(work);
    assert.equal((await first).exitCode, 0, (await first).stderr);
    assert.equal(second.exitCode, 0, second.stderr);
    await user.untilPage("double", ({ body }) => body.includes("Edition three"));
  });

  test("a push whose client hangs up is built all the same", async () => {
    const work = await user.deploy("tiny", "patient");
    await user.edit(work, "index.html", "Edition one", "Edition two");
    const hangUp = new AbortController();
    const push = user.run(["git", "push", "heroku", "main"], { cwd: work, signal: hangUp.signal }).catch(() => {});
    await user.untilBuild("patient", "pending");
    hangUp.abort();
    await push;
    await user.untilPage("patient", ({ body }) => body.includes("Edition two"));
  });

  test("a push of 300 MB either works or says what is too large", async () => {
    const work = await user.copyApp("tiny", "heavy");
    await user.git(work, "config", "core.compression", "0");
    await mustRun(["dd", "if=/dev/urandom", `of=${join(work, "heavy.bin")}`, "bs=1M", "count=300", "status=none"]);
    await user.commit(work, "Add a heavy file");
    await user.mustHeroku(["create", "heavy"], { cwd: work });
    const push = await user.push(work);
    if (push.exitCode === 0) await user.untilPage("heavy", ({ status }) => status === 200, 60);
    else assert.match(remoteLines(push), /Push rejected.*(MB|GB|large|size)/s);
    await soundStill();
    await rm(work, { recursive: true });
  });
});
