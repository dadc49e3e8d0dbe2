// Every command of the heroku CLI that this version promises: it ends with 0 and says something sensible.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ADMIN, TestPlatform } from "./support/platform.ts";
import { Terminal } from "./support/terminal.ts";
import { User } from "./support/user.ts";

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

describe("logging in and out", () => {
  test("heroku login -i, auth:whoami, logout", async (context) => {
    const visitor = await User.arrive(platform, { logIn: false });
    context.after(async () => await visitor.leave());
    const login = new Terminal(["heroku", "login", "-i"], { cwd: visitor.home, env: visitor.environment });
    await login.shows(/Email/);
    login.type(`${ADMIN.email}\r`);
    await login.shows(/Password/);
    login.type("a wrong password\r");
    await login.shows(/Invalid credentials/i);
    await login.exited;
    const again = new Terminal(["heroku", "login", "-i"], { cwd: visitor.home, env: visitor.environment });
    await again.shows(/Email/);
    again.type(`${ADMIN.email}\r`);
    await again.shows(/Password/);
    again.type(`${ADMIN.password}\r`);
    await again.shows(/Logged in as .*ana@example\.test/);
    assert.equal(await again.exited, 0);
    assert.equal((await visitor.mustHeroku(["auth:whoami"])).stdout, `${ADMIN.email}\n`);
    await visitor.mustHeroku(["logout"]);
    assert.notEqual((await visitor.heroku(["auth:whoami"])).exitCode, 0);
  });
});

describe("on one app", () => {
  let folder: string;
  before(async () => {
    folder = await user.deploy("tiny", "tiny");
    await user.untilPage("tiny", ({ status }) => status === 200);
  });

  const cases: [line: string, output: RegExp][] = [
    ["auth:whoami", /^ana@example\.test$/m],
    ["auth:token", /\S{20,}/],
    ["apps", /^(⬢ )?tiny$/m],
    ["apps:info", /Git URL: +https:\/\/localhost:\d+\/tiny\.git[^]*Web URL: +http:\/\/tiny\.localhost/],
    ["git:remote -a tiny", /set git remote heroku to https:\/\/localhost/],
    ["config", /Config Vars/],
    ["config:set ONE=1 TWO=2", /Setting ONE, TWO and restarting .*done, v\d/],
    ["config:get ONE", /^1$/m],
    ["config:unset TWO", /Unsetting TWO and restarting .*done, v\d/],
    ["ps", /=== web \([\w-]+\): python -u -m http\.server \$PORT \(1\)/],
    ["ps:scale", /web=1:/],
    ["ps:scale web=1", /now running web at 1:/],
    ["ps:type", /web/],
    ["ps:type web=basic", /web +Basic/],
    ["ps:restart", /done/],
    ["ps:restart -d web.1", /done/],
    ["ps:restart -p web", /done/],
    ["ps:stop -d web.1", /done/],
    ["ps:wait", /^$|web|Waiting/],
    ["logs", /app\[api\]/],
    ["releases", /^ *v1 +Initial release/m],
    ["releases:info", /By: +ana@example\.test/],
    ["domains", /tiny\.localhost/],
    ["buildpacks", /heroku\/python|no Buildpacks/i],
    ["buildpacks:set heroku/python", /Buildpack set/],
    ["buildpacks:clear", /Buildpacks? cleared/],
    ["stack", /heroku-24/],
    ["regions", /us|local/],
    ["features", /Features/i],
    ["labs", /Features/i],
    ["access", /ana@example\.test/],
    ["maintenance", /^off$/m],
    ["maintenance:on", /done/],
    ["maintenance:off", /done/],
    ["addons", /No add-ons/],
    ["pipelines", /no pipelines|not have access|=== /i],
    ["drains:add syslog+tls://logs.example.com:6514", /Successfully added drain syslog\+tls:\/\/logs\.example\.com:6514/],
    ["drains", /syslog\+tls:\/\/logs\.example\.com:6514 \(d\.[0-9a-f-]{36}\)/],
    ["drains:remove syslog+tls://logs.example.com:6514", /Successfully removed drain/],
    ["keys", /no SSH keys|You have no|=== /i],
    ["authorizations", /acceptance tests/],
    ["status", /No known issues|Apps/i],
    ["teams", /Team +Role|not a member/i],
    ["certs", /no SSL certificates|has no/i],
    ["webhooks", /no webhooks|has no/i],
  ];
  for (const [line, output] of cases) {
    test(`heroku ${line}`, async () => {
      const { stdout, stderr } = await user.mustHeroku(line.split(" "), { cwd: folder });
      assert.match(stdout + stderr, output);
    });
  }

  test("a maintenance page while maintenance is on", async () => {
    await user.mustHeroku(["maintenance:on"], { cwd: folder });
    await user.untilPage("tiny", ({ status, body }) => status === 503 && /maintenance/i.test(body));
    await user.mustHeroku(["maintenance:off"], { cwd: folder });
    await user.untilPage("tiny", ({ status }) => status === 200);
  });
});

describe("apps that come and go", () => {
  test("create, rename, clone, and destroy", async () => {
    const folder = join(user.home, "passing");
    await mkdir(folder);
    await user.git(folder, "init", "--quiet");
    await user.commit(folder, "Nothing yet");
    const created = await user.mustHeroku(["create", "passing"], { cwd: folder });
    assert.match(created.stdout + created.stderr, /Creating (⬢ )?passing\.\.\. done/);
    assert.match(created.stdout, /http:\/\/passing\.localhost:\d+\/ \| https:\/\/localhost:\d+\/passing\.git/);
    const renamed = await user.mustHeroku(["apps:rename", "staying"], { cwd: folder });
    assert.match(renamed.stdout + renamed.stderr, /Renaming (⬢ )?passing to (⬢ )?staying\.\.\. done/);
    assert.match((await user.git(folder, "remote", "get-url", "heroku")).stdout, /\/staying\.git$/m);
    assert.match((await user.page("staying")).body, /Nothing has been deployed to it yet/);
    await user.mustHeroku(["apps:destroy", "--app", "staying", "--confirm", "staying"], { cwd: folder });
    const info = await user.heroku(["apps:info", "-a", "staying"]);
    assert.notEqual(info.exitCode, 0);
    assert.match(info.stderr, /Couldn't find that app/);
    assert.equal((await user.page("staying")).status, 404);
  });
});
