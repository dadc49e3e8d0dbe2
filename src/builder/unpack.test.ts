import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { Header } from "tar";
import { BuildFailure } from "./build-failure.ts";
import { unpack } from "./unpack.ts";

const base = mkdtempSync(join(tmpdir(), "zarpa-unpack-"));
after(() => rmSync(base, { recursive: true, force: true }));

interface Member {
  path: string;
  type?: "File" | "SymbolicLink" | "Link" | "Directory" | "CharacterDevice" | "FIFO";
  linkpath?: string;
  content?: string;
}

/** An archive written member by member, as no honest tar program would. */
function archive(...members: Member[]): { file: string; into: string } {
  const blocks = members.flatMap(({ path, type = "File", linkpath, content = "" }) => {
    const size = type === "File" ? Buffer.byteLength(content) : 0;
    const block = Buffer.alloc(512);
    new Header({ path, type, size, mode: 0o644, ...(linkpath === undefined ? {} : { linkpath }) }).encode(block);
    const body = Buffer.alloc(Math.ceil(size / 512) * 512);
    body.write(content);
    return [block, body];
  });
  const folder = mkdtempSync(join(base, "case-"));
  const into = join(folder, "into");
  mkdirSync(into);
  writeFileSync(join(folder, "source.tgz"), gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)])));
  return { file: join(folder, "source.tgz"), into };
}

test("files, folders and links inside are unpacked", async () => {
  const { file, into } = archive(
    { path: "app.py", content: "print()" },
    { path: "lib/a.py", content: "a" },
    { path: "lib/b.py", type: "SymbolicLink", linkpath: "../app.py" },
  );
  await unpack(file, into, 1000);
  assert.equal(readFileSync(join(into, "lib/b.py"), "utf8"), "print()");
});

test("the single folder of a code host's archive is taken away", async () => {
  const { file, into } = archive({ path: "app-main/app.py", content: "x" }, { path: "app-main/app-main/y", content: "y" });
  await unpack(file, into, 1000);
  assert.deepEqual(readdirSync(into).sort(), ["app-main", "app.py"]);
  assert.equal(readFileSync(join(into, "app-main/y"), "utf8"), "y");
});

const HOSTILE: [what: string, members: Member[], message: RegExp][] = [
  ["a path that climbs out", [{ path: "../evil", content: "x" }], /a path outside of it/],
  ["an absolute path", [{ path: "/etc/evil", content: "x" }], /a path outside of it/],
  ["a path that climbs out later", [{ path: "a/../../evil", content: "x" }], /a path outside of it/],
  ["a link to the outside", [{ path: "l", type: "SymbolicLink", linkpath: "../../etc" }], /outside of it/],
  ["an absolute link", [{ path: "l", type: "SymbolicLink", linkpath: "/etc" }], /outside of it/],
  ["a hard link to the outside", [{ path: "l", type: "Link", linkpath: "../x" }], /outside of it/],
  ["a device", [{ path: "d", type: "CharacterDevice" }], /a CharacterDevice/],
  ["a fifo", [{ path: "f", type: "FIFO" }], /a FIFO/],
  ["too much content", [{ path: "big", content: "x".repeat(2000) }], /unpacks to more/],
];

for (const [what, members, message] of HOSTILE) {
  test(`an archive with ${what} is refused`, async () => {
    const { file, into } = archive({ path: "app.py", content: "x" }, ...members);
    await assert.rejects(unpack(file, into, 1000), (error) => error instanceof BuildFailure && message.test(error.message));
    assert.deepEqual(readdirSync(join(into, "..")).sort(), ["into", "source.tgz"]);
  });
}

test("what is no archive is refused", async () => {
  const { file, into } = archive();
  writeFileSync(file, "<html>not found</html>".repeat(100));
  await assert.rejects(unpack(file, into, 1000), BuildFailure);
});

test("what follows a refused entry is not read: it may be a thousand times as large as the archive", async () => {
  const header = Buffer.alloc(512);
  new Header({ path: "huge", type: "File", size: 64 * 1024 ** 3, mode: 0o644 }).encode(header);
  const zeros = gzipSync(Buffer.alloc(64 * 1024 ** 2));
  const file = join(base, "bomb.tgz");
  writeFileSync(file, Buffer.concat([gzipSync(header), ...Array.from({ length: 200 }, () => zeros)]));
  const before = performance.now();
  await assert.rejects(unpack(file, mkdtempSync(join(base, "bomb-")), 1024 ** 3), /unpacks to more than the 1024M allowed/);
  assert.ok(performance.now() - before < 3000);
});
