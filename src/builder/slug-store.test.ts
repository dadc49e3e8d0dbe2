import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import type { Sealed } from "./seal.ts";
import { createSlugStore, type SlugStore } from "./slug-store.ts";

const isRoot = process.getuid?.() === 0;
const OWNER = isRoot ? 200_777 : (process.getuid?.() ?? 0);
const base = mkdtempSync(join(tmpdir(), "zarpa-slugs-"));
after(() => rmSync(base, { recursive: true, force: true }));

let home = "";
let store: SlugStore;
let count = 0;

beforeEach(() => {
  home = join(base, String((count += 1)));
  mkdirSync(join(home, "cache"), { recursive: true });
  store = createSlugStore(join(home, "slugs"));
});

/** A build folder with these files (a value `-> x` is a link); its name is new each time. */
function folder(files: Record<string, string>): string {
  const path = mkdtempSync(join(home, "build-"));
  chmodSync(path, 0o755);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(path, name, ".."), { recursive: true });
    if (content.startsWith("-> ")) symlinkSync(content.slice(3), join(path, name));
    else writeFileSync(join(path, name), content);
  }
  return path;
}

async function seal(path: string, cached: string[] = [], omit: string[] = []): Promise<Sealed & { ok: true }> {
  const trees = cached.map((tree) => ({ path: tree, home: join(home, "cache", tree.replaceAll("/", "-")), omit }));
  const sealed = await store.seal({
    folder: path,
    owner: OWNER,
    cached: trees,
    record: join(home, "record"),
    spares: join(home, "spares"),
    maxBytes: 50_000_000,
  });
  assert.ok(sealed.ok, "not sealed");
  return sealed;
}

const app = (tree: string, name = ""): string => join(store.root(tree), "app", name);
const venv = {
  "app.py": "print()",
  ".heroku/python/lib/a.py": "a = 1",
  ".heroku/python/lib/b.py": "b = 1",
  ".heroku/python/bin/py": "-> /usr/bin/python3",
};

/** What the next build does: the tree comes out of the cache into a fresh build folder. */
function nextBuild(files: Record<string, string>): string {
  const path = folder(files);
  mkdirSync(join(path, ".heroku"), { recursive: true });
  renameSync(join(home, "cache", ".heroku-python"), join(path, ".heroku/python"));
  return path;
}

test("a build folder becomes a slug named by its content, the same content the same slug", async () => {
  const first = await seal(folder({ "app.py": "1", "static/a.css": "x", link: "-> /etc/passwd" }));
  assert.equal(readFileSync(app(first.tree, "static/a.css"), "utf8"), "x");
  assert.equal(readlinkSync(app(first.tree, "link")), "/etc/passwd");
  assert.equal(first.size, 2);
  const again = await seal(folder({ "app.py": "1", "static/a.css": "x", link: "-> /etc/passwd" }));
  assert.deepEqual([again.tree, again.reused], [first.tree, true]);
  const other = await seal(folder({ "app.py": "2", "static/a.css": "x", link: "-> /etc/passwd" }));
  assert.notEqual(other.tree, first.tree);
  assert.deepEqual((await store.list()).sort(), [first.tree, other.tree].sort());
  assert.deepEqual(await store.verify(first.tree), []);
});

test("what has not changed in a cached tree is linked from the former slug, not copied", async () => {
  const first = await seal(folder(venv), [".heroku/python"]);
  assert.deepEqual(first.counts, { files: 3, hashed: 1, copied: 2, linked: 0, spared: 0 });
  const second = await seal(nextBuild({ "app.py": "print(2)" }), [".heroku/python"]);
  assert.deepEqual(second.counts, { files: 3, hashed: 1, copied: 0, linked: 2, spared: 0 });
  assert.equal(
    statSync(app(first.tree, ".heroku/python/lib/a.py")).ino,
    statSync(app(second.tree, ".heroku/python/lib/a.py")).ino,
  );
  assert.deepEqual([await store.verify(first.tree), await store.verify(second.tree)], [[], []]);
});

