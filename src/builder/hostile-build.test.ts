import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { type TestBuilds, testBuilds, testSandbox, writeFiles } from "../../test/support/builds.ts";

const found = await testSandbox();
const scratch = mkdtempSync(join(tmpdir(), "zarpa-hostile-"));
const packs = new Map<string, Buffer>();
const server = createServer((request, response) => response.end(packs.get(request.url ?? "")));
let origin = "";

before(async () => {
  await once(server.listen(0, "127.0.0.1"), "listening");
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => {
  server.close();
  rmSync(scratch, { recursive: true, force: true });
});

/** A buildpack that runs a script; `$1` is BUILD_DIR, `$2` CACHE_DIR. */
function buildpack(name: string, script: string): { url: string; name: string }[] {
  const folder = mkdtempSync(join(scratch, "pack-"));
  writeFiles(folder, { "bin/detect": "#!/bin/sh\necho Hostile\n", "bin/compile": `#!/bin/bash\n${script}\n` });
  packs.set(`/${name}.tgz`, gzipSync(execFileSync("tar", ["-c", "-C", folder, "."])));
  return [{ url: `${origin}/${name}.tgz`, name }];
}

const APP = { Procfile: "web: true\n" };

describe("a hostile app", { skip: "missing" in found ? found.missing : false }, () => {
  let builds: TestBuilds;
  beforeEach(() => {
    assert.ok("sandbox" in found);
    builds = testBuilds({ sandbox: found.sandbox, trustedOrigins: [origin] });
  });
  afterEach(() => builds[Symbol.dispose]());

  test("may have file names that are not UTF-8", async () => {
    const id = "push-latin";
    const folder = join(builds.paths.builds, id, "source");
    writeFiles(folder, APP);
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/a`), Buffer.of(0xf1), Buffer.from("o.txt")]), "");
    const order = { source: { kind: "git", folder }, buildpacks: buildpack("plain", 'ls "$1" | od -c | head -1') } as const;
    const { outcome, output } = await builds.build({}, order);
    assert.equal(outcome.status, "succeeded", output);
    assert.match(output, /a 361 {3}o/);
  });

  test("has no say in how git fetches a buildpack", async () => {
    const outside = join(scratch, "outside");
    writeFiles(outside, { "bin/detect": `#!/bin/sh\necho Stolen\n`, "bin/compile": "#!/bin/sh\nfalse\n" });
    const { output } = await builds.build(
      {
        ...APP,
        ".gitconfig": '[url "git://pack.invalid/"]\n\tinsteadOf = https://pack.invalid/\n[core]\n\tgitProxy = /app/run\n',
        run: `#!/bin/sh\nln -s ${outside} /opt/zarpa/fetched/0/current\nsleep 1\n`,
      },
      { buildpacks: [{ url: "https://pack.invalid/x", name: "x" }] },
    );
    assert.match(output, /The buildpack https:\/\/pack\.invalid\/x could not be cloned\./);
    assert.doesNotMatch(output, /its last version is used|Stolen/);
    const [key = ""] = readdirSync(join(builds.paths.caches, "app-1", "buildpacks"));
    assert.deepEqual(readdirSync(join(builds.paths.caches, "app-1", "buildpacks", key)), []);
  });

  test("gets no folder of the host for a buildpack, although a link is in its place", async () => {
    const order = { buildpacks: [{ url: "https://pack.invalid/x", name: "x" }] };
    await builds.build(APP, order);
    const [key = ""] = readdirSync(join(builds.paths.caches, "app-1", "buildpacks"));
    symlinkSync("/", join(builds.paths.caches, "app-1", "buildpacks", key, "current"));
    const { output } = await builds.build(APP, order);
    assert.doesNotMatch(output, /its last version is used/);
  });

  test("does not lose its cache under a running build, but after it", async () => {
    const script = 'touch "$2/begun"; for i in {1..100}; do [[ -e /tmp/go ]] && break; sleep 0.05; done';
    const building = builds.build(APP, { buildpacks: buildpack("slow", script) });
    const tmp = join(builds.paths.caches, "app-1", "tmp");
    while (!existsSync(join(tmp, "codon", "tmp", "cache", "begun"))) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    await builds.builder.purgeCache("app-1");
    assert.ok(existsSync(tmp));
    writeFiles(tmp, { go: "" });
    assert.equal((await building).outcome.status, "succeeded");
    assert.deepEqual(readdirSync(builds.paths.caches), []);
  });

  test("leaves nothing on the disk but its cache, whatever the names", async () => {
    const name = "$'a\\xf1o'";
    const fill = `mkdir /tmp/${name} && echo x >/tmp/${name}/x && echo x >/tmp/fill && ln -s /etc /tmp/link && chmod 0 /tmp/${name}`;
    const { outcome } = await builds.build(APP, { buildpacks: buildpack("fill", fill) });
    assert.equal(outcome.status, "succeeded");
    const tmp = join(builds.paths.caches, "app-1", "tmp");
    assert.deepEqual([readdirSync(tmp), readdirSync(join(tmp, "codon"))], [["codon"], ["tmp"]]);
  });

  test("loses a cache that is larger than allowed", async () => {
    assert.ok("sandbox" in found);
    using small = testBuilds({ sandbox: found.sandbox, trustedOrigins: [origin], limits: { cacheBytes: 1_000_000 } });
    const { outcome, output } = await small.build(APP, {
      buildpacks: buildpack("hoard", 'head -c 3000000 /dev/zero >"$2/hoard"'),
    });
    assert.equal(outcome.status, "succeeded");
    assert.match(output, /The build cache has 2\.9M, more than the 976\.6K allowed, and is cleared\./);
    assert.deepEqual(readdirSync(small.paths.caches), []);
  });

  test("that has put a link in place of the platform's folders leads it nowhere", async () => {
    const outside = join(scratch, "behind");
    writeFiles(outside, { "tmp/cache/file": "untouched" });
    const tmp = join(builds.paths.caches, "app-1", "tmp");
    writeFiles(tmp, {});
    symlinkSync(outside, join(tmp, "codon"));
    assert.equal((await builds.build(APP, { buildpacks: buildpack("harmless", "true") })).outcome.status, "succeeded");
    assert.equal(readFileSync(join(outside, "tmp", "cache", "file"), "utf8"), "untouched");
    assert.equal(lstatSync(join(outside, "tmp", "cache")).uid, process.getuid?.());
    assert.ok(lstatSync(join(tmp, "codon")).isDirectory());
  });
});
