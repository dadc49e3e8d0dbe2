import assert from "node:assert/strict";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { RuntimeBench } from "../../test/support/runtime-bench.ts";
import { newId } from "../kernel/ids.ts";

function benchTest(title: string, body: (bench: RuntimeBench) => Promise<void>): void {
  test(title, { timeout: 20_000 }, async () => {
    const bench = await RuntimeBench.open();
    try {
      await body(bench);
    } finally {
      await bench.close();
    }
  });
}

async function deployed(bench: RuntimeBench, quantity = 1): Promise<void> {
  bench.store.deploy({ GREETING: "hello" });
  bench.store.scale("web", quantity);
  bench.change();
  for (let index = 1; index <= quantity; index += 1) await bench.bind(`web.${index}`);
  await bench.states(...Array.from({ length: quantity }, (_, index) => `web.${index + 1}:up`));
  await bench.reach(() => bench.route.startsWith("up"), true);
  bench.takeLines();
}

benchTest("a first deploy: booting, up, and routed", async (bench) => {
  await bench.reach(() => bench.route, "blank");
  bench.store.deploy({ GREETING: "hello", PATH: "/mine" });
  bench.store.scale("web", 1, "gunicorn app:app");
  bench.change();
  await bench.states("web.1:starting");
  await bench.reach(() => bench.route, "booting");
  const { env, port } = bench.driver.find("web.1").spec;
  assert.deepEqual(env, {
    GREETING: "hello",
    PATH: "/mine",
    LANG: "C.UTF-8",
    DYNO_RAM: "512",
    FORWARDED_ALLOW_IPS: "*",
    DYNO: "web.1",
    PORT: "31500",
  });
  assert.equal(port, 31_500);
  await bench.bind("web.1");
  await bench.states("web.1:up");
  await bench.reach(() => bench.route, "up web.1@10.0.0.1");
  assert.deepEqual(bench.takeLines(), [
    "web.1: Starting process with command `gunicorn app:app`",
    "web.1: State changed from starting to up",
  ]);
});

benchTest("a new release takes the traffic before the old one gets SIGTERM", async (bench) => {
  await deployed(bench);
  const oldRelease = bench.store.rows[0]!.id;
  bench.store.deploy();
  bench.change();
  await bench.states("web.1:up", "web.1:starting");
  assert.deepEqual(bench.driver.signals, []);
  assert.equal(bench.route, "up web.1@10.0.0.1");
  await bench.bind("web.1");
  await bench.reach(() => bench.route, "up web.1@10.0.0.2");
  await bench.windDown();
  await bench.reach(() => bench.driver.removed, [oldRelease]);
  assert.equal(bench.route, "up web.1@10.0.0.2");
  assert.deepEqual(bench.driver.signals, ["SIGTERM web.1"]);
  assert.deepEqual(bench.takeLines(), [
    "web.1: Starting process with command `run web`",
    "web.1: State changed from starting to up",
    "web.1: Stopping all processes with SIGTERM",
    "web.1: Process exited with status 143",
  ]);
});

benchTest("a release that does not come up leaves the old one serving and says so", async (bench) => {
  await deployed(bench);
  bench.store.deploy();
  bench.change();
  await bench.states("web.1:up", "web.1:starting");
  bench.exit("web.1", 1);
  await bench.reach(() => bench.lines.includes("web.1: Release v2 did not come up: v1 keeps running"), true);
  // The first crash restarts at once; the second one rests.
  await bench.states("web.1:up", "web.1:starting");
  bench.exit("web.1", 1);
  await bench.states("web.1:up", "web.1:crashed");
  assert.equal(bench.route, "up web.1@10.0.0.1");
  assert.equal(bench.lines.filter((line) => line.includes("did not come up")).length, 1);
  await bench.clock.advance(10 * 60_000);
  await bench.states("web.1:up", "web.1:starting");
  await bench.bind("web.1");
  await bench.reach(() => bench.route, "up web.1@10.0.0.2");
  await bench.windDown();
  await bench.states("web.1:up");
});

benchTest("R10: a web dyno that binds no port is killed after 60 seconds, and crashed", async (bench) => {
  bench.store.deploy();
  bench.store.scale("web", 1);
  bench.change();
  await bench.states("web.1:starting");
  await bench.clock.advance(60_000);
  await bench.reach(() => bench.driver.signals, ["SIGKILL web.1"]);
  await bench.reach(() => bench.lines.length >= 7, true);
  assert.deepEqual(bench.takeLines(), [
    "web.1: Starting process with command `run web`",
    "web.1: Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 60 seconds of launch",
    "web.1: Stopping process with SIGKILL",
    "web.1: Process exited with status 137",
    "web.1: State changed from starting to crashed",
    "web.1: State changed from crashed to starting",
    "web.1: Starting process with command `run web`",
  ]);
  bench.exit("web.1", 1);
  await bench.states("web.1:crashed");
  await bench.reach(() => bench.route, "crashed");
});

