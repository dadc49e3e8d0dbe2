import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { Agent } from "node:http";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { ask, eventually, httpBackend, routeOf, startRouter, type TestRouter, withoutNginx } from "./router.test-support.ts";

describe("the router's routes and life", { skip: withoutNginx }, () => {
  let test: TestRouter;
  let backend: Awaited<ReturnType<typeof httpBackend>>;
  before(async () => {
    test = await startRouter();
    backend = await httpBackend((request, response) => response.end(request.headers.host));
  });
  after(async () => {
    backend.close();
    await test.close();
  });

  it("keeps the feed's socket to itself", () => {
    assert.equal(statSync(test.paths.routerSocket).mode & 0o777, 0o600);
    assert.equal(statSync(join(test.paths.routerSocket, "..")).mode & 0o777, 0o700);
  });

  it("has a change live when `publish` resolves, within 20 ms, without a reload", async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const pid = test.router.pid();
    const up = routeOf("up", [backend.port]);
    const times: number[] = [];
    for (let index = 0; index < 20; index += 1) {
      const route = index % 2 === 0 ? up : { ...up, state: "none" as const, backends: [] };
      const began = performance.now();
      await test.router.publish(route);
      times.push(performance.now() - began);
      assert.equal((await ask(test.port, up.hosts[0]!, { agent })).status, index % 2 === 0 ? 200 : 503);
    }
    agent.destroy();
    const median = times.sort((a, b) => a - b)[times.length / 2]!;
    assert.ok(median < 20, `${median} ms`);
    assert.equal(test.router.pid(), pid);
  });

  it("moves hosts with their apps: renamed, handed over, withdrawn", async () => {
    const first = routeOf("up", [backend.port], "first");
    await test.router.publish(first);
    await test.router.publish({ ...first, hosts: ["renamed.localhost"] });
    assert.equal((await ask(test.port, "first.localhost")).status, 404);
    assert.equal((await ask(test.port, "RENAMED.localhost")).status, 200);
    const second = routeOf("none", [], "renamed");
    await Promise.all([test.router.publish({ ...first, hosts: ["first.localhost"] }), test.router.publish(second)]);
    assert.equal((await ask(test.port, "renamed.localhost")).status, 503);
    await test.router.withdraw(second.app.id);
    assert.equal((await ask(test.port, "renamed.localhost")).status, 404);
    assert.equal((await ask(test.port, "first.localhost")).status, 200);
  });

  it("leaves out what cannot be routed, and says so in the journal", async () => {
    const route = routeOf("up", [backend.port]);
    const hosts = [...route.hosts, "evil.localhost state=none", "two\nlines", "under_score.example.com"];
    await test.router.publish({
      ...route,
      hosts,
      backends: [...route.backends, { dyno: "web.2", address: "1.2.3.4,x", port: 80 }],
    });
    assert.equal((await ask(test.port, "under_score.example.com")).status, 200);
    assert.ok(test.journal.some((line) => line.includes("evil.localhost state=none") && line.includes("1.2.3.4,x")));
    await test.router.publish({ ...route, app: { id: "no id\n", name: "x" } });
    assert.ok(test.journal.some((line) => line.startsWith("router.route: ")));
  });

  it("carries 1,000 apps, replaced all at once", async () => {
    const routes = Array.from({ length: 1000 }, (_, index) => routeOf("up", [backend.port], `many-${index}`));
    const began = performance.now();
    await test.router.replaceAll(routes);
    const took = performance.now() - began;
    assert.ok(took < 1000, `${took} ms`);
    assert.equal((await test.router.routes()).length, 1000);
    assert.equal((await ask(test.port, "first.localhost")).status, 404);
    assert.equal((await ask(test.port, "many-999.localhost")).body, `many-999.localhost:${test.port}`);
    await Promise.all(routes.map(async (route) => await test.router.publish({ ...route, state: "none", backends: [] })));
    assert.equal((await ask(test.port, "many-500.localhost")).status, 503);
  });

  it("is left alone by the next control plane, which knows the routes", async () => {
    const kept = routeOf("up", [backend.port], "kept");
    await test.router.replaceAll([kept]);
    await test.router.detach();
    const pid = test.router.pid();
    assert.equal((await ask(test.port, "kept.localhost")).status, 200, "nobody is there, and it serves");
    const next = test.successor();
    await next.ensureRunning();
    assert.equal(next.pid(), pid);
    assert.equal((await next.routes()).length, 1);
    const other = routeOf("up", [backend.port], "other");
    await next.publish(other);
    assert.equal((await next.routes()).length, 2);
    test.router = next;
  });

  it("brings the snapshot up to date that a killed control plane has left behind", async () => {
    const snapshot = join(test.paths.router, "routes");
    await test.router.detach();
    writeFileSync(snapshot, "");
    const next = test.successor();
    await next.ensureRunning();
    await eventually(() => (readFileSync(snapshot, "utf8").includes("kept.localhost") ? true : null));
    test.router = next;
  });

  it("is reloaded when its configuration changed: same process, same routes", async () => {
    const pid = test.router.pid();
    await test.router.detach();
    const next = test.successor({ idle: 700 });
    await next.ensureRunning();
    assert.equal(next.pid(), pid);
    assert.match(readFileSync(join(test.paths.router, "nginx.conf"), "utf8"), /proxy_read_timeout 700ms/);
    assert.equal((await ask(test.port, "kept.localhost")).status, 200);
    await next.ensureRunning();
    test.router = next;
  });

  it("holds apps with a thousand hosts each, and lets go of hosts that leave", async () => {
    const label = "x".repeat(60);
    const many = (app: number, count: number): string[] =>
      Array.from({ length: count }, (_, host) => `h${host}.a${app}.${label}.${label}.${label}.example`);
    const crowded = Array.from({ length: 20 }, (_, app) => ({ ...routeOf("none"), hosts: many(app, 1000) }));
    for (const route of crowded) await test.router.publish(route);
    assert.equal((await ask(test.port, many(19, 1000)[999]!)).status, 503);
    const late = routeOf("none");
    await test.router.publish(late);
    assert.equal((await ask(test.port, late.hosts[0]!)).status, 503);
    await test.router.publish({ ...crowded[0]!, hosts: many(0, 1) });
    assert.deepEqual([(await ask(test.port, many(0, 1)[0]!)).status, (await ask(test.port, many(0, 2)[1]!)).status], [503, 404]);
    for (const route of crowded) await test.router.withdraw(route.app.id);
    assert.equal((await ask(test.port, many(19, 1)[0]!)).status, 404);
  });

  it("is back within a second after kill -9, with its routes", async () => {
    test.router.supervise();
    for (const victim of ["master", "all"] as const) {
      const pid = test.router.pid()!;
      const workers = childrenOf(pid);
      process.kill(pid, "SIGKILL");
      if (victim === "all") for (const worker of workers) process.kill(worker, "SIGKILL");
      const began = Date.now();
      await eventually(() => ((test.router.pid() ?? pid) === pid ? null : true));
      const answer = await eventually(async () => await ask(test.port, "kept.localhost").catch(() => null));
      assert.equal(answer.status, 200);
      // A second is promised; a machine that runs all tests at once is given two.
      assert.ok(Date.now() - began < 2000, `${Date.now() - began} ms`);
      const changed = routeOf("none", [], `after-${victim}`);
      await test.router.publish(changed);
      assert.equal((await ask(test.port, changed.hosts[0]!)).status, 503);
    }
  });

  it("is back within a second while no control plane is there, and refuses no connection meanwhile", async () => {
    await test.router.detach();
    for (const victim of ["master", "all"] as const) {
      const pid = test.router.pid()!;
      const workers = childrenOf(pid);
      const visiting = new AbortController();
      const failures: string[] = [];
      const visits = (async () => {
        for (let count = 0; !visiting.signal.aborted || count < 5; count += 1) {
          await ask(test.port, "kept.localhost").catch((error: Error) => failures.push(error.message));
        }
      })();
      process.kill(pid, "SIGKILL");
      if (victim === "all") for (const worker of workers) process.kill(worker, "SIGKILL");
      const began = Date.now();
      await eventually(() => ([null, pid].includes(test.router.pid()) ? null : true));
      assert.equal((await ask(test.port, "kept.localhost")).status, 200);
      assert.ok(Date.now() - began < 2000, `${Date.now() - began} ms`);
      visiting.abort();
      await visits;
      // A request that a killed worker was serving has died with it; none has found the port closed.
      assert.deepEqual(
        failures.filter((message) => message.includes("ECONNREFUSED")),
        [],
      );
      if (victim === "master") assert.deepEqual(failures, []);
    }
  });

  it("has a supervisor again when that is killed", async () => {
    const next = test.successor();
    await next.ensureRunning();
    next.supervise();
    test.router = next;
    const file = join(test.paths.router, "supervisor.pid");
    const supervisor = Number(readFileSync(file, "utf8"));
    const pid = next.pid()!;
    process.kill(supervisor, "SIGKILL");
    await eventually(() => (Number(readFileSync(file, "utf8")) === supervisor ? null : true));
    assert.equal(next.pid(), pid, "nginx has not noticed");
    await next.detach();
    const workers = childrenOf(pid);
    for (const victim of [pid, ...workers]) process.kill(victim, "SIGKILL");
    await eventually(() => ([null, pid].includes(next.pid()) ? null : true));
    assert.equal((await ask(test.port, "kept.localhost")).status, 200);
  });

  it("starts from its snapshot while the control plane is away", async () => {
    await test.router.stop();
    assert.equal(test.router.pid(), null);
    const next = test.successor();
    await next.ensureRunning();
    assert.equal((await ask(test.port, "kept.localhost")).status, 200);
    test.router = next;
  });

  it("names the program that has its port", async () => {
    await test.router.stop();
    const blocker = createServer().listen(test.port, "0.0.0.0");
    await once(blocker, "listening");
    const refused = test.successor().ensureRunning();
    const words = new RegExp(`Port ${test.port} is taken by \\S+ \\(process ${process.pid}\\)`);
    await assert.rejects(refused, words).finally(() => blocker.close());
  });
});

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(Number);
}
