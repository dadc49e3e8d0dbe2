// The same road where the kernel allows no containers: dynos are plain processes.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { TestPlatform } from "./support/platform.ts";
import { remoteLines, User } from "./support/user.ts";

describe("the course on the process driver", () => {
  let platform: TestPlatform;
  let user: User;
  let folder: string;
  before(async () => {
    platform = await TestPlatform.start({ ZARPA_DRIVER: "process" });
    user = await User.arrive(platform);
    folder = await user.copyApp("flask", "llano");
  });
  after(async () => {
    await user?.leave();
    await platform?.close();
  });

  test("the start says what is not isolated", () => {
    assert.match(platform.output, /not isolated|no isolation|isolat/i);
  });

  test("create, push, and the page is there", async () => {
    await user.mustHeroku(["create", "llano"], { cwd: folder });
    const push = await user.push(folder);
    assert.equal(push.exitCode, 0, push.stderr + platform.journal());
    assert.match(remoteLines(push), /-----> Python app detected[^]*Verifying deploy\.\.\. done\.$/);
    const page = await user.untilPage("llano", ({ status }) => status === 200);
    assert.match(page.body, /Hola, mundo/);
  });

  test("scale to nothing and back, and config", async () => {
    await user.mustHeroku(["ps:scale", "web=0"], { cwd: folder });
    await user.untilPage("llano", ({ status }) => status === 503);
    await user.mustHeroku(["ps:scale", "web=1"], { cwd: folder });
    await user.untilPage("llano", ({ status }) => status === 200);
    await user.mustHeroku(["config:set", "GREETING=Sin contenedor"], { cwd: folder });
    await user.untilPage("llano", ({ body }) => body.includes("Sin contenedor"));
    assert.match((await user.mustHeroku(["ps"], { cwd: folder })).stdout, /web\.1: up/);
    const world = JSON.parse((await user.page("llano", "/dyno")).body) as Record<string, unknown>;
    assert.equal(world["DYNO"], "web.1");
  });

  test("run and logs", async () => {
    const run = await user.mustHeroku(["run", "echo $DYNO from $((6*7))"], { cwd: folder });
    assert.match(run.stdout, /^run\.\d+ from 42$/m);
    const failed = await user.heroku(["run", "--exit-code", "--", "bash -c 'exit 3'"], { cwd: folder });
    assert.equal(failed.exitCode, 3);
    await user.untilOutput(["logs", "-n", "500", "-a", "llano"], /app\[web\.1\]: .*Listening at[^]*heroku\[router\]/);
  });

  test("a change of one line, and back", async () => {
    await user.edit(folder, "templates/home.html", "Edición: primera", "Edición: segunda");
    const push = await user.push(folder);
    assert.equal(push.exitCode, 0, push.stderr);
    await user.untilPage("llano", ({ body }) => body.includes("Edición: segunda"));
    await user.mustHeroku(["rollback"], { cwd: folder });
    await user.untilPage("llano", ({ body }) => body.includes("Edición: primera"));
  });

  test("kill -9 of the control plane costs no request", async () => {
    const stopVisiting = user.visitAllAlong("llano");
    await platform.signal("SIGKILL");
    await platform.boot();
    const pages = await stopVisiting();
    assert.deepEqual(
      pages.filter(({ status }) => status !== 200),
      [],
    );
  });
});
