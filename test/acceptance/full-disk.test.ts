// A disk that fills up: builds are refused first, then logs are shed; apps, routes and the database go on to the last byte.
import assert from "node:assert/strict";
import { mkdtemp, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { mustRun } from "../../src/kernel/command.ts";
import { TestPlatform } from "./support/platform.ts";
import { User } from "./support/user.ts";

const MEBIBYTE = 1024 * 1024;
const DISK_MEBIBYTES = 1536;
const mayMount = process.getuid?.() === 0 ? false : "only root may mount a small disk";

describe("a full disk", { skip: mayMount }, () => {
  let disk: string;
  let platform: TestPlatform;
  let user: User;
  let folder: string;
  const formerTmp = process.env["TMPDIR"];
  before(async () => {
    disk = await mkdtemp(join(tmpdir(), "zarpa-disk-"));
    await mustRun(["mount", "-t", "tmpfs", "-o", `size=${DISK_MEBIBYTES}m,mode=711`, "tmpfs", disk]);
    process.env["TMPDIR"] = disk;
    platform = await TestPlatform.start();
    if (formerTmp === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = formerTmp;
    user = await User.arrive(platform);
    folder = await user.deploy("abrupt", "rock");
    await user.untilPage("rock", ({ status }) => status === 200);
  });
  after(async () => {
    await user?.leave();
    await platform?.close();
    await mustRun(["umount", disk]);
    await rm(disk, { recursive: true, force: true });
  });

  let fillers = 0;
  /** Takes room until only so much is left. */
  const leave = async (mebibytes: number): Promise<void> => {
    const { bavail, bsize } = await statfs(disk);
    const bytes = bavail * bsize - mebibytes * MEBIBYTE;
    fillers += 1;
    if (bytes > 0) await mustRun(["fallocate", "-l", String(bytes), join(disk, `filler-${fillers}`)]);
  };

  test("below 1 GiB builds are refused, with the reason; all else works", async () => {
    await leave(600);
    await user.commit(folder, "Another version");
    const push = await user.push(folder);
    assert.notEqual(push.exitCode, 0);
    assert.match(push.stderr, /disk/i);
    assert.equal((await user.api("PATCH", "/apps/rock/config-vars", { GREETING: "little room" })).status, 200);
    await user.untilPage("rock", ({ body }) => body === "little room");
    await user.page("rock", "/?kept");
    await user.untilOutput(["logs", "-a", "rock"], /kept/);
  });

  test("almost full, log lines are dropped; apps, releases and the database go on", async () => {
    await leave(60);
    for (let visit = 0; visit < 30; visit += 1) assert.equal((await user.page("rock", "/?shed")).status, 200);
    assert.equal((await user.api("PATCH", "/apps/rock/config-vars", { GREETING: "hardly any room" })).status, 200);
    await user.untilPage("rock", ({ body }) => body === "hardly any room");
  });

  test("to the last byte the app serves; with room again everything goes on, and the log counts what is missing", async () => {
    await leave(0);
    for (let visit = 0; visit < 30; visit += 1) assert.equal((await user.page("rock")).status, 200);
    for (let filler = 1; filler <= fillers; filler += 1) await rm(join(disk, `filler-${filler}`), { force: true });
    await user.untilPage("rock", ({ status }) => status === 200);
    for (const from = performance.now(); (await user.api("GET", "/apps/rock")).status !== 200;) {
      assert.ok(performance.now() - from < 15_000, "the API does not come back");
    }
    await user.page("rock", "/?again");
    const logs = await user.untilOutput(["logs", "-a", "rock", "-n", "1500"], /again/);
    assert.match(logs, /L10 \(output buffer overflow\): \d+ messages dropped/);
    const push = await user.push(folder);
    assert.equal(push.exitCode, 0, push.stderr);
  });
});
