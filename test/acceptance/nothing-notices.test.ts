// What dies under load without anybody noticing: the control plane in the middle of a change, nginx, PostgreSQL.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Load } from "./support/load.ts";
import { TestPlatform } from "./support/platform.ts";
import { User } from "./support/user.ts";

describe("nobody notices", () => {
  let platform: TestPlatform;
  let user: User;
  before(async () => {
    platform = await TestPlatform.start();
    user = await User.arrive(platform);
    await user.deploy("abrupt", "rock");
    await user.untilPage("rock", ({ status }) => status === 200);
  });
  after(async () => {
    await user?.leave();
    await platform?.close();
  });

  /** Runs `work` while people visit the app; not one of their requests may fail. */
  const unnoticed = async (work: () => Promise<void>): Promise<void> => {
    const load = Load.start({ port: platform.port, host: "rock.localhost", kept: 3, fresh: 2, pauseMs: 20 });
    try {
      await work();
    } finally {
      const { requests, failures } = await load.stop();
      assert.deepEqual(failures, [], `of ${requests} requests`);
    }
  };
  const change = async (path: string, body: unknown): Promise<void> => {
    const answer = await user.api("PATCH", `/apps/rock${path}`, body);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
  };
  /** Until there are so many dynos of the newest release, all of them up. */
  const untilDynos = async (quantity: number): Promise<void> => {
    for (const from = performance.now(); ; await delay(200)) {
      const dynos = (await user.api("GET", "/apps/rock/dynos")).body as { state: string; release: { version: number } }[];
      const newest = (await releases()).at(-1)!;
      const up = Array.isArray(dynos) ? dynos.filter(({ state, release }) => state === "up" && release.version === newest) : [];
      if (up.length === quantity && dynos.length === quantity) return;
      assert.ok(performance.now() - from < 60_000, `${quantity} dynos of v${newest} are wanted: ${JSON.stringify(dynos)}`);
    }
  };
  const releases = async (): Promise<number[]> => {
    const { body } = await user.api("GET", "/apps/rock/releases");
    return Array.isArray(body) ? (body as { version: number }[]).map(({ version }) => version).toSorted((a, b) => a - b) : [0];
  };

  test("SIGKILL to the control plane in the middle of a deploy: the next start ends what was begun", async () => {
    await unnoticed(async () => {
      await change("/config-vars", { GREETING: "in the middle" });
      const known = await releases();
      await platform.signal("SIGKILL");
      await platform.boot();
      await untilDynos(1);
      assert.deepEqual(await releases(), known);
    });
    assert.equal((await user.page("rock")).body, "in the middle");
  });

  test("SIGKILL to the control plane in the middle of a scale", async () => {
    await unnoticed(async () => {
      await change("/formation/web", { quantity: 2, size: "Standard-1X" });
      await platform.signal("SIGKILL");
      await platform.boot();
      await untilDynos(2);
    });
  });

  test("SIGKILL to the control plane while logs are followed: every line is there when it is back", async () => {
    const ended = new AbortController();
    const tail = user.heroku(["logs", "--tail", "-a", "rock"], { signal: ended.signal }).catch(() => {});
    await platform.signal("SIGKILL");
    for (let visit = 0; visit < 5; visit += 1) assert.equal((await user.page("rock", `/?unseen=${visit}`)).status, 200);
    await platform.boot();
    const logs = await user.untilOutput(["logs", "-a", "rock", "-n", "1500"], /unseen=4/);
    for (let visit = 0; visit < 5; visit += 1) assert.equal(logs.split(`unseen=${visit}`).length - 1, 1, `unseen=${visit}`);
    ended.abort();
    await tail;
  });

  test("nginx killed while the control plane is down: back within a second, no connection refused", async () => {
    await platform.signal("SIGKILL");
    await unnoticed(async () => {
      const file = join(platform.home, "router", "nginx.pid");
      const pid = await readFile(file, "utf8");
      process.kill(Number(pid), "SIGKILL");
      const from = performance.now();
      assert.equal((await user.page("rock")).status, 200);
      while ((await readFile(file, "utf8").catch(() => pid)) === pid) await delay(20);
      assert.equal((await user.page("rock")).status, 200);
      assert.ok(performance.now() - from < 3000, "a second is promised; a busy machine is given three");
    });
    await platform.boot();
    await untilDynos(2);
  });

  test("PostgreSQL killed: the API says so with 503, and everything goes on within seconds", async () => {
    await unnoticed(async () => {
      const [pid] = (await readFile(join(platform.home, "postgres", "postmaster.pid"), "utf8")).split("\n");
      process.kill(Number(pid), "SIGKILL");
      const from = performance.now();
      for (let good = 0; good < 5; await delay(50)) {
        const { status, body } = await user.api("GET", "/apps/rock");
        good = status === 200 ? good + 1 : 0;
        if (status === 200) continue;
        assert.equal(status, 503, JSON.stringify(body));
        assert.match((body as { message: string }).message, /database does not answer/);
        assert.ok(performance.now() - from < 15_000, "five seconds are promised; a busy machine is given more");
      }
      await change("/config-vars", { GREETING: "after the fall" });
      await untilDynos(2);
    });
    await user.untilPage("rock", ({ body }) => body === "after the fall");
  });
});
