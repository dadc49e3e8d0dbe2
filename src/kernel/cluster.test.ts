import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync, chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import pg from "pg";
import { systemClock } from "./clock.ts";
import { serverArguments, startCluster, stopCluster, superviseCluster } from "./cluster.ts";

function folder(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "zarpa-cluster-"));
  chmodSync(path, 0o711);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

async function ask(url: string, text: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ answer: unknown }>(text);
    return rows[0]?.answer;
  } finally {
    await client.end();
  }
}

test("a cluster is made, adopted while it runs, and recovers from a kill -9 with a stale pid file", async () => {
  using home = folder();
  const options = { data: join(home.path, "data"), socketFolder: join(home.path, "s"), database: "zarpa" };
  try {
    const first = await startCluster(options);
    assert.equal(first.adopted, false);
    assert.equal(await ask(first.url, "select current_database() as answer"), "zarpa");
    assert.equal(await ask(first.url, "select current_setting('listen_addresses') as answer"), "");
    await ask(first.url, "create table kept (n int)");

    const before = performance.now();
    const second = await startCluster(options);
    assert.deepEqual([second.adopted, second.pid], [true, first.pid]);
    assert.ok(performance.now() - before < 200, "adopting a running server is quick");

    const pidFile = join(options.data, "postmaster.pid");
    const lines = readFileSync(pidFile, "utf8");
    process.kill(first.pid, "SIGKILL");
    while (isRunning(first.pid)) await systemClock.sleep(5);
    // After a reboot the same pid may be any process: this one, for example.
    writeFileSync(pidFile, lines.replace(String(first.pid), String(process.pid)));
    const third = await startCluster(options);
    assert.equal(third.adopted, false);
    assert.equal(await ask(third.url, "select count(*)::int as answer from kept"), 0);
    await third.stop();
    await assert.rejects(ask(third.url, "select 1 as answer"), /ENOENT|ECONNREFUSED/);
  } finally {
    await stopCluster(options.data);
  }
});

test("a supervised server that is killed is back soon, with its data", async () => {
  using home = folder();
  // A throw-away server may forget its last commits when it is killed.
  const options = { data: join(home.path, "data"), socketFolder: join(home.path, "s"), database: "zarpa", durable: true };
  const notes: string[] = [];
  const journal = {
    note: (event: string) => notes.push(event),
    fault: (event: string, cause: unknown) => notes.push(`${event} ${String(cause)}`),
  };
  const { url, pid } = await startCluster(options);
  await ask(url, "create table kept (n int)");
  const stop = superviseCluster(options, { clock: systemClock, journal });
  try {
    process.kill(pid, "SIGKILL");
    let answer: unknown = null;
    for (let tries = 0; tries < 200 && answer === null; tries += 1) {
      await systemClock.sleep(50);
      answer = await ask(url, "select count(*)::int as answer from kept").catch(() => null);
    }
    assert.equal(answer, 0);
    assert.deepEqual(
      notes.filter((note) => !note.startsWith("database.restart ")),
      ["database.died", "database.restarted"],
    );
  } finally {
    await stop();
    await stopCluster(options.data);
  }
});

test("a server listens on its private socket alone, and only a throw-away one may forget", () => {
  const options = { data: "/d", socketFolder: "/s", database: "zarpa" };
  const settings = serverArguments(options);
  for (const setting of ["listen_addresses=", "unix_socket_directories=/s", "unix_socket_permissions=0700", "jit=off"]) {
    assert.ok(settings.includes(setting), setting);
  }
  assert.ok(!settings.some((setting) => setting.startsWith("fsync")));
  assert.ok(serverArguments({ ...options, durable: false }).includes("fsync=off"));
});

test("a data folder that holds something else is left alone", async () => {
  using home = folder();
  writeFileSync(join(home.path, "letter.txt"), "");
  const options = { data: home.path, socketFolder: join(home.path, "s"), database: "zarpa" };
  await assert.rejects(startCluster(options), /neither empty nor the data of PostgreSQL/);
});

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
