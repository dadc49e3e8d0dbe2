import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../kernel/clock.ts";
import { runCommand } from "../../kernel/command.ts";
import { streamJournal } from "../../kernel/journal.ts";
import { describeDriver } from "../driver-cases.ts";
import { describeInside } from "../inside-cases.ts";
import { describeMemory } from "../memory-cases.ts";
import { describeSandbox } from "../sandbox-cases.ts";
import { describeSleep } from "../sleep-cases.ts";
import { createProcessDriver } from "./driver.ts";
import { translatePaths } from "./sandbox.ts";

const journal = streamJournal(process.stderr, () => systemClock.now());

describeDriver(
  {
    name: "process",
    open: async (dynosFolder) => await createProcessDriver({ dynosFolder, journal, clock: systemClock }),
  },
  (trial) => {
    describeSandbox(trial);
    describeSleep(trial);
    describeMemory(trial);
    describeInside(trial);
  },
);

const FILE = fileURLToPath(import.meta.url);
const NOBODY = 65_534;

test("the process driver serves without root, too", { skip: process.getuid?.() !== 0 && "this is it" }, async (context) => {
  const nobody = { uid: NOBODY, gid: NOBODY };
  const readable = await runCommand(["test", "-r", FILE], nobody);
  if (readable.exitCode !== 0) return context.skip("nobody else may read this checkout");
  const cases = "environment, home|SIGKILL leaves|pipes|its time and by its signal";
  const result = await runCommand([process.execPath, "--test", `--test-name-pattern=${cases}`, FILE], {
    ...nobody,
    env: { PATH: process.env["PATH"] ?? "", HOME: tmpdir(), TMPDIR: tmpdir() },
  });
  assert.equal(result.exitCode, 0, result.stdout);
  assert.match(result.stdout, /pass 5/);
});

test("a build's paths are told with the host's", () => {
  const translated = translatePaths({
    argv: ["/opt/driver", "--cache=/cache", "/cache/x", "/cached"],
    env: { PATH: "/opt/tools:/usr/bin", URL: "https://host/cache" },
    cwd: "/cache",
    mounts: [
      { host: "/h/opt", inside: "/opt", writable: false },
      { host: "/h/tools", inside: "/opt/tools", writable: false },
      { host: "/h/cache", inside: "/cache", writable: true },
    ],
  });
  assert.deepEqual(translated, {
    argv: ["/h/opt/driver", "--cache=/cache", "/h/cache/x", "/cached"],
    env: { PATH: "/h/tools:/usr/bin", URL: "https://host/cache" },
    cwd: "/h/cache",
  });
});
