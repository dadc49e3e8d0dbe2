import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { RuntimeBench } from "../../test/support/runtime-bench.ts";
import { systemClock } from "../kernel/clock.ts";
import { type HealthCheck, healthCheckOf, parseAppJson } from "./health-check.ts";
import { probeHealth } from "./health-probe.ts";

const CHECK: HealthCheck = {
  path: "/health",
  attempts: 2,
  timeoutMilliseconds: 1_000,
  waitMilliseconds: 5,
  initialDelayMilliseconds: 0,
  content: null,
};

test("app.json in Dokku's form, and what is wrong with it", () => {
  const web = (check: unknown): string => JSON.stringify({ name: "x", healthchecks: { web: [check] } });
  assert.equal(parseAppJson("{}"), null);
  assert.equal(parseAppJson(web({ type: "liveness", path: "/" })), null);
  assert.equal(parseAppJson(web({ type: "startup", listening: true })), null);
  assert.deepEqual(parseAppJson(web({ type: "startup", path: "/health" })), {
    ...CHECK,
    attempts: 3,
    timeoutMilliseconds: 5_000,
    waitMilliseconds: 5_000,
  });
  const all = { type: "startup", path: "/up", attempts: 7, timeout: 2, wait: 0, initialDelay: 1, content: "fine" };
  assert.deepEqual(parseAppJson(web(all)), {
    path: "/up",
    attempts: 7,
    timeoutMilliseconds: 2_000,
    waitMilliseconds: 0,
    initialDelayMilliseconds: 1_000,
    content: "fine",
  });
  assert.throws(() => parseAppJson("{"), /it is not JSON/);
  assert.throws(() => parseAppJson(web({ ...all, attempts: "7" })), /web\[0\]\.attempts is not a number from 1 to 180/);
  assert.throws(() => parseAppJson(web({ ...all, path: "http://elsewhere/ x" })), /web\[0\]\.path is not a path like \/health/);
  assert.throws(() => parseAppJson(JSON.stringify({ healthchecks: { web: {} } })), /healthchecks\.web is not a list/);
});

test("the config var goes first; a link out of the slug is not followed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "zarpa-health-"));
  await mkdir(join(folder, "app"));
  const secret = join(folder, "secret");
  await writeFile(secret, "no JSON");
  await symlink(secret, join(folder, "app", "app.json"));
  assert.deepEqual(await healthCheckOf({ slugRoot: folder, config: {} }), { check: null, problem: null });
  await rm(join(folder, "app", "app.json"));
  await writeFile(join(folder, "app", "app.json"), '{"healthchecks":{"web":[{"type":"startup","path":"/a"}]}}');
  assert.equal((await healthCheckOf({ slugRoot: folder, config: {} })).check?.path, "/a");
  const fromConfig = await healthCheckOf({ slugRoot: folder, config: { HEALTH_CHECK_PATH: "/b" } });
  assert.deepEqual([fromConfig.check?.path, fromConfig.check?.attempts], ["/b", Infinity]);
  const wrong = await healthCheckOf({ slugRoot: folder, config: { HEALTH_CHECK_PATH: "b" } });
  assert.match(wrong.problem ?? "", /HEALTH_CHECK_PATH is not a path like/);
  await rm(folder, { recursive: true });
});

async function withServer(listener: RequestListener, body: (port: number) => Promise<void>): Promise<void> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    await body((server.address() as AddressInfo).port);
  } finally {
    server.close().closeAllConnections();
  }
}

async function probe(port: number, check: Partial<HealthCheck> = {}, seconds = 60): Promise<string | null> {
  return await probeHealth({
    check: { ...CHECK, ...check },
    address: "127.0.0.1",
    port,
    host: "sample.localhost",
    clock: systemClock,
    deadline: new Date(Date.now() + seconds * 1000),
    signal: new AbortController().signal,
    isWanted: () => true,
  });
}

test("a dyno is asked until it answers well, or says why it did not", async () => {
  let asked = 0;
  const listener: RequestListener = (request, response) => {
    asked += 1;
    if (request.url === "/silent") return;
    assert.equal(request.headers.host, "sample.localhost");
    if (request.url === "/moved") response.statusCode = 301;
    if (request.url === "/ill" || (request.url === "/second" && asked === 1)) response.statusCode = 503;
    response.end("all is fine");
  };
  await withServer(listener, async (port) => {
    assert.equal(await probe(port), null);
    assert.equal(await probe(port, { path: "/moved" }), null);
    assert.equal(await probe(port, { content: "is fine" }), null);
    asked = 0;
    assert.equal(await probe(port, { path: "/second" }), null);
    assert.equal(asked, 2);
    const ill = "Health check GET /ill failed 2 times: it answered 503 Service Unavailable";
    assert.equal(await probe(port, { path: "/ill" }), ill);
    assert.match((await probe(port, { content: "bad" })) ?? "", /does not hold the wanted content/);
    const silent = await probe(port, { path: "/silent", timeoutMilliseconds: 20, attempts: 1 });
    assert.equal(silent, "Health check GET /silent failed once: no answer within 0.02 s");
    assert.match((await probe(port, { path: "/ill", attempts: Infinity }, 0)) ?? "", /failed once within the boot time: /);
  });
  assert.match((await probe(1)) ?? "", /failed 2 times: .*ECONNREFUSED/);
});

test("a release that is not healthy leaves the old one serving and says why", { timeout: 20_000 }, async () => {
  const bench = await RuntimeBench.open();
  const answers = { status: 200 };
  try {
    await withServer(
      (_request, response) => response.writeHead(answers.status).end(),
      async (port) => {
        bench.driver.at = { address: "127.0.0.1", port };
        bench.store.scale("web", 1);
        bench.store.deploy({ HEALTH_CHECK_PATH: "/health" });
        bench.change();
        await bench.bind("web.1");
        await bench.reach(() => bench.route, "up web.1@127.0.0.1");
        answers.status = 500;
        bench.store.deploy({ HEALTH_CHECK_PATH: "/health" });
        bench.change();
        await bench.states("web.1:up", "web.1:starting");
        await bench.bind("web.1");
        for (let second = 0; second < 62; second += 1) {
          await systemClock.sleep(5);
          await bench.clock.advance(1_000);
        }
        await bench.reach(() => bench.lines.some((line) => line.endsWith("Release v2 did not come up: v1 keeps running")), true);
        const why =
          /^web\.1: Health check GET \/health failed \d+ times within the boot time: it answered 500 Internal Server Error$/;
        assert.ok(bench.lines.some((line) => why.test(line)));
        assert.ok(!bench.lines.some((line) => line.includes("R10")));
        assert.equal(bench.route, "up web.1@127.0.0.1");
      },
    );
  } finally {
    await bench.close();
  }
});
