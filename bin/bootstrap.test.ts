import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";

const PROJECT = join(import.meta.dirname, "..");

interface LockEntry {
  optionalDependencies?: Record<string, string>;
}

describe("the bootstrap", () => {
  let root: string;
  before(() => {
    root = mkdtempSync(join(tmpdir(), "zarpa-bootstrap-"));
    mkdirSync(join(root, "bin"));
    cpSync(join(PROJECT, "bin", "bootstrap.mjs"), join(root, "bin", "bootstrap.mjs"));
    release("1.0.0");
  });
  after(() => rmSync(root, { recursive: true, force: true }));

  /** A project with one package, which lies beside it: nothing is downloaded. */
  function release(version: string): void {
    mkdirSync(join(root, "part"), { recursive: true });
    writeFileSync(join(root, "part", "package.json"), JSON.stringify({ name: "part", version }));
    const project = { name: "clone", version: "1.0.0", private: true, dependencies: { part: "file:part" } };
    writeFileSync(join(root, "package.json"), JSON.stringify(project));
    const packages = { "": project, part: { version }, "node_modules/part": { resolved: "part", link: true } };
    writeFileSync(
      join(root, "package-lock.json"),
      JSON.stringify({ name: "clone", lockfileVersion: 3, requires: true, packages }),
    );
  }

  const run = (env: Record<string, string> = {}): { output: string; status: number | null } => {
    const { PATH = "", HOME = "" } = process.env;
    const argv = [join(root, "bin", "bootstrap.mjs")];
    const result = spawnSync(process.execPath, argv, { encoding: "utf8", env: { PATH, HOME, LANG: "C", ...env } });
    return { output: result.stdout + result.stderr, status: result.status };
  };

  it("installs on a fresh clone, also where NODE_ENV is production", () => {
    const { output, status } = run({ NODE_ENV: "production" });
    assert.equal(status, 0, output);
    assert.match(output, /Installing the npm packages/);
    assert.ok(existsSync(join(root, "node_modules", "part", "package.json")));
  });

  it("says and does nothing the second time", () => {
    assert.deepEqual(run(), { output: "", status: 0 });
  });

  it("takes an installation by hand for its own", () => {
    rmSync(join(root, "node_modules", ".zarpa-installed"));
    assert.deepEqual(run(), { output: "", status: 0 });
    assert.ok(existsSync(join(root, "node_modules", ".zarpa-installed")));
  });

  it("installs again when the lock file changes", () => {
    release("1.1.0");
    const { output, status } = run({ LANG: "es_AR.UTF-8" });
    assert.equal(status, 0, output);
    assert.match(output, /Instalando los paquetes de npm/);
    assert.deepEqual(run(), { output: "", status: 0 });
  });

  it("says what to do when npm fails", () => {
    release("1.2.0");
    writeFileSync(join(root, "package.json"), "{ no json");
    const { output, status } = run();
    assert.equal(status, 1);
    assert.match(output, /run the same command again/);
  });
});

describe("the lock file", () => {
  const { packages } = JSON.parse(readFileSync(join(PROJECT, "package-lock.json"), "utf8")) as {
    packages: Record<string, LockEntry>;
  };

  /** Where Node looks from a package for another one: its own folder of packages, then those around it. */
  function folders(path: string): string[] {
    const parts = path.split("node_modules/");
    return parts.map(
      (_, depth) => `${parts.slice(0, depth + 1).join("node_modules/")}${depth === parts.length - 1 ? "/" : ""}node_modules/`,
    );
  }

  it("names the optional packages of every platform, or npm 11 refuses to install from it", () => {
    const missing = Object.entries(packages).flatMap(([path, entry]) =>
      Object.keys(entry.optionalDependencies ?? {}).filter(
        (name) => !folders(path).some((folder) => `${folder}${name}` in packages),
      ),
    );
    assert.deepEqual(missing, []);
  });

  it("holds no download address", () => {
    assert.doesNotMatch(readFileSync(join(PROJECT, "package-lock.json"), "utf8"), /"resolved": "http/);
  });
});
