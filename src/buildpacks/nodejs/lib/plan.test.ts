import assert from "node:assert/strict";
import { describe, test } from "node:test";
import semver from "semver";
import { chooseNode, devPaths, type Facts, makePlan, type Plan } from "./plan.ts";

const facts: Facts = { ownVersion: "26.10.0", versions: ["18.20.8", "20.11.0", "20.20.2", "24.1.0"], semver };

function plan(packageJson: unknown, files: Record<string, string> = {}): Plan | { problem: string } {
  const all: Record<string, string> = { "package.json": JSON.stringify(packageJson), ...files };
  return makePlan((name) => all[name] ?? null, facts);
}

function good(packageJson: unknown, files: Record<string, string> = {}): Plan {
  const made = plan(packageJson, files);
  assert.ok("key" in made, JSON.stringify(made));
  return made;
}

describe("the version of Node", () => {
  const CASES: [range: string, version: string | null, own: boolean][] = [
    ["", "26.10.0", true],
    [">=18", "26.10.0", true],
    ["26.x", "26.10.0", true],
    ["20.x", "20.20.2", false],
    ["^20.11.0 <20.12", "20.11.0", false],
    ["18 || 24", "24.1.0", false],
    ["14.x", null, false],
  ];
  for (const [range, version, own] of CASES) {
    test(`for "${range}" is ${version}`, () => {
      assert.deepEqual(chooseNode(range, facts), { version, own });
    });
  }

  test("is asked of the registry when its list is not here", () => {
    assert.deepEqual(chooseNode("20.x", { ...facts, versions: [] }), { version: "", own: false });
  });
});

describe("the package manager", () => {
  const pnpm = (version: string): Record<string, string> => ({ "pnpm-lock.yaml": `lockfileVersion: '${version}'\n` });
  const CASES: [what: string, packageJson: object, files: Record<string, string>, manager: string, range: string][] = [
    ["nothing", {}, {}, "npm", ""],
    ["package-lock.json", {}, { "package-lock.json": "{}" }, "npm", ""],
    ["engines.npm", { engines: { npm: "10.x" } }, {}, "npm", "10.x"],
    ["yarn.lock", {}, { "yarn.lock": "# yarn lockfile v1\n" }, "yarn", "^1.22"],
    ["a yarn.lock of Yarn 4", {}, { "yarn.lock": "# x\n\n__metadata:\n  version: 8\n" }, "berry", "^4"],
    ["packageManager", { packageManager: "yarn@4.9.1+sha512.abc" }, {}, "berry", "4.9.1"],
    ["pnpm-lock.yaml 9", {}, pnpm("9.0"), "pnpm", "^10"],
    ["pnpm-lock.yaml 6", {}, pnpm("6.0"), "pnpm", "^8"],
    ["pnpm-lock.yaml and packageManager", { packageManager: "pnpm@9.1.0" }, pnpm("9.0"), "pnpm", "9.1.0"],
    ["a packageManager that is no version", { packageManager: "yarn@; rm -rf /" }, {}, "npm", ""],
  ];
  for (const [what, packageJson, files, manager, range] of CASES) {
    test(`by ${what} is ${manager} ${range}`, () => {
      const made = good(packageJson, files);
      assert.deepEqual([made.manager, made.manager_range], [manager, range]);
    });
  }
});

describe("what cannot be built", () => {
  const CASES: [what: string, files: Record<string, string>, problem: RegExp][] = [
    ["package.json that is no JSON", { "package.json": "{,}" }, /Unable to parse package\.json: /],
    ["package.json that is a list", { "package.json": "[]" }, /holds no object/],
    [
      "two lock files",
      { "package.json": "{}", "yarn.lock": "", "package-lock.json": "{}" },
      /Two different lockfiles found: package-lock\.json and yarn\.lock/,
    ],
    ["engines.node that is no range", { "package.json": '{"engines":{"node":"latest please"}}' }, /engines\.node .* is no range/],
    [
      "engines.node that nothing satisfies",
      { "package.json": '{"engines":{"node":"14.x"}}' },
      /no version of Node\.js that satisfies/,
    ],
  ];
  for (const [what, files, problem] of CASES) {
    test(`${what}: says so`, () => {
      const made = makePlan((name) => files[name] ?? null, facts);
      assert.match("problem" in made ? (made.problem ?? "") : "", problem);
    });
  }
});

test("the key changes with what an install depends on, and with nothing else", () => {
  const lock = { "package-lock.json": "{}" };
  const base = good({ dependencies: { a: "1" }, scripts: { build: "x" } }, lock).key;
  assert.equal(good({ dependencies: { a: "1" }, scripts: { build: "y", start: "z" }, description: "d" }, lock).key, base);
  assert.notEqual(good({ dependencies: { a: "2" } }, lock).key, base);
  assert.notEqual(good({ dependencies: { a: "1" }, scripts: { postinstall: "x" } }, lock).key, base);
  assert.notEqual(good({ dependencies: { a: "1" } }, { ...lock, ".npmrc": "x=y" }).key, base);
  assert.notEqual(good({ dependencies: { a: "1" } }, { "package-lock.json": '{"a":1}' }).key, base);
});

test("the default process type comes from the start script, or from server.js", () => {
  assert.equal(good({ scripts: { start: "node ." } }).default_web, "npm start");
  assert.equal(good({}, { "server.js": "" }).default_web, "node server.js");
  assert.equal(good({}).default_web, "");
});

test("development packages and their commands are left out, shared ones stay", () => {
  const installed = JSON.stringify({
    packages: {
      "node_modules/express": {},
      "node_modules/mocha": { dev: true },
      "node_modules/@types/node": { dev: true },
      "node_modules/express/node_modules/ms": {},
      "node_modules/both": { devOptional: true },
      "packages/a": { dev: true },
    },
  });
  const targets: Record<string, string> = { mocha: "../mocha/bin/m.js", express: "../express/cli.js", odd: "../../x" };
  assert.deepEqual(
    devPaths(installed, (command) => targets[command] ?? null, Object.keys(targets)),
    ["mocha", "@types/node", ".bin/mocha"],
  );
});
