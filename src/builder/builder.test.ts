import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { plainSandbox } from "../../test/support/build-sandbox.ts";
import { type Files, testBuilds, type TestBuilds, testSandbox, writeFiles } from "../../test/support/builds.ts";

const found = await testSandbox();
const scratch = mkdtempSync(join(tmpdir(), "zarpa-builder-"));
const archives = new Map<string, Buffer>();
const server = createServer((request, response) => {
  const archive = archives.get(request.url ?? "");
  if (archive === undefined) response.writeHead(404).end();
  else response.end(archive);
});
let origin = "";

before(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => {
  server.close();
  rmSync(scratch, { recursive: true, force: true });
});

/** Serves files as a tarball; answers its URL. */
function serve(name: string, files: Files): string {
  const folder = mkdtempSync(join(scratch, "tar-"));
  writeFiles(folder, files);
  archives.set(`/${name}.tgz`, gzipSync(execFileSync("tar", ["-c", "-C", folder, "."])));
  return `${origin}/${name}.tgz`;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  return port;
}

function commit(folder: string): void {
  const git = (...args: string[]): unknown =>
    execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@localhost", ...args], { cwd: folder });
  git("init", "--quiet", "--initial-branch=main");
  git("add", ".");
  git("commit", "--quiet", "--message", "x");
}

/** Resolves when the daemon listens. */
async function gitDaemon(folder: string, port: number): Promise<ChildProcess> {
  const options = ["--verbose", "--export-all", "--listen=127.0.0.1", `--port=${port}`, `--base-path=${folder}`];
  const daemon = spawn("git", ["daemon", ...options], { stdio: ["ignore", "ignore", "pipe"] });
  await once(daemon.stderr, "data");
  return daemon;
}

/** A classic buildpack with this compile script. */
function buildpack(name: string, compile: string, more: Files = {}): { url: string; name: string } {
  const url = serve(name, {
    "bin/detect": "#!/bin/bash\necho Test\n",
    "bin/compile": `#!/bin/bash\nset -eu\n${compile}\n`,
    ...more,
  });
  return { url, name: url };
}

