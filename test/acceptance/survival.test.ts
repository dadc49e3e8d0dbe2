// What the platform survives: the end of its control plane, by force or not, and a power cut in the middle of a build.
import assert from "node:assert/strict";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { runCommand } from "../../src/kernel/command.ts";
import { inheritedEnvironment } from "./support/heroku-cli.ts";
import { TestPlatform } from "./support/platform.ts";
import { killAll, processesOf } from "./support/processes.ts";
import { User } from "./support/user.ts";

/** "A second start is ready within 3 s": of a processor's time, which others may use too. */
const SECOND_START_MS = 3000;

test("wrong settings are all named at once, and nothing starts", async () => {
  const wrong = { ZARPA_HOME: "relative", ZARPA_PORT: "many", ZARPA_DRIVER: "magic", ZARPA_ADMIN_PASSWORD: "short" };
  const result = await runCommand(["npm", "start", "--silent"], { env: { ...inheritedEnvironment(), ...wrong } });
  assert.equal(result.exitCode, 2);
  for (const name of Object.keys(wrong)) assert.match(result.stderr, new RegExp(name));
});

describe("the control plane ends, the apps go on", () => {
  let platform: TestPlatform;
  let user: User;
  let folder: string;
  before(async () => {
    platform = await TestPlatform.start();
    user = await User.arrive(platform);
    folder = await user.deploy("tiny", "rock");
    await user.untilPage("rock", ({ status }) => status === 200);
  });
  after(async () => {
    await user?.leave();
    await platform?.close();
  });
  /** Id, start and state of the web dyno. */
  const dyno = async (): Promise<unknown> => {
    const { body } = await user.api("GET", "/apps/rock/dynos");
    return (body as Record<string, unknown>[]).map(({ id, name, state, created_at }) => ({ id, name, state, created_at }));
  };

  for (const signal of ["SIGKILL", "SIGTERM"] as const) {
    test(`${signal}: no request fails, and the next start takes the dynos over`, async (context) => {
      const before = await dyno();
      const stopVisiting = user.visitAllAlong("rock");
      await platform.signal(signal);
      assert.equal((await user.page("rock")).status, 200);
      assert.equal(await platform.isReady(), false);
      const milliseconds = await platform.boot();
      const pages = await stopVisiting();
      assert.deepEqual(
        pages.filter(({ status }) => status !== 200),
        [],
        `of ${pages.length} requests`,
      );
      assert.ok(pages.length > 20);
      assert.deepEqual(await dyno(), before);
      const others = Math.max(1, (loadavg()[0] ?? 0) / availableParallelism());
      context.diagnostic(`ready after ${Math.round(milliseconds)} ms, with ${others.toFixed(1)} processes for each processor`);
      assert.ok(milliseconds < SECOND_START_MS * others, `the second start took ${milliseconds} ms`);
      await user.edit(folder, "index.html", "</p>", ", still</p>");
      const push = await user.push(folder);
      assert.equal(push.exitCode, 0, push.stderr);
      await user.untilPage("rock", ({ body }) => body.includes("still"));
    });
  }

  test("a push that was being built when the control plane was killed is over, and can be repeated", async () => {
    await hold(user, folder);
    const push = user.push(folder);
    await user.untilBuilding("rock");
    await platform.signal("SIGKILL");
    assert.notEqual((await push).exitCode, 0);
    await platform.boot();
    await user.untilBuild("rock", "failed");
    assert.match((await user.page("rock")).body, /still/);
    await release(user, folder);
    const again = await user.push(folder);
    assert.equal(again.exitCode, 0, again.stderr);
    await user.untilPage("rock", ({ body }) => body.includes("released"));
  });

  test("a power cut in the middle of a build: the old release serves, the build has failed", async () => {
    await hold(user, folder);
    const push = user.push(folder);
    await user.untilBuilding("rock");
    await killAll(platform.home);
    assert.notEqual((await push).exitCode, 0);
    await platform.boot();
    await user.untilPage("rock", ({ status, body }) => status === 200 && body.includes("released"));
    await user.untilBuild("rock", "failed");
    await release(user, folder);
    const again = await user.push(folder);
    assert.equal(again.exitCode, 0, again.stderr);
  });

  test("npm stop ends everything", async () => {
    await platform.stop();
    assert.deepEqual(processesOf(platform.home), []);
    assert.equal(await platform.isReady(), false);
    await platform.boot();
    await user.untilPage("rock", ({ status }) => status === 200);
  });
});

/** Makes the next build last: longer than any test. */
async function hold(user: User, folder: string): Promise<void> {
  await mkdir(join(folder, "bin"), { recursive: true });
  await writeFile(join(folder, "bin", "post_compile"), "#!/bin/sh\nsleep 600\n");
  await chmod(join(folder, "bin", "post_compile"), 0o755);
  await user.commit(folder, "Build for ever");
}

async function release(user: User, folder: string): Promise<void> {
  await writeFile(join(folder, "bin", "post_compile"), "#!/bin/sh\ntrue\n");
  await user.edit(folder, "index.html", "</p>", ", released</p>");
}
