import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../kernel/clock.ts";
import { Cgroups } from "./cgroup.ts";

const JOIN = 'for group; do echo $$ > "$group"; done; sleep 300 & setsid sh -c "sleep 300 & sleep 300" & echo in; wait';

/** The host's own layout, and on hybrid hosts version 2 beside it (which has no controllers there, but groups and their end). */
for (const root of ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]) {
  const missing = process.getuid?.() === 0 ? !existsSync(root) && "not on this host" : "needs root";
  test(`a control group under ${root} holds a program and all it starts, and ends them`, { skip: missing }, async () => {
    const cgroups = new Cgroups(`zarpa-test-${process.pid}`, systemClock, root);
    const files = await cgroups.createLimited("one", { memoryBytes: 64 << 20, cpuShare: 2, maxProcesses: 20 });
    const child = spawn("/bin/sh", ["-c", JOIN, "sh", ...files], { stdio: ["ignore", "pipe", "ignore"] });
    await once(child.stdout, "data");
    assert.ok((await cgroups.processes("one")).length >= 3);
    await cgroups.weigh(3);
    const shares = join(root, "cpu", cgroups.slice, "cpu.shares");
    if (existsSync(shares)) assert.equal((await readFile(shares, "utf8")).trim(), "3072");
    const pids = join(root, cgroups.version === 2 ? "" : "pids", cgroups.slice, "one", "pids.max");
    if (existsSync(pids)) assert.equal((await readFile(pids, "utf8")).trim(), "20");
    assert.equal(await cgroups.memoryKills("one"), 0);
    // The kernel adds its counters up a moment after the fact.
    let usage = await cgroups.usage("one");
    for (let tries = 0; tries < 200 && usage?.rssBytes === 0; tries += 1) {
      await systemClock.sleep(10);
      usage = await cgroups.usage("one");
    }
    if (existsSync(join(root, cgroups.version === 2 ? "" : "memory", cgroups.slice, "one", "memory.stat"))) {
      assert.ok(usage !== null && usage.rssBytes > 0 && usage.cpuMilliseconds > 0, JSON.stringify(usage));
    }
    const [, signal] = (await Promise.all([once(child, "exit"), cgroups.kill("one")]))[0];
    assert.equal(signal, "SIGKILL");
    assert.deepEqual(await cgroups.processes("one"), []);
    await cgroups.remove("one");
    await cgroups.removeSlice();
    assert.ok(!existsSync(join(root, cgroups.slice)));
    await cgroups.kill("never-there");
    assert.equal(await cgroups.usage("never-there"), null);
  });
}
