// The other apps of the course units: Flask from a Pipfile (002), Django (001), and an Express app.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { TestPlatform } from "./support/platform.ts";
import { remoteLines, User } from "./support/user.ts";

describe("other apps", () => {
  let platform: TestPlatform;
  let user: User;
  before(async () => {
    platform = await TestPlatform.start();
    user = await User.arrive(platform);
  });
  after(async () => {
    await user?.leave();
    await platform?.close();
  });

  test("Flask from a Pipfile and its lock", async () => {
    await user.deploy("flask-pipenv", "practica");
    const page = await user.untilPage("practica", ({ status }) => status === 200);
    assert.match(page.body, /App desplegada/);
    const versions = await user.mustHeroku([
      "run",
      "-a",
      "practica",
      "python -c 'import flask, importlib.metadata as m; print(m.version(\"flask\"))'",
    ]);
    assert.match(versions.stdout, /^3\.1\.3$/m);
  });

  test("Django with static files, and a command on a one-off dyno", async () => {
    const folder = await user.copyApp("django");
    await user.mustHeroku(["create", "getting-started"], { cwd: folder });
    const push = await user.push(folder);
    assert.equal(push.exitCode, 0, push.stderr + platform.journal());
    assert.match(remoteLines(push), /-----> \$ python manage\.py collectstatic --noinput\n {7}\d+ static files? copied/);
    const page = await user.untilPage("getting-started", ({ status }) => status === 200);
    assert.match(page.body, /Getting Started on Zarpa with Python/);
    const [, style = ""] = /href="(\/static\/hello\.[0-9a-f]+\.css)"/.exec(page.body) ?? [];
    const css = await user.page("getting-started", style);
    assert.equal(css.status, 200);
    assert.match(css.body, /rebeccapurple/);
    const migrate = await user.mustHeroku(["run", "python", "manage.py", "migrate"], { cwd: folder });
    assert.match(migrate.stdout, /Applying hello\.0001_initial\.\.\. OK/);
  });

  test("Express with a build script, the wanted Node, and no development dependencies left", async () => {
    const folder = await user.deploy("express", "express");
    const page = await user.untilPage("express", ({ status }) => status === 200);
    assert.match(page.body, /Hello from Express/);
    assert.equal((await user.page("express", "/built")).body, "built with development dependencies\n");
    assert.match((await user.page("express", "/version")).body, /^v24\./);
    const left = await user.mustHeroku(["run", "ls -1 node_modules"], { cwd: folder });
    assert.match(left.stdout, /^express$/m);
    assert.doesNotMatch(left.stdout, /^kleur$/m);
  });

  test("a build from an uploaded archive, as other tools make it", async () => {
    const folder = await user.copyApp("tiny", "uploaded");
    await user.mustHeroku(["create", "uploaded"], { cwd: folder });
    const archive = `${folder}.tar.gz`;
    await user.git(folder, "archive", "--format=tar.gz", "--output", archive, "HEAD");
    const source = (await user.api("POST", "/sources")).body as { source_blob: { get_url: string; put_url: string } };
    const { get_url: url, put_url: target } = source.source_blob;
    const put = await fetch(target, { method: "PUT", body: new Uint8Array(await readFile(archive)) });
    assert.ok(put.ok, `${put.status} ${await put.text()}`);
    const ordered = await user.api("POST", "/apps/uploaded/builds", { source_blob: { url, version: "v1" } });
    assert.equal(ordered.status, 201, JSON.stringify(ordered.body));
    const build = ordered.body as { id: string; output_stream_url: string };
    const output = await (await fetch(build.output_stream_url)).text();
    assert.match(output, /-----> Python app detected[^]*Released v3/);
    await user.untilBuild("uploaded", "succeeded");
    await user.untilPage("uploaded", ({ body }) => body.includes("Edition one"));
  });

  test("a clone of the app gives the pushed commit back", async () => {
    await user.mustHeroku(["git:clone", "-a", "express", "again"]);
    const log = await user.git(`${user.home}/again`, "log", "--format=%s");
    assert.equal(log.stdout, "First version\n");
  });
});