benchTest("R12: a dyno that ignores SIGTERM is killed after 30 seconds", async (bench) => {
  await deployed(bench);
  bench.driver.stubborn.add("web.1");
  bench.store.scale("web", 0);
  bench.change();
  await bench.windDown();
  await bench.states("web.1:stopping");
  assert.equal(bench.route, "none");
  await bench.clock.advance(29_000);
  assert.deepEqual(bench.driver.signals, ["SIGTERM web.1"]);
  await bench.clock.advance(1_000);
  await bench.states();
  assert.deepEqual(bench.takeLines(), [
    "web.1: Stopping all processes with SIGTERM",
    "web.1: Error R12 (Exit timeout) -> Process failed to exit within 30 seconds of SIGTERM",
    "web.1: Stopping remaining processes with SIGKILL",
    "web.1: Process exited with status 137",
    "web.1: State changed from up to down",
  ]);
});

benchTest("scaling up and down, a worker beside web", async (bench) => {
  await deployed(bench, 2);
  bench.store.scale("worker", 1);
  bench.change();
  await bench.states("web.1:up", "web.2:up", "worker.1:up");
  assert.equal(bench.driver.find("worker.1").spec.env["PORT"], undefined);
  bench.store.scale("web", 1);
  bench.change();
  await bench.windDown();
  await bench.states("web.1:up", "worker.1:up");
  assert.equal(bench.route, "up web.1@10.0.0.1");
});

benchTest("ps:restart replaces a dyno, the new one beside the old", async (bench) => {
  await deployed(bench);
  bench.store.rows[0]!.stop_requested = true;
  bench.change();
  await bench.states("web.1:up", "web.1:starting");
  await bench.bind("web.1");
  await bench.reach(() => bench.route, "up web.1@10.0.0.2");
  await bench.windDown();
  await bench.states("web.1:up");
  assert.equal(bench.takeLines()[0], "web.1: Restarting");
});

benchTest("maintenance mode and hosts are published", async (bench) => {
  await deployed(bench);
  Object.assign(bench.store.must(), { maintenance: true, hosts: ["sample.localhost", "www.example.com"] });
  bench.change();
  await bench.reach(() => bench.published.at(-1)?.state, "maintenance");
  assert.deepEqual(bench.published.at(-1)?.hosts, ["sample.localhost", "www.example.com"]);
});

benchTest("a restarted control plane keeps what is right and goes on where it was", async (bench) => {
  await deployed(bench, 2);
  bench.store.scale("web", 3);
  bench.change();
  await bench.states("web.1:up", "web.2:up", "web.3:starting");
  await bench.runtime.stop();
  bench.exit("web.2", 1);
  const stray = newId();
  const { spec } = bench.driver.find("web.1");
  await bench.driver.start({ ...spec, dynoId: stray, name: "stray.1" });
  bench.published.splice(0);
  bench.takeLines();
  await bench.restart();
  await bench.bind("web.3");
  await bench.states("web.1:up", "web.3:up", "web.2:starting");
  await bench.bind("web.2");
  await bench.states("web.1:up", "web.3:up", "web.2:up");
  await bench.reach(() => bench.published.at(-1)?.backends.length, 3);
  await bench.reach(() => bench.driver.signals, ["SIGTERM stray.1"]);
  await bench.clock.advance(10_000);
  await bench.reach(() => bench.driver.removed.includes(stray), true);
  assert.ok(!bench.lines.some((line) => line.startsWith("web.1")));
  assert.ok(bench.lines.includes("web.2: Process exited with status 1"));
});

benchTest("after a restart of the machine everything is started again", async (bench) => {
  await deployed(bench);
  await bench.runtime.stop();
  bench.driver.dynos.clear();
  await bench.restart();
  await bench.states("web.1:starting");
  await bench.bind("web.1");
  await bench.states("web.1:up");
});

benchTest("a database that is away is waited for, and no dyno suffers", async (bench) => {
  await deployed(bench);
  bench.store.failure = new Error("connection refused");
  bench.change();
  await bench.reach(() => bench.faults.length > 0, true);
  await bench.clock.advance(60_000);
  bench.store.failure = null;
  bench.store.scale("web", 0);
  for (let tries = 0; tries < 5; tries += 1) await bench.clock.advance(15_000);
  await bench.states();
  assert.deepEqual(bench.driver.signals, ["SIGTERM web.1"]);
});