test("a cached tree without any change is taken from the spare that was made of it", async () => {
  const paths = [".heroku/python"];
  const spares = join(home, "spares");
  const first = await seal(folder({ ...venv, ".heroku/python/link": "-> lib/a.py" }), paths);
  await store.spare({ tree: first.tree, paths, spares });
  const [spare] = readdirSync(spares);
  await store.spare({ tree: first.tree, paths, spares });
  assert.deepEqual(readdirSync(spares), [spare]);
  const second = await seal(nextBuild({ "app.py": "print(2)" }), paths);
  assert.deepEqual(second.counts, { files: 3, hashed: 1, copied: 0, linked: 0, spared: 2 });
  assert.equal(
    statSync(app(first.tree, ".heroku/python/lib/a.py")).ino,
    statSync(app(second.tree, ".heroku/python/lib/a.py")).ino,
  );
  assert.deepEqual([readdirSync(spares), await store.verify(second.tree)], [[], []]);
  const third = await seal(nextBuild({ "app.py": "print(3)" }), paths);
  assert.deepEqual(third.counts, { files: 3, hashed: 1, copied: 0, linked: 2, spared: 0 });
});

test("a spare is no use for a tree that has changed, and goes when there is a newer one", async () => {
  const paths = [".heroku/python"];
  const spares = join(home, "spares");
  const { tree } = await seal(folder(venv), paths);
  await store.spare({ tree, paths, spares });
  const before = readdirSync(spares);
  const build = nextBuild({ "app.py": "print(2)" });
  writeFileSync(join(build, ".heroku/python/lib/b.py"), "b = 2");
  const second = await seal(build, paths);
  assert.deepEqual(second.counts, { files: 3, hashed: 1, copied: 1, linked: 1, spared: 0 });
  const next = nextBuild({ "app.py": "print(2)" });
  mkdirSync(join(next, ".heroku/python/empty"));
  const third = await seal(next, paths);
  assert.equal(third.counts.spared, 0);
  await store.spare({ tree: third.tree, paths, spares });
  assert.notDeepEqual(readdirSync(spares), before);
  assert.equal(readdirSync(spares).length, 1);
  for (const slug of [tree, second.tree, third.tree]) assert.deepEqual(await store.verify(slug), []);
  await store.remove(third.tree);
  await store.spare({ tree: third.tree, paths, spares });
});

test("a build that appends in place to a cached file changes no older slug, even with times and size put back", async () => {
  const first = await seal(folder(venv), [".heroku/python"]);
  const build = nextBuild({ "app.py": "print(2)" });
  const before = statSync(join(build, ".heroku/python/lib/b.py"));
  appendFileSync(join(build, ".heroku/python/lib/a.py"), "\nimport evil");
  writeFileSync(join(build, ".heroku/python/lib/b.py"), "b = 2");
  utimesSync(join(build, ".heroku/python/lib/b.py"), before.atime, before.mtime);
  const second = await seal(build, [".heroku/python"]);
  assert.equal(second.counts.copied, 2);
  assert.equal(readFileSync(app(first.tree, ".heroku/python/lib/a.py"), "utf8"), "a = 1");
  assert.equal(readFileSync(app(first.tree, ".heroku/python/lib/b.py"), "utf8"), "b = 1");
  assert.equal(readFileSync(app(second.tree, ".heroku/python/lib/b.py"), "utf8"), "b = 2");
  assert.deepEqual([await store.verify(first.tree), await store.verify(second.tree)], [[], []]);
});

test("a hard link from the slug into the cache is broken", async () => {
  const build = folder({ "app.py": "good" });
  writeFileSync(join(home, "cache", "kept"), "good");
  linkSync(join(home, "cache", "kept"), join(build, "shared"));
  const { tree } = await seal(build);
  appendFileSync(join(home, "cache", "kept"), "evil");
  assert.equal(readFileSync(app(tree, "shared"), "utf8"), "good");
  assert.deepEqual(await store.verify(tree), []);
});

test("when the former slug is gone, everything is copied again", async () => {
  const first = await seal(folder(venv), [".heroku/python"]);
  await store.remove(first.tree);
  const second = await seal(nextBuild({ "app.py": "print(2)" }), [".heroku/python"]);
  assert.equal(second.counts.copied, 2);
  assert.deepEqual(await store.verify(second.tree), []);
  assert.deepEqual(await store.list(), [second.tree]);
});

