// The lines of the course units, typed as written, with the unmodified heroku CLI: a Flask app as in units 000 and 001.
import assert from "node:assert/strict";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { TestPlatform } from "./support/platform.ts";
import { Terminal } from "./support/terminal.ts";
import { remoteLines, User } from "./support/user.ts";

describe("the course with a Flask app", () => {
  let platform: TestPlatform;
  let user: User;
  let folder: string;
  let app: string;

  before(async () => {
    platform = await TestPlatform.start();
    user = await User.arrive(platform);
    folder = await user.copyApp("flask");
  });
  after(async () => {
    await user?.leave();
    await platform?.close();
  });
  const heroku = async (...args: string[]): Promise<string> => (await user.mustHeroku(args, { cwd: folder })).stdout;
  const release = async (): Promise<number> => Number(/v(\d+)/.exec(await heroku("releases"))?.[1]);

  test("heroku create", async () => {
    const created = await user.mustHeroku(["create"], { cwd: folder });
    const [, name = ""] = /done, (?:⬢ )?([a-z0-9-]+)/.exec(created.stdout + created.stderr) ?? [];
    app = name;
    assert.match(app, /^[a-z]+-[a-z]+-\d+$/);
    const remote = (await user.git(folder, "remote", "get-url", "heroku")).stdout.trim();
    assert.equal(remote, `https://localhost:${platform.tlsPort}/${app}.git`);
    assert.ok(created.stdout.includes(`http://${app}.localhost:${platform.port}/`), created.stdout);
  });

  test("git push heroku main", async () => {
    const push = await user.push(folder);
    assert.equal(push.exitCode, 0, push.stderr + platform.journal());
    const lines = remoteLines(push);
    const shape = [
      "^Compressing source files\\.\\.\\. done\\.\nBuilding source:\n\n-----> Building on the Heroku-24 stack",
      "-----> Determining which buildpack to use for this app",
      "-----> Python app detected",
      "-----> Using Python 3\\.13 specified in \\.python-version",
      "gunicorn",
      "-----> Discovering process types\n {7}Procfile declares types +-> web, worker",
      "-----> Compressing\\.\\.\\.\n {7}Done: [\\d.]+[KMG]",
      "-----> Launching\\.\\.\\.\n {7}Released v\\d+",
      `http://${app}\\.localhost:${platform.port}/ deployed to`,
      "Verifying deploy\\.\\.\\. done\\.$",
    ];
    assert.match(lines, new RegExp(shape.join("[^]*")));
    assert.match(push.stderr, /\* \[new branch\] +main -> main/);
    assert.equal((await user.push(folder)).stderr.trim(), "Everything up-to-date");
  });

  test("heroku open", async () => {
    const browser = join(user.home, "browser");
    await writeFile(browser, `#!/bin/sh\necho "$@" > ${browser}.url\n`);
    await chmod(browser, 0o755);
    await user.mustHeroku(["open"], { cwd: folder, env: { BROWSER: browser } });
    const page = await user.untilPage(app, ({ status }) => status === 200);
    assert.match(page.body, /<h1>Hola, mundo<\/h1>/);
    await user.untilFile(`${browser}.url`);
    assert.equal((await readFile(`${browser}.url`, "utf8")).trim(), `http://${app}.localhost:${platform.port}/`);
  });

  test("heroku ps", async () => {
    const ps = await heroku("ps");
    assert.match(ps, /=== web \([\w-]+\): gunicorn main:app \(1\)/);
    assert.match(ps, /web\.1: up \d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d/);
    assert.doesNotMatch(ps, /worker/);
  });

  test("the dyno's world is Heroku's", async () => {
    const world = JSON.parse((await user.page(app, "/dyno")).body) as Record<string, string | number>;
    assert.equal(world["DYNO"], "web.1");
    assert.equal(world["HOME"], "/app");
    assert.equal(world["cwd"], "/app");
    assert.match(String(world["PORT"]), /^\d+$/);
    assert.notEqual(world["uid"], 0);
    const headers = JSON.parse((await user.page(app, "/headers")).body) as Record<string, string>;
    assert.equal(headers["X-Forwarded-Proto"], "http");
    assert.ok(headers["X-Request-Id"]);
    assert.equal(headers["Host"], `${app}.localhost:${platform.port}`);
  });

  test("heroku ps:scale web=0 and back", async () => {
    await heroku("ps:scale", "web=0");
    const none = await user.untilPage(app, ({ status }) => status === 503);
    assert.match(none.body, /Application error|no web/i);
    // It is stopped when its last requests are over, half a second after the router has turned away from it.
    await user.untilOutput(["ps", "-a", app], /No dynos/);
    await heroku("ps:scale", "web=1");
    await user.untilPage(app, ({ status }) => status === 200);
    await user.untilOutput(["logs", "-n", "1500", "-a", app], /heroku\[router\]: .*at=error.*code=H14/);
  });

  test("heroku ps:scale worker=1", async () => {
    const scaled = await user.heroku(["ps:scale", "worker=1"], { cwd: folder });
    assert.equal(scaled.exitCode, 0, scaled.stderr);
    assert.match(scaled.stdout + scaled.stderr, /worker at 1:/);
    await user.untilOutput(["logs", "--dyno-name", "worker.1", "-a", app], /app\[worker\.1\]: worker ready/);
    await heroku("ps:scale", "worker=0");
  });

  test("heroku config", async () => {
    const before = await release();
    const set = await user.mustHeroku(["config:set", "GREETING=Buenos días"], { cwd: folder });
    assert.match(set.stdout + set.stderr, new RegExp(`done, v${before + 1}`));
    assert.match(await heroku("config"), /GREETING: +Buenos días/);
    assert.equal(await heroku("config:get", "GREETING"), "Buenos días\n");
    await user.untilPage(app, ({ body }) => body.includes("<h1>Buenos días</h1>"));
    await heroku("config:unset", "GREETING");
    await user.untilPage(app, ({ body }) => body.includes("<h1>Hola, mundo</h1>"));
  });

  test("heroku logs", async () => {
    const logs = await heroku("logs", "-n", "1500");
    const stamp = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00`;
    assert.match(logs, new RegExp(`^${stamp} app\\[api\\]: Release v3 created by user ana@example.test`, "m"));
    assert.match(logs, new RegExp(`^${stamp} heroku\\[web\\.1\\]: Starting process with command \`gunicorn main:app\``, "m"));
    assert.match(logs, new RegExp(`^${stamp} heroku\\[web\\.1\\]: State changed from starting to up`, "m"));
    assert.match(logs, new RegExp(`^${stamp} app\\[web\\.1\\]: .*Listening at`, "m"));
    assert.match(
      logs,
      new RegExp(
        `^${stamp} heroku\\[router\\]: at=info method=GET path="/" host=.* dyno=web\\.1 connect=\\dms service=\\d+ms status=200`,
        "m",
      ),
    );
    assert.equal((await heroku("logs", "-n", "2")).trim().split("\n").length, 2);
    assert.doesNotMatch(await heroku("logs", "--source", "app"), /heroku\[/);
    assert.doesNotMatch(await heroku("logs", "-d", "router"), /\[web\.1\]/);
  });

  test("heroku logs --tail", async () => {
    const tail = new Terminal(["heroku", "logs", "--tail", "--app", app], { cwd: folder, env: user.environment });
    await tail.shows(/\[router\]|\[web/);
    await user.page(app, "/?only=this-once");
    await tail.shows(/only=this-once/);
    tail.type("\x03");
    await tail.exited;
  });

  test("heroku run", async () => {
    assert.match(await heroku("run", "--", "python", "-c", "'print(6*7)'"), /^42$/m);
    const failed = await user.heroku(["run", "--exit-code", "--", "bash -c 'exit 3'"], { cwd: folder });
    assert.equal(failed.exitCode, 3, failed.stderr);
    const piped = await user.mustHeroku(["run", "--no-tty", "wc -l"], { cwd: folder, input: "uno\ndos\ntres\n" });
    assert.match(piped.stdout, /^3$/m);
    assert.match(await heroku("run", "env"), /^DYNO=run\.\d+$/m);
  });

  test("heroku run bash", async () => {
    const shell = new Terminal(["heroku", "run", "bash", "--app", app], { cwd: folder, env: user.environment });
    await shell.shows(/\$ $/);
    shell.type("echo $((6 * 7)) $(stty size) $(pwd)\r");
    await shell.shows(/42 40 120 \/app/);
    shell.type("exit 0\r");
    assert.equal(await shell.exited, 0, shell.seen);
  });

  test("heroku run:detached", async () => {
    const run = await user.mustHeroku(["run:detached", "echo desde lejos"], { cwd: folder });
    const [, dyno = ""] = /(run\.\d+)/.exec(run.stdout + run.stderr) ?? [];
    assert.notEqual(dyno, "", run.stdout + run.stderr);
    await user.untilOutput(
      ["logs", "--dyno-name", dyno, "-a", app],
      new RegExp(`app\\[${dyno.replace(".", "\\.")}\\]: desde lejos`),
    );
  });

  test("a change of one line, pushed: no dependency is installed again, no request fails", async () => {
    await user.edit(folder, "templates/home.html", "Edición: primera", "Edición: segunda");
    const stopVisiting = user.visitAllAlong(app);
    const push = await user.push(folder);
    await user.untilPage(app, ({ body }) => body.includes("Edición: segunda"), 10);
    const pages = await stopVisiting();
    assert.equal(push.exitCode, 0, push.stderr);
    assert.deepEqual(
      pages.filter(({ status }) => status !== 200),
      [],
      `of ${pages.length} requests`,
    );
    assert.match(remoteLines(push), /-----> Using buildpack: heroku\/python/);
    assert.doesNotMatch(remoteLines(push), /Downloading|Collecting flask/);
  });

  test("heroku releases and heroku rollback", async () => {
    const releases = await heroku("releases");
    assert.match(releases, /^ *v\d+ +Deploy [0-9a-f]{8} +ana@example\.test/m);
    assert.match(releases, /^ *v\d+ +Set GREETING config vars/m);
    const latest = await release();
    assert.match(await heroku("releases:info"), /Deploy [0-9a-f]{8}/);
    await heroku("rollback", `v${latest - 1}`);
    assert.equal(await release(), latest + 1);
    assert.match(await heroku("releases"), new RegExp(`Rollback to v${latest - 1}`));
    await user.untilPage(app, ({ body }) => body.includes("Edición: primera"));
  });

  test("a release phase runs before the new dynos, and its failure keeps the old release", async () => {
    await writeFile(join(folder, "Procfile"), "web: gunicorn main:app\nrelease: echo migrating && test ! -e broken\n");
    await user.commit(folder, "Add a release phase");
    const good = await user.push(folder);
    assert.equal(good.exitCode, 0, good.stderr);
    assert.match(remoteLines(good), /Running release command[^]*migrating[^]*Waiting for release\.+ done/);
    await writeFile(join(folder, "broken"), "");
    await user.edit(folder, "templates/home.html", "Edición: segunda", "Edición: rota");
    const bad = await user.push(folder);
    assert.match(remoteLines(bad), /Waiting for release\.+ failed/);
    assert.match(await heroku("releases"), /release command failed|failed/i);
    const page = await user.untilPage(app, ({ status }) => status === 200);
    assert.match(page.body, /Edición: segunda/);
  });
});
