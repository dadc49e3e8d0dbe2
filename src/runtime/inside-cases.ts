import assert from "node:assert/strict";
import { test } from "node:test";
import { type Trial, until } from "./driver-cases.ts";

/** What every driver does for `heroku run:inside`. */
export function describeInside(trial: Trial): void {
  test("a program inside a running dyno has its files, environment and user, and a terminal or pipes", async () => {
    const { dynoId } = await trial.start("echo mine > here; echo ready; exec sleep 300");
    await trial.said(dynoId, /ready/);
    let output = "";
    const piped = await trial.driver.inside(
      dynoId,
      { command: 'cat here; echo "$GREETING|$DYNO|$EXTRA|$ORDER"; id -u; tr a-z A-Z; exit 5', env: { EXTRA: "a b'c" } },
      null,
    );
    piped.onOutput((chunk) => (output += chunk.toString()));
    piped.write(Buffer.from("typed\n"));
    piped.end();
    assert.deepEqual(await piped.exited, { exitCode: 5 });
    const user = process.getuid?.() === 0 ? trial.uid : process.getuid?.();
    assert.equal(output, `mine\nit's $HOME; a b|web.1|a b'c|abp\n${user}\nTYPED\n`);

    let screen = "";
    const shell = await trial.driver.inside(
      dynoId,
      { command: "stty size; read -r line; echo got:$line", env: { TERM: "xterm" } },
      { columns: 101, rows: 31 },
    );
    shell.onOutput((chunk) => (screen += chunk.toString()));
    await until(() => screen.includes("31 101"));
    shell.write(Buffer.from("hé\r"));
    assert.deepEqual(await shell.exited, { exitCode: 0 });
    assert.match(screen, /got:hé/);
    assert.equal(trial.exits.has(dynoId), false, "the dyno goes on");
    await trial.driver.remove(dynoId);
  });

  test("what runs inside can be signalled without the dyno, and ends with it", async () => {
    const { dynoId } = await trial.start("echo ready; exec sleep 300");
    await trial.said(dynoId, /ready/);
    for (const [signal, exitCode] of [["SIGHUP", 129] as const, ["SIGKILL", 137] as const]) {
      const inside = await trial.driver.inside(dynoId, { command: "echo in; exec sleep 300", env: {} }, null);
      let output = "";
      inside.onOutput((chunk) => (output += chunk.toString()));
      await until(() => output.includes("in"));
      await inside.signal(signal);
      assert.deepEqual(await inside.exited, { exitCode });
    }
    assert.equal(trial.exits.has(dynoId), false);
    const last = await trial.driver.inside(dynoId, { command: "echo in; exec sleep 300", env: {} }, null);
    await new Promise<void>((resolve) => last.onOutput(() => resolve()));
    await trial.driver.signal(dynoId, "SIGKILL");
    assert.notEqual((await last.exited).exitCode, 0);
    await trial.exit(dynoId);
    await trial.driver.remove(dynoId);
  });
}
