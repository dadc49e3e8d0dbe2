import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { plainSandbox } from "../../test/support/build-sandbox.ts";
import { testBuilds } from "../../test/support/builds.ts";
import { manualClock } from "../../test/support/clock.ts";
import type { Sandbox } from "./ports.ts";
import { ownNode } from "./layout.ts";
import { Standbys } from "./standby.ts";

const uid = process.getuid?.() ?? 0;
const PYTHON = { url: "urn:buildpack:heroku/python", name: "heroku/python" };
const SOURCE = { "app.py": "", ".cache/deep/file": "x\n", "bin/pre_compile": "#!/bin/bash\nexit 3\n" };

/** The plain sandbox, and what becomes of the places that are made in it. */
function standingSandbox(): { sandbox: Sandbox; told: string[] } {
  const told: string[] = [];
  const sandbox: Sandbox = {
    ...plainSandbox,
    run: async (command) => {
      told.push("run without a place");
      return await plainSandbox.run(command);
    },
    stand: async (place) => {
      told.push("stand");
      assert.ok(existsSync(place.cwd), "the place begins in BUILD_DIR");
      return {
        run: async (command) => {
          told.push("run");
          return await plainSandbox.run({ ...place, ...command });
        },
        drop: async () => void told.push("drop"),
      };
    },
  };
  return { sandbox, told };
}

test("a build that was expected runs in the place that was made for it, with its source in it", async () => {
  const { sandbox, told } = standingSandbox();
  using builds = testBuilds({ sandbox, uid });
  builds.builder.expect({ app: { id: "app-1", uid }, stack: "heroku-24" });
  builds.builder.expect({ app: { id: "app-1", uid }, stack: "heroku-24" });
  const { output } = await builds.build({ ...SOURCE, "requirements.txt": "" });
  assert.match(output, /Python app detected/);
  assert.deepEqual(told, ["stand", "run"]);
  await builds.build(SOURCE);
  assert.deepEqual(told, ["stand", "run", "run without a place"]);
});

test("a place that does not fit is given up, and so is one that is not needed", async () => {
  const { sandbox, told } = standingSandbox();
  using builds = testBuilds({ sandbox, uid });
  const expect = (): void => builds.builder.expect({ app: { id: "app-1", uid }, stack: "heroku-24" });
  expect();
  await builds.build(SOURCE, { stack: "heroku-26" });
  assert.deepEqual(told.splice(0), ["stand", "drop", "run without a place"]);
  expect();
  await builds.build(SOURCE, { buildpacks: [PYTHON, { url: "http://127.0.0.1:9/other.tgz", name: "other" }] });
  assert.deepEqual(told.splice(0).slice(0, 2), ["stand", "drop"]);
  expect();
  const { output } = await builds.build({ ...SOURCE, Procfile: "no colon\n" });
  assert.match(output, /syntax error/);
  assert.deepEqual(told.splice(0), ["stand", "drop"]);
  expect();
  await builds.builder.purgeCache("app-1");
  assert.deepEqual(told.splice(0), ["stand", "drop"]);
});

test("a place waits for half a minute, and few wait at once", async () => {
  const { sandbox, told } = standingSandbox();
  using builds = testBuilds({ sandbox, uid });
  const clock = manualClock();
  const standbys = new Standbys({
    cachesFolder: builds.paths.caches,
    sandbox,
    clock,
    journal: { note: () => {}, fault: (event) => void told.push(event) },
    tools: { uv: null, ...ownNode() },
    caBundle: null,
    memoryBytes: 1,
  });
  const expected = (id: string) => ({ app: { id, uid }, stack: "heroku-24" });
  for (const id of ["a", "b", "c", "d"]) standbys.expect(expected(id));
  const taken = await standbys.take(expected("a"), true);
  assert.equal(await readFile(`${taken?.workspace.build}/nothing`, "utf8").catch(() => "empty"), "empty");
  assert.equal(await standbys.take(expected("d"), true), null);
  await clock.advance(31_000);
  assert.equal(await standbys.take(expected("b"), true), null);
  assert.equal(await standbys.take(expected("c"), true), null);
  for (let polls = 0; polls < 1000 && told.length < 5; polls += 1) await setTimeout(5);
  assert.deepEqual(told.toSorted(), ["drop", "drop", "stand", "stand", "stand"]);
});