test("paths on the omit list stay in the cache and out of the slug", async () => {
  const build = folder({ "node_modules/a/i.js": "a", "node_modules/dev/i.js": "d", "node_modules/devil/i.js": "e" });
  const { tree } = await seal(build, ["node_modules"], ["dev"]);
  assert.deepEqual(readdirSync(app(tree, "node_modules")).sort(), ["a", "devil"]);
  assert.ok(existsSync(join(home, "cache/node_modules/dev/i.js")));
});

test("a large file that did not change is stored once", async () => {
  const big = "x".repeat(100_000);
  const first = await seal(folder({ "app.py": "1", "big.bin": big }));
  const second = await seal(folder({ "app.py": "2", "big.bin": big }));
  assert.equal(statSync(app(first.tree, "big.bin")).ino, statSync(app(second.tree, "big.bin")).ino);
});

test("set-user-id bits, fifos, sockets and .git do not reach the slug; owner and modes are right", async () => {
  const build = folder({ tool: "#!/bin/sh", ".git/config": "x", "run.sh": "#!/bin/sh" });
  chmodSync(join(build, "tool"), 0o6755);
  chmodSync(join(build, "run.sh"), 0o750);
  execFileSync("mkfifo", [join(build, "pipe")]);
  const { tree } = await seal(build);
  assert.deepEqual(readdirSync(app(tree)).sort(), ["run.sh", "tool"]);
  assert.equal(lstatSync(app(tree, "tool")).mode & 0o7777, 0o755);
  assert.equal(lstatSync(app(tree, "run.sh")).mode & 0o7777, 0o750);
  for (const name of ["", "tool"]) if (name !== "") assert.equal(lstatSync(app(tree, name)).uid, OWNER);
});

test("names of 255 bytes, newlines, quotes and bytes that are no UTF-8 are kept", async () => {
  const names = ["n".repeat(255), "a\nb", 'quo"te', " ", "ñandú"];
  const build = folder(Object.fromEntries(names.map((name) => [name, name])));
  writeFileSync(Buffer.concat([Buffer.from(`${build}/`), Buffer.from([0xff, 0xfe])]), "raw");
  mkdirSync(join(build, ".heroku/ñ"), { recursive: true });
  writeFileSync(join(build, ".heroku/ñ/a"), "a");
  const { tree } = await seal(build, [".heroku/ñ"]);
  assert.deepEqual(readdirSync(app(tree)).filter((name) => names.includes(name)).length, names.length);
  assert.deepEqual(await store.verify(tree), []);
});

test("a slug over the limit is refused with both sizes, and its cached trees go home", async () => {
  const build = folder({ "app.py": "x".repeat(3_000_000), ".heroku/python/a.py": "a" });
  const sealed = await store.seal({
    folder: build,
    owner: OWNER,
    cached: [{ path: ".heroku/python", home: join(home, "cache", "python"), omit: [] }],
    record: join(home, "record"),
    maxBytes: 1024 * 1024,
  });
  assert.ok(!sealed.ok);
  assert.equal(sealed.problem, "Compiled slug size: 3M is too large (max is 1M).");
  assert.ok(existsSync(join(home, "cache/python/a.py")));
  assert.deepEqual(readdirSync(join(home, "slugs")), []);
});

test("verify finds changed, missing and added files", async () => {
  const { tree } = await seal(folder({ a: "1", b: "2" }));
  writeFileSync(app(tree, "a"), "9");
  rmSync(app(tree, "b"));
  writeFileSync(app(tree, "c"), "3");
  assert.deepEqual(
    (await store.verify(tree)).sort().map((line) => line.slice(0, 1)),
    ["a", "b", "c"],
  );
});

test("an archive is a gzip tar of ./app", async () => {
  const { tree } = await seal(folder({ "app.py": "print()" }));
  const chunks: Buffer[] = [];
  for await (const chunk of store.archive(tree)) chunks.push(chunk as Buffer);
  const listing = execFileSync("tar", ["-tz"], { input: Buffer.concat(chunks) }).toString();
  assert.deepEqual(listing.split("\n").sort(), ["", "./app/", "./app/app.py"]);
});

test("what an interrupted seal left is swept; other folders are not touched", async () => {
  const { tree } = await seal(folder({ "app.py": "print()" }));
  mkdirSync(join(home, "slugs", ".new-123/root/app"), { recursive: true });
  mkdirSync(join(home, "slugs", "keep"));
  await store.sweep();
  assert.deepEqual(readdirSync(join(home, "slugs")).sort(), [tree, "keep"].sort());
});
