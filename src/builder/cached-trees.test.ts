import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { findCachedTrees } from "./cached-trees.ts";

test("links to folders of the build are cached trees; links to anywhere else are none", async () => {
  const base = mkdtempSync(join(tmpdir(), "zarpa-trees-"));
  const [cache, build] = [join(base, "cache"), join(base, "build")];
  for (const path of ["cache/plain", "build/.heroku/python", "build/node_modules", "build/other", "outside"]) {
    mkdirSync(join(base, path), { recursive: true });
  }
  writeFileSync(join(build, "file"), "");
  symlinkSync(join(base, "outside"), join(build, "way-out"));
  writeFileSync(join(cache, "modules.omit"), "mocha\n\n.bin/mocha\n");
  const links = {
    python: "/tmp/build_1/.heroku/python",
    modules: "/app/node_modules/",
    root: "/tmp/build_1",
    root2: "/tmp/build_1/.",
    climbs: "/tmp/build_1/../outside",
    through: "/tmp/build_1/way-out",
    file: "/tmp/build_1/file",
    nested: "/tmp/build_1/.heroku/python/lib",
    missing: "/tmp/build_1/missing",
    elsewhere: join(base, "outside"),
    relative: "../build/other",
  };
  for (const [name, target] of Object.entries(links)) symlinkSync(target, join(cache, name));
  const trees = await findCachedTrees(cache, build, ["/tmp/build_1", "/app"]);
  assert.deepEqual(
    trees.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    [
      { path: ".heroku/python", home: join(cache, "python"), omit: [] },
      { path: "node_modules", home: join(cache, "modules"), omit: ["mocha", ".bin/mocha"] },
    ],
  );
  assert.deepEqual(readdirSync(cache).sort(), ["climbs", "elsewhere", "modules.omit", "plain", "relative", "root", "root2"]);
  rmSync(base, { recursive: true });
});
