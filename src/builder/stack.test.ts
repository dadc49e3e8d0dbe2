import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { hostMirrors } from "./stack-mirrors.ts";
import { hasStack, stackArgv } from "./stack.ts";

describe("the stack's package mirrors", () => {
  let etc: string;
  beforeEach(() => {
    etc = mkdtempSync(join(tmpdir(), "zarpa-etc-"));
    mkdirSync(join(etc, "apt", "sources.list.d"), { recursive: true });
    writeFileSync(join(etc, "os-release"), 'ID=debian\nVERSION_CODENAME=bookworm\nID_LIKE="x"\n');
  });
  afterEach(() => rmSync(etc, { recursive: true, force: true }));
  const apt = (name: string, text: string): void => writeFileSync(join(etc, "apt", name), text);

  it("are the host's, whatever the format of its sources", () => {
    apt(
      "sources.list",
      "# deb http://old.test/debian bookworm main\ndeb [arch=amd64] http://near.test/debian bookworm main contrib # ours\n",
    );
    apt(
      "sources.list.d/debian.sources",
      [
        "Types: deb\nURIs: http://off.test/debian\nSuites: bookworm-updates\nComponents: main\nEnabled: no\n",
        "Types: deb deb-src\nURIs: https://near.test/debian-security\nSuites: bookworm-security\nComponents: main\n",
      ].join("\n"),
    );
    apt("sources.list.d/tool.list", "deb https://tool.test/deb stable main\n");
    assert.deepEqual(hostMirrors(etc, "trixie"), [
      "deb http://near.test/debian trixie main",
      "deb https://near.test/debian-security trixie-security main",
    ]);
  });

  it("are left to mmdebstrap on another distribution", () => {
    writeFileSync(join(etc, "os-release"), "ID=ubuntu\nVERSION_CODENAME=noble\nID_LIKE=debian\n");
    apt("sources.list", "deb http://near.test/ubuntu noble main\n");
    assert.deepEqual(hostMirrors(etc, "trixie"), []);
  });

  it("are left to mmdebstrap when the host has none", () => {
    assert.deepEqual(hostMirrors(etc, "trixie"), []);
  });
});

describe("the stack", () => {
  it("is described by one command line", () => {
    const argv = stackArgv({
      target: "/stacks/x",
      mirrors: ["deb http://near.test/debian trixie main"],
      caBundle: "/ca.crt",
      keyring: "/k.gpg",
    });
    assert.deepEqual(argv.slice(0, 3), ["mmdebstrap", "--mode=root", "--variant=minbase"]);
    assert.match(argv[3] ?? "", /^--include=bash,.*,tini,.*,python3-venv,/);
    assert.ok(argv.includes('--aptopt=Acquire::https::CAInfo "/ca.crt"'));
    assert.ok(argv.includes("--keyring=/k.gpg"));
    assert.deepEqual(argv.slice(-3), ["trixie", "/stacks/x", "deb http://near.test/debian trixie main"]);
  });

  it("is missing until it is built", () => {
    assert.equal(hasStack(join(tmpdir(), "zarpa-no-such-folder"), "heroku-24"), false);
  });
});
