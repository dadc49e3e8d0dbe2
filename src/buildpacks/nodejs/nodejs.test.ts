import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { lstatSync, readdirSync, readFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { type Files, testBuilds, type TestBuilds, testSandbox, writeFiles } from "../../../test/support/builds.ts";
import { registryMissing } from "../../../test/support/registry.ts";

const sandbox = await testSandbox();
const missing = "missing" in sandbox ? sandbox.missing : false;
const online = missing === false ? await registryMissing("npm") : missing;

let builds: TestBuilds;
beforeEach(() => {
  if ("sandbox" in sandbox) builds = testBuilds({ sandbox: sandbox.sandbox });
});
afterEach(() => builds?.[Symbol.dispose]());

/** The files with the lock file that npm makes of them. */
function locked(packageJson: object, files: Files): Files {
  const folder = mkdtempSync(join(tmpdir(), "zarpa-lock-"));
  writeFiles(folder, { "package.json": JSON.stringify(packageJson) });
  execFileSync("npm", ["install", "--package-lock-only", "--silent", "--ignore-scripts"], { cwd: folder });
  const lock = readFileSync(join(folder, "package-lock.json"), "utf8");
  rmSync(folder, { recursive: true });
  return { "package.json": JSON.stringify(packageJson), "package-lock.json": lock, ...files };
}

describe("the Node.js buildpack", { skip: missing }, () => {
  test("names what is wrong with package.json", async () => {
    const { output, outcome } = await builds.build({ "package.json": "{ nonsense" });
    assert.deepEqual(outcome, { status: "failed", reason: "failed to compile Node.js app" });
    assert.match(output, /-----> Node\.js app detected\n[^]*-----> Build failed\n\n !     Unable to parse package\.json: /);
    assert.ok(output.endsWith(" !     Push rejected, failed to compile Node.js app.\n\n !     Push failed\n"), output);
  });

  test("brings Node and npm, runs the build script and shows why it fails", async () => {
    const scripts = {
      "heroku-prebuild": "node -p '`v${process.versions.node} ${process.env.GREETING}`'",
      build: "node build.js",
    };
    const files = { "package.json": JSON.stringify({ engines: { node: ">=26" }, scripts }) };
    const order = { configVars: { GREETING: "hello", NODE_MODULES_CACHE: "false" } };
    const { output } = await builds.build({ ...files, "build.js": "throw new Error('no luck')" }, order);
    assert.match(output, /engines\.node \(package\.json\): {3}>=26\n/);
    assert.match(output, /-----> Prebuild\n[^]*v26\.\d+\.\d+ hello\n/);
    assert.match(output, /Error: no luck[^]* !     The script "build" of package\.json has failed\.\n/);
  });
});

describe("the Node.js buildpack with the package registry", { skip: online }, () => {
  test("installs once; development packages build but stay out of the slug; a redeploy takes the same files", async () => {
    const scripts = { start: "node index.js", build: "node -p 'require(\"is-odd\")(3)'" };
    const source = locked(
      { scripts, dependencies: { "is-number": "7.0.0" }, devDependencies: { "is-odd": "3.0.1" } },
      { "index.js": "1" },
    );
    const first = await builds.build(source);
    assert.deepEqual(first.slug.processTypes, { web: "npm start" });
    assert.match(first.output, /-----> Build\n {7}Running build\n[^]*true\n[^]*-----> Pruning devDependencies\n/);
    assert.deepEqual(
      readdirSync(builds.inSlug(first.slug, "node_modules")).filter((name) => !name.startsWith(".")),
      ["is-number"],
    );
    const second = await builds.build({ ...source, "index.js": "2" });
    assert.match(second.output, /Using cached install of Node\.js 26[^]*Using the cached node modules[^]*true\n/);
    const inode = (built: typeof first, name: string): number => lstatSync(builds.inSlug(built.slug, name)).ino;
    for (const name of ["node_modules/is-number/index.js", ".heroku/node/bin/node"])
      assert.equal(inode(first, name), inode(second, name));
    assert.deepEqual(await builds.store.verify(first.slug.tree), []);
  });

  test("ends with the cause when the lock file does not fit", async () => {
    const source = locked({ dependencies: { "is-number": "7.0.0" } }, {});
    const { output } = await builds.build({
      ...source,
      "package.json": JSON.stringify({ dependencies: { "is-number": "6.0.0" } }),
    });
    assert.match(output, /npm ci/);
    assert.match(output, / !     Unable to install the packages with npm\.\n/);
  });

  test("downloads the version of Node that engines asks for", async () => {
    const source = { "package.json": JSON.stringify({ engines: { node: "22.x" }, scripts: { build: "node --version" } }) };
    const { output } = await builds.build(source);
    assert.match(output, /Downloading and installing node 22\.\d+\.\d+\.\.\.\n[^]* {7}v22\.\d+\.\d+\n/);
  });
});
