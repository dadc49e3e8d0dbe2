// Deploys that lose nothing: servers of different manners under load, slow requests, upgraded connections, health checks.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { after, before, describe, test } from "node:test";
import { Load } from "./support/load.ts";
import { TestPlatform } from "./support/platform.ts";
import { User } from "./support/user.ts";

interface Proof {
  requests_served: number;
  requests_failed: number;
  sockets_ended: number;
  seconds: number;
}
const DEPLOYS = 3;
const POLL_MS = 250;

describe("deploys lose nothing", () => {
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

  /** A release by a config var; resolves when its proof is there. */
  const release = async (app: string, vars: Record<string, string>): Promise<Proof> => {
    assert.equal((await user.api("PATCH", `/apps/${app}/config-vars`, vars)).status, 200);
    const { body } = await user.api("GET", `/apps/${app}/releases`);
    const version = Math.max(...(body as { version: number }[]).map((one) => one.version));
    return await proofOf(app, version);
  };
  const proofOf = async (app: string, version: number): Promise<Proof> => {
    const deadline = performance.now() + 60_000;
    for (;;) {
      const { body } = await user.api("GET", `/apps/${app}/releases/${version}?extended=true`);
      const { extended } = body as { extended: { switch: Proof | null } };
      if (extended.switch !== null) return extended.switch;
      assert.ok(performance.now() < deadline, `v${version} of ${app} has no proof`);
      await delay(POLL_MS);
    }
  };
  const underLoad = async (app: string, work: () => Promise<void>): Promise<number> => {
    const load = Load.start({ port: platform.port, host: `${app}.localhost`, kept: 6, fresh: 4, pauseMs: 10 });
    await work();
    const { requests, failures } = await load.stop();
    assert.deepEqual(failures, [], `of ${requests} requests`);
    return requests;
  };

  const servers = [
    { sample: "abrupt", app: "abrupt", what: "a server that ends at once on SIGTERM" },
    { sample: "flask", app: "gunicorn", what: "gunicorn" },
    { sample: "express", app: "node", what: "Node's own server" },
  ];
  for (const { sample, app, what } of servers) {
    test(`${what}: no request of any kind fails`, async () => {
      await user.deploy(sample, app);
      await user.untilPage(app, ({ status }) => status === 200);
      let proof: Proof | null = null;
      const requests = await underLoad(app, async () => {
        for (let turn = 0; turn < DEPLOYS; turn += 1) proof = await release(app, { GREETING: `turn ${turn}` });
      });
      const { requests_served: served, ...rest } = proof!;
      assert.ok(served > 0 && served < requests, `${served} of ${requests}`);
      assert.deepEqual({ ...rest, seconds: 0 }, { requests_failed: 0, sockets_ended: 0, seconds: 0 });
      const line =
        /heroku\[release\]: Release v\d+: [\d,]+ requests served during the switch, 0 failed, 0 sockets ended, \d+\.\d s/;
      await user.untilOutput(["logs", "-a", app, "-n", "1500"], line);
    });
  }

  test("slow requests and upgraded connections are finished by the old dyno", async () => {
    const slow = user.page("abrupt", "/slow?seconds=4");
    const socket = await upgrade(platform.port, "abrupt.localhost");
    socket.unref();
    assert.equal(await echo(socket, "before"), "before\n");
    const deploy = release("abrupt", { GREETING: "the next one" });
    await user.untilPage("abrupt", ({ body }) => body === "the next one");
    assert.equal(await echo(socket, "after"), "after\n");
    const answer = await slow;
    assert.deepEqual([answer.status, answer.body], [200, `turn ${DEPLOYS - 1}`]);
    socket.end();
    const { requests_failed, sockets_ended } = await deploy;
    assert.deepEqual({ requests_failed, sockets_ended }, { requests_failed: 0, sockets_ended: 0 });
  });

  test("a release that fails its health check never serves, and the log says why", async () => {
    await release("abrupt", { HEALTH_CHECK_PATH: "/health", GREETING: "well" });
    const requests = await underLoad("abrupt", async () => {
      await user.api("PATCH", "/apps/abrupt/config-vars", { HEALTH: "503", GREETING: "ill", HEALTH_CHECK_PATH: null });
      await user.untilPage("abrupt", ({ body }) => body === "ill");
      const json = { healthchecks: { web: [{ type: "startup", path: "/health", attempts: 2, wait: 0 }] } };
      await user.addFile("abrupt", "app.json", JSON.stringify(json));
      assert.equal((await user.push(`${user.home}/abrupt`)).exitCode, 0);
      const logs = await user.untilOutput(["logs", "-a", "abrupt", "-n", "1500"], /did not come up: v\d+ keeps running/);
      assert.match(logs, /heroku\[web\.1\]: Health check GET \/health failed 2 times: it answered 503 Service Unavailable/);
      const { stdout } = await user.mustHeroku(["ps", "-a", "abrupt"]);
      assert.match(stdout, /web\.1: (crashed|starting)/);
    });
    assert.ok(requests > 0);
    await release("abrupt", { HEALTH: "200", GREETING: "well again" });
    await user.untilPage("abrupt", ({ body }) => body === "well again");
  });
});

async function upgrade(port: number, host: string): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.write(`GET /echo HTTP/1.1\r\nHost: ${host}\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n`);
  const [answer] = (await once(socket, "data")) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1\.1 101 /);
  return socket;
}

async function echo(socket: Socket, text: string): Promise<string> {
  socket.write(`${text}\n`);
  const [answer] = (await once(socket, "data")) as [Buffer];
  return answer.toString();
}