for (const kind of ["namespaces", "plain"] as const) {
  const missing = kind === "plain" || !("missing" in found) ? false : found.missing;
  describe(`a build in a sandbox (${kind})`, { skip: missing }, () => {
    let builds: TestBuilds;
    const sandbox = "missing" in found || kind === "plain" ? plainSandbox : found.sandbox;
    const uid = kind === "plain" ? { uid: process.getuid?.() ?? 0 } : {};
    beforeEach(() => {
      builds = testBuilds({ sandbox, ...uid, trustedOrigins: [origin] });
    });
    afterEach(() => builds[Symbol.dispose]());
    // What does not depend on the sandbox is tried in one of them.
    const onceOnly = kind === "namespaces" || "missing" in found ? test : (): void => {};

    test("follows the classic buildpack interface", async () => {
      const first = buildpack(
        "first",
        'echo "       STACK=$STACK A=${A-unset} $(cat "$3/A")"; echo one >"$1/one"; echo kept >"$2/kept"; echo "export FROM_FIRST=$1" >"$(dirname "$0")/../export"',
      );
      const second = buildpack("second", 'test "$FROM_FIRST" = "$1"; cat "$2/kept" >"$1/two"', {
        "bin/release": '#!/bin/bash\nprintf -- "---\\ndefault_process_types:\\n  web: run web\\n  console: irb\\n"\n',
      });
      const { slug, output } = await builds.build(
        { "app.txt": "x", Procfile: "web: mine\n", "secret.psd": "", ".slugignore": "*.psd\n" },
        { buildpacks: [first, second], configVars: { A: "a value" } },
      );
      assert.deepEqual(slug.processTypes, { web: "mine", console: "irb" });
      assert.deepEqual(slug.buildpacks, [first, second]);
      assert.deepEqual([slug.description, slug.checksum], ["Test", `SHA256:${slug.tree}`]);
      assert.deepEqual(readdirSync(builds.inSlug(slug, "")).sort(), [".slugignore", "Procfile", "app.txt", "one", "two"]);
      assert.equal(readFileSync(builds.inSlug(slug, "two"), "utf8"), "kept\n");
      assert.match(output, /^-----> Building on the Heroku-24 stack\n-----> Using buildpacks:\n {7}1\. http/);
      assert.match(output, /STACK=heroku-24 A=unset a value\n/);
      const types = "       Procfile declares types     -> web\n       Default types for buildpack -> console, web\n\n";
      assert.ok(output.endsWith(`-----> Discovering process types\n${types}-----> Compressing...\n       Done: 0.0K\n`), output);
    });

    onceOnly("says what it looked for when nothing is detected", async () => {
      const { outcome, output } = await builds.build({ "README.md": "# hi", "src/app.py": "" });
      assert.deepEqual(outcome, { status: "failed", reason: "no default language could be detected" });
      assert.match(
        output,
        /-----> Determining which buildpack to use for this app\n !     No default language could be detected for this app\.\n/,
      );
      assert.match(output, /holds: README\.md, src\./);
      assert.ok(output.endsWith("\n !     Push failed\n"), output);
    });

    onceOnly("names the line of a Procfile's syntax error before anything runs", async () => {
      const { outcome, output } = await builds.build({ "requirements.txt": "", Procfile: "web gunicorn app:app\n" });
      assert.equal(outcome.status, "failed");
      assert.match(
        output,
        /^-----> Building .*\n !     Procfile line 1: "web gunicorn app:app" .* did you mean "web: gunicorn app:app"\?\n/,
      );
      assert.doesNotMatch(output, /Python app detected/);
    });

    onceOnly("ends with the cause when a buildpack fails", async () => {
      const { outcome, output } = await builds.build(
        { a: "" },
        { buildpacks: [buildpack("broken", 'echo " !     no luck"; exit 3')] },
      );
      assert.deepEqual(outcome, { status: "failed", reason: "failed to compile Test app" });
      assert.ok(
        output.endsWith(" !     no luck\n !     Push rejected, failed to compile Test app.\n\n !     Push failed\n"),
        output,
      );
    });

    onceOnly("refuses an app that a set buildpack does not detect", async () => {
      const { output } = await builds.build(
        { a: "" },
        { buildpacks: [{ url: "urn:buildpack:heroku/python", name: "heroku/python" }] },
      );
      assert.match(output, / !     App not compatible with buildpack: heroku\/python\n/);
    });

    onceOnly("refuses unknown and broken buildpacks by name", async () => {
      const unknown = await builds.build(
        { a: "" },
        { buildpacks: [{ url: "urn:buildpack:heroku/cobol", name: "heroku/cobol" }] },
      );
      assert.match(
        unknown.output,
        /heroku\/cobol is not part of this installation\.\n !     Use one of heroku\/python, heroku\/nodejs/,
      );
      const none = await builds.build({ a: "" }, { buildpacks: [{ url: `${origin}/none.tgz`, name: "none" }] });
      assert.match(none.output, /none\.tgz: the server answered 404/);
      const empty = serve("empty", { README: "", LICENSE: "" });
      const broken = await builds.build({ a: "" }, { buildpacks: [{ url: empty, name: empty }] });
      assert.match(broken.output, /it is no classic buildpack/);
    });

    test("keeps a folder that a buildpack moves, without copying it, and after a failure too", async () => {
      const compile = `
        if [ -d "$2/deps" ]; then mv "$2/deps" "$1/deps"; echo restored; else mkdir "$1/deps"; echo 1 >"$1/deps/a"; echo 2 >"$1/deps/b"; fi
        ln -s "$1/deps" "$2/deps"
        if [ -f "$1/fail" ]; then exit 1; fi`;
      const order = { buildpacks: [buildpack("mover", compile)] };
      const first = await builds.build({ v: "1" }, order);
      const failed = await builds.build({ v: "2", fail: "" }, order);
      const second = await builds.build({ v: "3" }, order);
      assert.deepEqual(
        [first, failed, second].map((built) => built.output.includes("restored\n")),
        [false, true, true],
      );
      const inode = (built: typeof first): number => lstatSync(builds.inSlug(built.slug, "deps/a")).ino;
      assert.equal(inode(first), inode(second));
    });

    test("writes in place into a cached folder reach no older slug", async () => {
      const compile = `
        if [ -d "$2/deps" ]; then mv "$2/deps" "$1/deps"; echo evil >>"$1/deps/a"; else mkdir "$1/deps"; echo good >"$1/deps/a"; fi
        ln -s "$1/deps" "$2/deps"`;
      const order = { buildpacks: [buildpack("poison", compile)] };
      const first = await builds.build({ v: "1" }, order);
      const second = await builds.build({ v: "2" }, order);
      assert.equal(readFileSync(builds.inSlug(first.slug, "deps/a"), "utf8"), "good\n");
      assert.equal(readFileSync(builds.inSlug(second.slug, "deps/a"), "utf8"), "good\nevil\n");
      assert.deepEqual(await builds.store.verify(first.slug.tree), []);
    });

    test("is stopped with a reason: time, output, cancellation", async () => {
      const slow = buildpack("slow", "sleep 60");
      const flood = buildpack("flood", "yes flood");
      using short = testBuilds({
        sandbox,
        ...uid,
        trustedOrigins: [origin],
        limits: { milliseconds: 1500, outputBytes: 10_000 },
      });
      const late = await short.build({ a: "" }, { buildpacks: [slow] });
      assert.match(
        late.output,
        /was stopped\.\n[^]*Push rejected, timed out compiling Test app \(limit: 0 minutes\)\.\n\n !     Push failed\n$/,
      );
      const loud = await short.build({ a: "" }, { buildpacks: [flood] });
      assert.match(loud.output, /too much output compiling Test app \(limit: 9\.8K\)/);
      assert.ok(loud.output.length < 12_000);
      const abort = new AbortController();
      const cancelled = builds.build({ a: "" }, { buildpacks: [slow] }, abort.signal);
      abort.abort();
      assert.deepEqual((await cancelled).outcome, { status: "failed", reason: "cancelled" });
    });

    test("leaves no config vars, no work folders and no source behind", async () => {
      await builds.build({ a: "" }, { buildpacks: [buildpack("quiet", "true")], configVars: { TOKEN: "hush" } });
      assert.deepEqual(readdirSync(join(builds.paths.caches, "app-1", "tmp")), ["codon"]);
      assert.deepEqual(readdirSync(builds.paths.builds), []);
      await builds.builder.purgeCache("app-1");
      assert.deepEqual(readdirSync(builds.paths.caches), []);
    });

    onceOnly("takes a tarball by its URL when the checksum fits", async () => {
      const url = serve("source", { "code-main/app.txt": "x" });
      const sum = createHash("sha256")
        .update(archives.get("/source.tgz") ?? "")
        .digest("hex");
      const order = { buildpacks: [buildpack("copy", "true")] };
      const right = await builds.build({}, { ...order, source: { kind: "url", url, checksum: `SHA256:${sum}` } });
      assert.equal(readFileSync(builds.inSlug(right.slug, "app.txt"), "utf8"), "x");
      const wrong = await builds.build({}, { ...order, source: { kind: "url", url, checksum: "SHA256:00" } });
      assert.match(wrong.output, /The source's checksum is SHA256:[0-9a-f]{64}, not the SHA256:00/);
    });

    onceOnly(
      "clones a buildpack from Git, the newest commit each time, and keeps the last one when the server is away",
      async () => {
        const port = await freePort();
        const folder = mkdtempSync(join(scratch, "git-"));
        writeFiles(join(folder, "pack"), { "bin/detect": "#!/bin/sh\necho Git\n", "bin/compile": "#!/bin/sh\necho one\n" });
        commit(join(folder, "pack"));
        const daemon = await gitDaemon(folder, port);
        const order = { buildpacks: [{ url: `git://127.0.0.1:${port}/pack#main`, name: "pack" }] };
        try {
          const first = await builds.build({ a: "" }, order);
          assert.match(first.output, /-----> Using buildpack: pack\n-----> Git app detected\none\n/);
          writeFiles(join(folder, "pack"), { "bin/compile": "#!/bin/sh\necho two\n" });
          commit(join(folder, "pack"));
          assert.match((await builds.build({ a: "" }, order)).output, /\ntwo\n/);
        } finally {
          daemon.kill();
        }
        const away = await builds.build({ a: "" }, order);
        assert.match(away.output, / !     The buildpack git:.* cannot be fetched now; its last version is used\.\n[^]*\ntwo\n/);
      },
    );

    onceOnly("is refused while the disk is almost full", async () => {
      using full = testBuilds({ sandbox, ...uid, limits: { freeDiskBytes: Number.MAX_SAFE_INTEGER } });
      const { outcome, output } = await full.build({ "requirements.txt": "" });
      assert.deepEqual(outcome, { status: "failed", reason: "the disk is full" });
      assert.match(output, /Ask its operator to make room/);
    });

    onceOnly("refuses a slug over the limit", async () => {
      using small = testBuilds({ sandbox, ...uid, trustedOrigins: [origin], limits: { slugBytes: 1_048_576 } });
      const big = buildpack("big", 'head -c 3000000 /dev/zero >"$1/big"');
      const { output } = await small.build({ a: "" }, { buildpacks: [big] });
      assert.match(output, / !     Compiled slug size: 3M is too large \(max is 1M\)\.\n/);
    });
  });
}

describe("a hostile build", { skip: "missing" in found ? found.missing : false }, () => {
  let builds: TestBuilds;
  beforeEach(() => {
    assert.ok("sandbox" in found);
    builds = testBuilds({ sandbox: found.sandbox, trustedOrigins: [origin] });
  });
  afterEach(() => builds[Symbol.dispose]());

  test("sees neither the cache nor the files of another app", async () => {
    await builds.build({ a: "" }, { buildpacks: [buildpack("keeper", 'echo hush >"$2/secret"')] });
    const look = buildpack("look", 'find / -xdev -name secret 2>/dev/null; find /tmp -name secret; ls "$2"');
    const { output } = await builds.build({ a: "" }, { app: { id: "app-2", name: "app-2", uid: 200_501 }, buildpacks: [look] });
    assert.doesNotMatch(output, /secret/);
    const path = join(builds.paths.caches, "app-1/tmp/codon/tmp/cache/secret");
    assert.deepEqual([lstatSync(path).uid, lstatSync(path).mode & 0o777], [200_500, 0o644]);
  });

  test("cannot put links where the platform writes or reads", async () => {
    const outside = join(scratch, "outside");
    writeFiles(outside, { file: "untouched" });
    const attack = `
      mv /tmp/codon /tmp/away 2>/dev/null && echo "codon moved"
      rm -rf "$2" 2>/dev/null; rmdir "$2" 2>/dev/null && echo "cache removed"
      ln -s ${outside} "$2/out"; ln -s "$1/.." "$2/up"; ln -s "$1" "$2/all"
      ln -s ${outside} "$1/linked"; ln -s "$1/linked" "$2/through"
      for name in /tmp/result_*; do ln -s /etc/shadow "$name/Procfile"; done
      rm -f "$1/Procfile"; ln -s /etc/passwd "$1/Procfile"
      ln -s ${outside} /tmp/planted`;
    const order = { buildpacks: [buildpack("attack", attack)] };
    const { output, outcome } = await builds.build({ a: "", Procfile: "web: x\n" }, order);
    assert.doesNotMatch(output, /codon moved|cache removed|root:/);
    assert.equal(outcome.status, "failed", "a Procfile full of /etc/passwd is none");
    await builds.build({ a: "" }, { buildpacks: [buildpack("harmless", "true")] });
    assert.equal(readFileSync(join(outside, "file"), "utf8"), "untouched");
    assert.equal(lstatSync(outside).uid, 0);
    assert.deepEqual(readdirSync(join(builds.paths.caches, "app-1", "tmp")), ["codon"]);
  });

  test("that puts a link in place of its build folder fails, and nothing behind the link is touched", async () => {
    const outside = join(scratch, "behind");
    writeFiles(outside, { "deps/file": "untouched", Procfile: "web: stolen\n" });
    const attack = `mv "$1" /tmp/away && ln -s ${outside} "$1" && ln -s "$1/deps" "$2/deps"; ls -d /tmp/codon/*/..`;
    const { outcome, output } = await builds.build({ a: "" }, { buildpacks: [buildpack("swap", attack)] });
    assert.deepEqual(outcome, { status: "failed", reason: "the build has moved its own BUILD_DIR away" });
    assert.doesNotMatch(output, /stolen/);
    assert.equal(readFileSync(join(outside, "deps/file"), "utf8"), "untouched");
  });

  test("writes neither to its buildpacks nor to the stack", async () => {
    const write = buildpack(
      "write",
      "touch /opt/zarpa/buildpacks/x /opt/zarpa/driver/x /opt/zarpa/fetched/0/x /etc/x 2>&1 || true; id -u",
    );
    const { output } = await builds.build({ a: "" }, { buildpacks: [write] });
    assert.equal(output.match(/cannot touch/g)?.length, 4, output);
    assert.match(output, /^200500$/m);
    assert.ok(!existsSync("/etc/x"));
  });

  test("finds no set-user-id program of its making in the slug", async () => {
    const { slug } = await builds.build(
      { a: "#!/bin/sh" },
      { buildpacks: [buildpack("suid", 'chmod 6755 "$1/a"; mkfifo "$1/pipe"')] },
    );
    assert.equal(lstatSync(builds.inSlug(slug, "a")).mode & 0o7777, 0o755);
    assert.ok(!existsSync(builds.inSlug(slug, "pipe")));
  });
});
