// Sleep and wake: nobody asks for an Eco app, it is frozen, then stopped; whoever asks again is answered, also without the control plane.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { TestPlatform } from "./support/platform.ts";
import { User } from "./support/user.ts";

const IDLE_SECONDS = 3;
const FROZEN_SECONDS = 6;
const APP = "lirona";

describe("an Eco app that nobody asks for", () => {
  let platform: TestPlatform;
  let user: User;
  before(async () => {
    platform = await TestPlatform.start({
      ZARPA_IDLE_SECONDS: String(IDLE_SECONDS),
      ZARPA_FROZEN_SECONDS: String(FROZEN_SECONDS),
    });
    user = await User.arrive(platform);
    await user.deploy("tiny", APP);
    await user.untilPage(APP, ({ status }) => status === 200);
  });
  after(async () => {
    await user?.leave();
    await platform?.close();
  });
  const dyno = async (): Promise<{ id: string; state: string }> => {
    const { body } = await user.api("GET", `/apps/${APP}/dynos`);
    const [first] = body as { id: string; state: string }[];
    assert.ok(first !== undefined);
    return first;
  };
  const untilIdle = async (): Promise<string> => {
    for (let waited = 0; waited < 150; waited += 1) {
      const { id, state } = await dyno();
      if (state === "idle") return id;
      await delay(100);
    }
    throw new Error(`the app does not sleep:\n${platform.journal()}`);
  };
  const untilAwake = async (): Promise<void> => {
    for (let waited = 0; waited < 150; waited += 1) {
      if ((await dyno()).state === "up") return;
      await delay(20);
    }
    throw new Error(`the app does not wake:\n${platform.journal()}`);
  };
  const log = async (): Promise<string> => (await user.mustHeroku(["logs", "-n", "500", "-a", APP])).stdout;

  test("is idle, and answers the next request at once, by the same process", async () => {
    const id = await untilIdle();
    assert.match((await user.mustHeroku(["ps", "-a", APP])).stdout, /web\.1: idle/);
    const from = performance.now();
    assert.equal((await user.page(APP)).status, 200);
    const milliseconds = performance.now() - from;
    assert.ok(milliseconds < 500, `it took ${milliseconds} ms`);
    assert.equal((await dyno()).id, id);
    assert.match(
      await log(),
      /heroku\[web\.1\]: Idling\n.*heroku\[web\.1\]: State changed from up to down\n[^]*heroku\[web\.1\]: Unidling\n.*State changed from down to starting\n.*State changed from starting to up\n/,
    );
  });

  test("lets its owner in while it is awake", async () => {
    const stopVisiting = user.visitAllAlong(APP);
    const inside = await user.mustHeroku(["run:inside", "web.1", 'echo "in $DYNO"; ls', "-a", APP]);
    await stopVisiting();
    assert.match(inside.stdout, /in web\.1\r?\n[^]*index\.html/);
  });

  test("answers while the control plane is dead, which sees it when it is back", async () => {
    assert.equal((await user.page(APP)).status, 200);
    await untilAwake();
    const id = await untilIdle();
    await platform.signal("SIGKILL");
    assert.equal((await user.page(APP)).status, 200);
    await platform.boot();
    await user.untilOutput(["logs", "-n", "500", "-a", APP], /Unidling\n[^]*Unidling\n/);
    assert.equal((await dyno()).id, id);
  });

  test("is stopped later, and a request is held until it is up again", async () => {
    const id = await untilIdle();
    await user.untilOutput(["logs", "-n", "20", "-a", APP], /Idling\n[^]*Process exited with status \d+\n$/);
    assert.equal((await dyno()).state, "idle");
    assert.equal((await user.page(APP)).status, 200);
    assert.notEqual((await dyno()).id, id);
    assert.match(await log(), /Unidling\n.*State changed from down to starting\n.*Starting process with command/);
  });
});
