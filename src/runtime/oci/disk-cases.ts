import assert from "node:assert/strict";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { mustRun } from "../../kernel/command.ts";
import { type Trial, until } from "../driver-cases.ts";
import { strainVerdict } from "../limit-watch.ts";

const MEGABYTE = 1024 * 1024;

/** What a container may write is limited by the kernel, in bytes and in files. */
export function describeDisk(trial: Trial): void {
  const size = { memoryBytes: 256 * MEGABYTE, cpuShare: 1, maxProcesses: 30, diskBytes: 64 * MEGABYTE };

  test("a dyno that fills its disk is refused by the kernel, wherever it writes, and the log can name it", async () => {
    const dyno = await trial.start(
      `cp data/words mine; head -c 100M /dev/zero > /tmp/big; head -c 1M /dev/zero > more
       cat mine; echo full; sleep 300`,
      { size },
    );
    await trial.said(dyno.dynoId, /full/);
    const output = await trial.output(dyno.dynoId);
    assert.equal(output.match(/No space left on device/g)?.length, 2, output);
    assert.match(output, /from the slug/);
    const layer = join(trial.folder, "dynos/live", dyno.dynoId, "layer.img");
    assert.ok((await stat(layer)).blocks * 512 <= size.diskBytes);
    assert.match(
      strainVerdict(await trial.driver.strain(dyno), 0).join(),
      /^Disk quota exceeded: \d\dM are written, no more fits$/,
    );
    // Also for the next control plane.
    await trial.open();
    assert.equal((await trial.driver.strain(dyno)).disk?.freeBytes, 0);
    await trial.driver.remove(dyno.dynoId);
    await until(async () => !(await mustRun(["losetup", "--all"])).stdout.includes(dyno.dynoId));
  });

  test("a dyno that makes files without end is refused as well, and what it deletes is given back", async () => {
    const make = "import os\ni = 0\nwhile True:\n  open(f'/tmp/{i}', 'w').close(); i += 1";
    const dyno = await trial.start(
      `python3 -c "${make}" 2>&1 | tail -1; echo made; read -t 3 < <(sleep 5)
       rm -rf /tmp/[0-9]* /tmp/*; head -c 40M /dev/zero > big && sync big; rm big; sync -f /tmp; echo gone; sleep 300`,
      { size },
    );
    await trial.said(dyno.dynoId, /made/);
    assert.match(await trial.output(dyno.dynoId), /No space left on device/);
    assert.match(
      strainVerdict(await trial.driver.strain(dyno), 0).join(),
      /^Disk quota exceeded: there are \d+ files, no more fit$/,
    );
    await trial.said(dyno.dynoId, /gone/);
    const layer = join(trial.folder, "dynos/live", dyno.dynoId, "layer.img");
    await until(async () => (await stat(layer)).blocks * 512 < 10 * MEGABYTE);
    assert.deepEqual(strainVerdict(await trial.driver.strain(dyno), 0), []);
    await trial.driver.remove(dyno.dynoId);
  });

  test("a fork bomb ends at the number of processes, which the log can name", async () => {
    const dyno = await trial.start(
      "python3 -c 'import os, time\nfor i in range(60):\n  try: os.fork() or time.sleep(300)\n  except OSError: pass\nprint(\"done\", flush=True)\ntime.sleep(300)'",
      { size },
    );
    await trial.said(dyno.dynoId, /done/);
    const strain = await trial.driver.strain(dyno);
    assert.match(
      strainVerdict(strain, 0).join(),
      /^Process limit reached: 30 processes and threads at a time, \d+ more were refused$/,
    );
    assert.deepEqual(strainVerdict(strain, strain.refusedProcesses), []);
    await trial.driver.remove(dyno.dynoId);
  });

  test("nothing of a dyno's disk is left on the machine", async () => {
    assert.deepEqual(await readdir(join(trial.folder, "dynos/live")), []);
    await until(async () => !(await mustRun(["losetup", "--all"])).stdout.includes(trial.folder));
  });
}
