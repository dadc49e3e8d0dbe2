import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { test } from "node:test";
import { SERVER, type Trial, until } from "./driver-cases.ts";

/** What drivers with control groups do for dynos that sleep. */
export function describeSleep(trial: Trial): void {
  test(
    "a frozen dyno stands still, tells of a waiting connection, and answers it once it is thawed",
    { skip: process.getuid?.() !== 0 && "needs control groups" },
    async () => {
      const dyno = await trial.start(SERVER, { port: 5000 });
      const { dynoId, address } = dyno;
      const port = dyno.port ?? 0;
      await until(async () => await trial.driver.isListening(dyno, port));
      assert.equal(await trial.driver.connections(dyno, port), 0);
      assert.equal(await trial.driver.freeze(dynoId), true);
      assert.equal(await trial.driver.isFrozen(dynoId), true);
      let answered = false;
      const answer = fetch(`http://${address}:${port}/data/words`).then((response) => {
        answered = true;
        return response.status;
      });
      await until(async () => (await trial.driver.connections(dyno, port)) === 1);
      assert.equal(answered, false);
      // As the router does it.
      const [file = ""] = trial.driver.thawFiles(dynoId);
      await writeFile(file, file.endsWith("freezer.state") ? "THAWED" : "0");
      assert.equal(await answer, 200);
      assert.equal(await trial.driver.isFrozen(dynoId), false);
      assert.equal(await trial.driver.freeze(dynoId), true);
      await trial.driver.signal(dynoId, "SIGTERM");
      assert.equal(await trial.exit(dynoId), 143);
      await trial.driver.remove(dynoId);
      assert.deepEqual(trial.driver.thawFiles(dynoId), []);
    },
  );

  test("a frozen dyno can be removed", { skip: process.getuid?.() !== 0 && "needs control groups" }, async () => {
    const { dynoId } = await trial.start("echo ready; sleep 300");
    await trial.said(dynoId, /ready/);
    assert.equal(await trial.driver.freeze(dynoId), true);
    await trial.driver.remove(dynoId);
    assert.deepEqual(await trial.driver.list(), []);
    assert.equal(await trial.driver.freeze(dynoId), false);
  });
}
