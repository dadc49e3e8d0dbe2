import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import {
  ask,
  type Backend,
  eventually,
  httpBackend,
  routeOf,
  SHORT_LIMITS,
  startRouter,
  type TestRouter,
  withoutNginx,
} from "./router.test-support.ts";
import { listenForWakes } from "./wake-listener.ts";

describe("a request to an app that sleeps", { skip: withoutNginx }, () => {
  let test: TestRouter;
  let backend: Backend;
  let listener: { close(): Promise<void> } | null = null;
  const told: string[] = [];
  const listen = async (): Promise<void> => {
    listener = await listenForWakes(test.paths.wakeSocket, (appId) => told.push(appId));
    test.router.admit(test.paths.wakeSocket);
  };
  before(async () => {
    test = await startRouter({ ...SHORT_LIMITS, boot: 5_000 });
    backend = await httpBackend((_, response) => response.end("awake"));
    await listen();
  });
  after(async () => {
    backend.close();
    await listener?.close();
    await test.close();
  });
  /** What the kernel shows as a control group's file, in both versions. */
  const group = (file: "freezer.state" | "cgroup.freeze"): string => {
    const folder = join(test.paths.router, `group-${file}`);
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    writeFileSync(join(folder, file), file === "freezer.state" ? "FROZEN" : "1");
    return join(folder, file);
  };

  it("thaws frozen dynos and is answered, and the control plane is told", async () => {
    const thaw = [group("freezer.state"), group("cgroup.freeze")];
    const route = { ...routeOf("asleep", [backend.port]), thaw };
    await test.router.publish(route);
    const answer = await ask(test.port, route.hosts[0]!);
    assert.deepEqual([answer.status, answer.body], [200, "awake"]);
    assert.deepEqual(
      thaw.map((file) => readFileSync(file, "latin1").slice(0, 6)),
      ["THAWED", "0"],
    );
    await eventually(() => (told.includes(route.app.id) ? true : null));
  });

  it("thaws while the control plane is away", async () => {
    await listener?.close();
    const thaw = [group("cgroup.freeze")];
    const route = { ...routeOf("asleep", [backend.port]), thaw };
    await test.router.publish(route);
    assert.equal((await ask(test.port, route.hosts[0]!)).body, "awake");
    assert.equal(readFileSync(thaw[0]!, "utf8"), "0");
    await listen();
  });

  it("is held while a stopped dyno is started again, and the control plane told until it hears", async () => {
    await listener?.close();
    const { port } = backend;
    const route = routeOf("asleep");
    await test.router.publish(route);
    const held = ask(test.port, route.hosts[0]!);
    await listen();
    await eventually(() => (told.includes(route.app.id) ? true : null));
    await test.router.publish({ ...route, state: "up", backends: [{ dyno: "web.1", address: "127.0.0.1", port }] });
    assert.deepEqual((await held).body, "awake");
  });

  it("is held too when a dyno that was frozen is gone", async () => {
    const route = { ...routeOf("asleep", [1]), thaw: [join(test.paths.router, "gone", "cgroup.freeze")] };
    await test.router.publish(route);
    const held = ask(test.port, route.hosts[0]!);
    await eventually(() => (told.includes(route.app.id) ? true : null));
    const { port } = backend;
    await test.router.publish({
      ...route,
      state: "up",
      thaw: [],
      backends: [{ dyno: "web.1", address: "127.0.0.1", port }],
    });
    assert.equal((await held).status, 200);
  });
});
