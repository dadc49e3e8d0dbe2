import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { BuildFailure } from "./build-failure.ts";
import { download } from "./download.ts";

const base = mkdtempSync(join(tmpdir(), "zarpa-download-"));
const server = createServer((request, response) => {
  if (request.url === "/moved") response.writeHead(302, { location: "/file" }).end();
  else if (request.url === "/round") response.writeHead(302, { location: "/round" }).end();
  else if (request.url === "/elsewhere") response.writeHead(302, { location: "file:///etc/passwd" }).end();
  else if (request.url?.startsWith("/file") === true) response.end("content");
  else response.writeHead(404).end();
});
let origin = "";

before(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => {
  server.close();
  rmSync(base, { recursive: true, force: true });
});

const fetchFile = async (url: string, maxBytes = 100, trustedOrigins = [origin]): Promise<string> =>
  await download({ url, to: join(base, "file"), maxBytes, trustedOrigins, signal: AbortSignal.timeout(5000) });

test("a file is downloaded, over a redirect too, and its SHA-256 answered", async () => {
  const sum = createHash("sha256").update("content").digest("hex");
  assert.equal(await fetchFile(`${origin}/moved`), sum);
  assert.equal(readFileSync(join(base, "file"), "utf8"), "content");
});

const REFUSED: [what: string, path: string, message: RegExp][] = [
  ["an answer that is not 200", "/none?token=secret", /\/none: the server answered 404/],
  ["a ring of redirects", "/round", /more than 5 redirects/],
  ["a redirect to a file", "/elsewhere", /must be an http/],
];

for (const [what, path, message] of REFUSED) {
  test(`${what} fails the build with a reason`, async () => {
    await assert.rejects(fetchFile(`${origin}${path}`), (error) => error instanceof BuildFailure && message.test(error.message));
  });
}

test("more bytes than allowed are refused", async () => {
  await assert.rejects(fetchFile(`${origin}/file`, 3), /larger than/);
});

test("addresses of the machine itself are refused, by number, by name and in IPv6 clothes", async () => {
  const port = new URL(origin).port;
  const cards = Object.values(networkInterfaces()).flatMap((card) => card ?? []);
  const own = cards.filter(({ family }) => family === "IPv4").map(({ address }) => address);
  for (const host of [...own, "127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254"]) {
    await assert.rejects(fetchFile(`http://${host}:${port}/file2`, 100, []), /lies on this machine itself/, host);
  }
});

test("other schemes are refused", async () => {
  for (const url of ["file:///etc/passwd", "ftp://example.com/a", "nonsense"]) await assert.rejects(fetchFile(url), BuildFailure);
  assert.ok(existsSync(join(base, "file")));
});
