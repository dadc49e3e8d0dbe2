import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { mkdirSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { runCommand } from "../src/kernel/command.ts";
import { pathsUnder } from "../src/kernel/paths.ts";
import { instanceFile } from "../src/cli/instance.ts";
import { takeLock } from "./setup/lock.ts";

interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

function run(script: string, argv: string[], settings: Record<string, string>): Outcome {
  const { PATH = "" } = process.env;
  const env = { PATH, HOME: "/nonexistent", LANG: "C", ...settings };
  return spawnSync(process.execPath, [join(import.meta.dirname, script), ...argv], { env, encoding: "utf8" });
}

describe("npm start and npm stop", () => {
  const folder = mkdtempSync(join(tmpdir(), "zarpa-start-"));
  const home = join(folder, "home");
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("name every wrong setting at once, end with 2 and start nothing", () => {
    const wrong = { ZARPA_HOME: home, ZARPA_PORT: "x", ZARPA_DRIVER: "docker", DATABASE_URL: "mysql://x" };
    for (const script of ["start.ts", "stop.ts"]) {
      const { status, stderr } = run(script, [], wrong);
      assert.equal(status, 2);
      for (const name of ["ZARPA_PORT", "ZARPA_DRIVER", "DATABASE_URL"]) assert.ok(stderr.includes(name), stderr);
    }
    assert.equal(existsSync(home), false);
  });

  it("say what is wrong with the data folder", () => {
    const { status, stderr } = run("start.ts", [], { ZARPA_HOME: "/dev/null/zarpa" });
    assert.equal(status, 1);
    assert.match(stderr, /data folder \/dev\/null\/zarpa cannot be used.*Set ZARPA_HOME/);
  });

  it("refuse a second start while one runs, and leave that one alone", () => {
    const paths = pathsUnder(home);
    mkdirSync(paths.run, { recursive: true });
    const lock = takeLock(paths);
    const { status, stderr } = run("start.ts", [], { ZARPA_HOME: home, LANG: "es_AR.UTF-8" });
    assert.equal(status, 1);
    assert.match(stderr, new RegExp(`ya está en marcha \\(proceso ${process.pid}\\)`));
    assert.deepEqual(readdirSync(home), ["run"]);
    lock?.release();
  });

  it("stop nothing where nothing runs", () => {
    assert.deepEqual(run("stop.ts", [], { ZARPA_HOME: join(folder, "empty") }).stdout, "Nothing was running.\n");
    assert.equal(existsSync(join(folder, "empty")), false);
  });
});

describe("zarpa", () => {
  const home = mkdtempSync(join(tmpdir(), "zarpa-cli-"));
  let server: Server;
  before(async () => {
    server = createServer((request, response) => {
      const mine = request.headers.authorization === "Bearer my-token";
      const answers: Record<string, unknown> = {
        "/apps": [{ id: "a1" }, { id: "a2" }],
        "/apps/a1/dynos": [{}, {}],
        "/apps/a2/dynos": [{}],
      };
      const body = request.url === "/api/v4/current-status" ? {} : mine ? answers[request.url ?? ""] : undefined;
      response.writeHead(body === undefined ? 401 : 200).end(JSON.stringify(body ?? {}));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    mkdirSync(join(home, "run"));
    const { port } = server.address() as AddressInfo;
    const instance = {
      version: "0.1.0",
      home,
      port,
      tls_port: 5443,
      domain: "localhost",
      bundle: "/b.crt",
      driver: "oci",
      database: "external",
    };
    writeFileSync(instanceFile(home), JSON.stringify(instance));
  });
  after(() => {
    server.close();
    rmSync(home, { recursive: true, force: true });
  });

  const zarpa = async (argv: string[], settings: Record<string, string> = {}): Promise<Outcome> => {
    const env = { PATH: process.env["PATH"] ?? "", HOME: home, LANG: "C", ZARPA_HOME: home, ...settings };
    const { exitCode, stdout, stderr } = await runCommand([process.execPath, join(import.meta.dirname, "zarpa.mjs"), ...argv], {
      env,
    });
    return { status: exitCode, stdout, stderr };
  };

  it("prints the environment of the platform that was started, not of this shell's settings", async () => {
    const { stdout, status } = await zarpa(["env"], { ZARPA_TLS_PORT: "9999" });
    assert.equal(status, 0);
    assert.match(stdout, /^export HEROKU_GIT_HOST=localhost:5443$/m);
    assert.match(stdout, /^export NODE_EXTRA_CA_CERTS=\/b\.crt$/m);
  });

  it("prints what a platform would get where none was started", async () => {
    const { stdout } = await zarpa(["env"], { ZARPA_HOME: "/nonexistent/zarpa", ZARPA_PORT: "4000" });
    assert.match(stdout, /^export HEROKU_HOST=http:\/\/localhost:4000$/m);
    assert.match(stdout, /^export GIT_SSL_CAINFO=\/nonexistent\/zarpa\/authority\/bundle\.crt$/m);
  });

  it("says what runs, with the token that heroku login has left", async () => {
    const { port } = server.address() as AddressInfo;
    assert.match((await zarpa(["status"])).stdout, /Apps .*heroku login/);
    writeFileSync(
      join(home, ".netrc"),
      `machine other\n  password x\nmachine localhost:${port}\n  login ana\n  password my-token\n`,
    );
    const { stdout, status } = await zarpa(["status"]);
    assert.equal(status, 0);
    assert.match(stdout, /^Control plane {2}running/m);
    assert.match(stdout, /^Apps +2 \(3 dynos\)$/m);
    assert.match(stdout, /^PostgreSQL +your own/m);
  });

  it("ends with 1 where nothing runs, with 2 for a word it does not know", async () => {
    assert.equal((await zarpa(["status"], { ZARPA_HOME: "/nonexistent/zarpa" })).status, 1);
    const { status, stderr } = await zarpa(["deploy"]);
    assert.equal(status, 2);
    assert.match(stderr, /no command "deploy"/);
    assert.match((await zarpa([], { LANG: "es_ES.UTF-8" })).stdout, /^Uso: zarpa COMANDO/);
  });
});