benchTest("R99: a launch that fails for the platform's reasons is tried again soon", async (bench) => {
  bench.driver.broken.add("web.1");
  bench.store.deploy();
  bench.store.scale("web", 1);
  bench.change();
  await bench.states("web.1:crashed");
  assert.ok(bench.lines.includes("web.1: Error R99 (Platform error) -> Failed to launch the dyno"));
  bench.driver.broken.clear();
  await bench.clock.advance(10_000);
  await bench.states("web.1:starting");
  assert.equal(bench.store.rows.at(-1)?.crashes, 0);
});

benchTest("a detached one-off dyno runs once", async (bench) => {
  await deployed(bench);
  const row = {
    ...bench.store.rows[0]!,
    id: newId(),
    type: "run",
    name: "run.1234",
    kind: "one-off",
    command: "rake",
    env: { A: "1" },
  };
  bench.store.rows.push({ ...row, state: "created", address: null, port: null });
  bench.change();
  await bench.states("web.1:up", "run.1234:up");
  assert.equal(bench.driver.find("run.1234").spec.env["A"], "1");
  bench.exit("run.1234", 3);
  await bench.states("web.1:up");
  assert.equal(bench.store.rows.at(-1)?.exit_code, 3);
  assert.deepEqual(bench.takeLines(), [
    "run.1234: Starting process with command `rake`",
    "run.1234: State changed from starting to up",
    "run.1234: Process exited with status 3",
    "run.1234: State changed from up to complete",
  ]);
});

benchTest("R13: nobody attaches", async (bench) => {
  await deployed(bench);
  const row = { ...bench.store.rows[0]!, id: newId(), type: "run", name: "run.1234", kind: "one-off", attach: true };
  bench.store.rows.push({ ...row, state: "created", attach_digest: Buffer.alloc(32), created_at: bench.clock.now() });
  bench.change();
  await bench.reach(() => bench.lines, ["run.1234: Awaiting client"]);
  await bench.clock.advance(30_000);
  await bench.states("web.1:up");
  assert.equal(bench.lines.at(-1), "run.1234: Error R13 (Attach error) -> Failed to attach to process");
});

benchTest("a release phase runs with the pending release and tells its exit code", async (bench) => {
  await deployed(bench);
  const pending = { id: newId(), version: 2, slugRoot: null, stack: "heroku-24", config: { NEW: "yes" }, metadata: {} };
  bench.store.releases.set(pending.id, pending);
  const output: string[] = [];
  const { appId } = bench;
  const phase = bench.runtime.runRelease({
    appId,
    releaseId: pending.id,
    command: "migrate",
    onOutput: (text) => output.push(text),
  });
  await bench.states("web.1:up", "release.5500:up");
  assert.equal(bench.driver.find("release.5500").spec.env["NEW"], "yes");
  bench.say("release.5500", "Applying migrations");
  bench.exit("release.5500", 2);
  assert.deepEqual(await phase, { exitCode: 2 });
  assert.deepEqual(output, ["Applying migrations\n"]);
  assert.equal(bench.takeLines().at(-1), "release.5500: State changed from up to complete");
});

benchTest("an app that is destroyed leaves nothing", async (bench) => {
  await deployed(bench, 2);
  const { appId } = bench;
  bench.driver.stubborn.add("web.2");
  bench.store.app = null;
  bench.store.rows.splice(0);
  const gone = bench.runtime.appDestroyed(appId);
  await bench.reach(() => bench.driver.signals, ["SIGTERM web.1", "SIGTERM web.2"]);
  assert.deepEqual(bench.published, []);
  await bench.clock.advance(30_000);
  await gone;
  assert.equal(bench.driver.dynos.size, 0);
});

benchTest("from the change to the start of a dyno it takes less than 10 ms", async (bench) => {
  await bench.reach(() => bench.route, "blank");
  bench.store.deploy();
  bench.store.scale("web", 1);
  const began = performance.now();
  bench.change();
  while (bench.driver.dynos.size === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  assert.ok(performance.now() - began < 10);
});

benchTest("output of dynos that are gone is removed at the start, that of others stays", async (bench) => {
  await deployed(bench);
  const [row] = bench.store.rows;
  for (const id of [row!.id, newId()]) await writeFile(join(bench.outputFolder, `${id}.log`), "words\n");
  await bench.restart();
  assert.deepEqual(await readdir(bench.outputFolder), [`${row!.id}.log`]);
});
