import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync, chmodSync } from "node:fs";
import {
  connect as connectHttp2,
  createServer as createHttp2,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import {
  ask,
  type Backend,
  eventually,
  httpBackend,
  open,
  raw,
  routeOf,
  startRouter,
  tcpBackend,
  type TestRouter,
  withoutNginx,
} from "./router.test-support.ts";
import type { Route, RouteOptions } from "./route-line.ts";

describe("what an app wishes of the router", { skip: withoutNginx }, () => {
  let test: TestRouter;
  let folder: string;
  const backends: Pick<Backend, "close">[] = [];
  before(async () => {
    test = await startRouter();
    folder = mkdtempSync(join(tmpdir(), "zarpa-wishes-"));
    chmodSync(folder, 0o755);
  });
  after(async () => {
    for (const backend of backends) backend.close();
    await test.close();
    rmSync(folder, { recursive: true });
  });
  const dynos = async (count: number): Promise<number[]> => {
    const made = Array.from({ length: count }, async (_, index) => {
      const backend = await httpBackend((_request, response) => response.end(`web.${index + 1}`));
      backends.push(backend);
      return backend.port;
    });
    return await Promise.all(made);
  };
  const up = async (ports: number[], options: RouteOptions): Promise<Route> => {
    const route = { ...routeOf("up", ports), options };
    await test.router.publish(route);
    return route;
  };

  it("keeps a browser with its dyno: session affinity", async () => {
    const route = await up(await dynos(3), { affinity: true });
    const host = route.hosts[0]!;
    for (let round = 0; round < 3; round += 1) {
      const first = await ask(test.port, host);
      const [given = ""] = first.headers["set-cookie"] ?? [];
      assert.match(given, /^heroku-session-affinity=[0-9a-f]{32}; Path=\/; Max-Age=86400; HttpOnly/);
      const cookie = `a=1; ${given.split(";")[0]}`;
      for (let index = 0; index < 10; index += 1) {
        const answer = await ask(test.port, host, { headers: { cookie } });
        assert.deepEqual([answer.body, answer.headers["set-cookie"]], [first.body, undefined]);
      }
    }
    const [kept = ""] = (await ask(test.port, host, { headers: { cookie: "heroku-session-affinity=gone" } })).headers[
      "set-cookie"
    ]!;
    assert.match(kept, /^heroku-session-affinity=/, "a dyno that is no more is replaced");
  });

  it("takes the dyno with the fewest requests: least-connections", async () => {
    const waiting: (() => void)[] = [];
    const counts = [0, 0, 0];
    const ports = [0, 1, 2].map(async (index) => {
      const backend = await httpBackend((_, response) => {
        counts[index]! += 1;
        waiting.push(() => response.end());
      });
      backends.push(backend);
      return backend.port;
    });
    const route = await up(await Promise.all(ports), { balance: "least-connections" });
    const asked = Array.from({ length: 12 }, async () => await ask(test.port, route.hosts[0]!));
    await eventually(() => (waiting.length === 12 ? true : null));
    for (const end of waiting) end();
    await Promise.all(asked);
    // Each of two workers counts its own.
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 2, `${counts.join(" ")}`);
  });

  it("shows the app's own pages in a frame", async () => {
    const options = { errorPage: 'https://example.com/error?a=1&b="2"', maintenancePage: "http://example.com/soon" };
    const expected = {
      crashed: "https://example.com/error?a=1&amp;b=&quot;2&quot;",
      maintenance: "http://example.com/soon",
    } as const;
    for (const [state, page] of Object.entries(expected)) {
      const route = { ...routeOf(state as keyof typeof expected), options };
      await test.router.publish(route);
      const answer = await ask(test.port, route.hosts[0]!, { headers: { accept: "text/html" } });
      assert.deepEqual([answer.status, answer.headers["content-type"]], [503, "text/html; charset=utf-8"]);
      assert.ok(answer.body.includes(`<iframe src="${page}"`), answer.body);
      const json = await ask(test.port, route.hosts[0]!, { headers: { accept: "application/json" } });
      assert.match(json.body, /^\{"id":"H\d\d"/);
    }
    const dead = await up([1], options);
    assert.match((await ask(test.port, dead.hosts[0]!)).body, /iframe/, "and when a dyno fails");
    const bad = await up([1], { errorPage: "javascript:alert(1)" });
    assert.ok(!(await ask(test.port, bad.hosts[0]!)).body.includes("javascript"));
  });

  it("finds wildcard domains, the nearest first", async () => {
    const [port] = await dynos(1);
    const wide = { ...routeOf("up", [port!]), hosts: ["*.example.com"] };
    const near = { ...routeOf("none"), hosts: ["*.eu.example.com"] };
    const exact = { ...routeOf("blank"), hosts: ["www.example.com"] };
    for (const route of [wide, near, exact]) await test.router.publish(route);
    const statusOf = async (host: string): Promise<string> =>
      (await ask(test.port, host)).body.match(/H\d\d|web|nothing/)?.[0] ?? "";
    assert.equal(await statusOf("a.example.com"), "web");
    assert.equal(await statusOf("A.B.Example.com."), "web");
    assert.equal(await statusOf("a.eu.example.com"), "H14");
    assert.equal(await statusOf("www.example.com"), "H81");
    assert.equal(await statusOf("example.com"), "nothing");
    assert.equal(await statusOf("example.com.evil.org"), "nothing");
  });

  it("speaks the uwsgi protocol", async () => {
    const server = await tcpBackend((socket) => {
      socket.once("data", (packet: Buffer) => {
        const end = 4 + packet.readUInt16LE(1);
        const values = { ...uwsgiValues(packet.subarray(4, end)), body: packet.toString("utf8", end) };
        socket.end(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n${JSON.stringify(values)}`);
      });
    });
    backends.push(server);
    const route = await up([server.port], { protocol: "uwsgi" });
    const answer = await ask(test.port, route.hosts[0]!, {
      method: "POST",
      path: "/a%20b?c=d",
      body: "hello",
      headers: { "x-forwarded-for": "203.0.113.9", "x-own": "1", proxy: "evil" },
    });
    assert.equal(answer.status, 200, answer.body);
    const seen = JSON.parse(answer.body) as Record<string, string>;
    assert.deepEqual(
      [
        seen["REQUEST_METHOD"],
        seen["PATH_INFO"],
        seen["QUERY_STRING"],
        seen["REQUEST_URI"],
        seen["CONTENT_LENGTH"],
        seen["body"],
      ],
      ["POST", "/a b", "c=d", "/a%20b?c=d", "5", "hello"],
    );
    assert.deepEqual(
      [seen["HTTP_X_FORWARDED_FOR"], seen["HTTP_X_OWN"], seen["HTTP_PROXY"] ?? "", seen["HTTP_X_FORWARDED_PROTO"]],
      ["203.0.113.9, 127.0.0.1", "1", "", "http"],
    );
  });

  it("carries gRPC: HTTP/2 over TLS to a dyno of HTTP/2 in clear text, with trailers", async () => {
    const server = createHttp2();
    server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      stream.respond(
        { ":status": 200, "content-type": "application/grpc", "x-host": headers["host"] ?? "" },
        { waitForTrailers: true },
      );
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.on("data", (chunk: Buffer) => stream.write(`echo ${chunk.toString()}`));
      stream.on("end", () => stream.end());
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    backends.push({ close: () => void server.close() });
    const route = await up([(server.address() as AddressInfo).port], { protocol: "h2c" });
    const session = connectHttp2(`https://127.0.0.1:${test.tlsPort}`, { ca: readFileSync(test.caFile), servername: "localhost" });
    const headers = { ":authority": route.hosts[0], ":method": "POST", ":path": "/pkg.Service/Echo", te: "trailers" };
    const stream = session.request({ ...headers, "content-type": "application/grpc" });
    const trailers = once(stream, "trailers");
    stream.write("one");
    const [response] = (await once(stream, "response")) as [Record<string, string>];
    assert.deepEqual([response[":status"], response["x-host"]], [200, route.hosts[0]]);
    const [first] = (await once(stream, "data")) as [Buffer];
    assert.equal(first.toString(), "echo one", "both ways at once");
    stream.end();
    stream.resume();
    const [trailer] = (await trailers) as [Record<string, string>];
    assert.equal(trailer["grpc-status"], "0");
    session.destroy();
  });

  it("reaches a dyno over a Unix socket", async () => {
    const path = join(folder, "app.sock");
    const server = createServer((socket) =>
      socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsocket")),
    ).listen(path);
    await once(server, "listening");
    chmodSync(path, 0o666);
    backends.push({ close: () => void server.close() });
    const route = routeOf("up");
    await test.router.publish({ ...route, backends: [{ dyno: "web.1", address: `unix:${path}`, port: 0 }] });
    assert.equal((await ask(test.port, route.hosts[0]!)).body, "socket");
    assert.equal((await ask(test.port, route.hosts[0]!)).body, "socket");
    await test.router.publish({ ...route, backends: [{ dyno: "web.1", address: `unix:${path}.gone`, port: 0 }] });
    assert.match((await ask(test.port, route.hosts[0]!)).body, /H21/);
  });

  it("serves folders of the slug, and nothing beside them", async () => {
    const root = join(folder, "slug");
    mkdirSync(join(root, "assets", "css"), { recursive: true });
    writeFileSync(join(root, "assets", "css", "a.css"), "body{}");
    writeFileSync(join(root, "assets", ".env"), "SECRET=1");
    writeFileSync(join(root, "secret.py"), "SECRET=1");
    symlinkSync("/etc/passwd", join(root, "assets", "passwd"));
    symlinkSync("..", join(root, "assets", "up"));
    const files = { root, folders: [{ prefix: "/static/", folder: "assets" }] };
    const route = await up(await dynos(1), { files });
    const host = route.hosts[0]!;
    const found = await ask(test.port, host, { path: "/static/css/a.css" });
    assert.deepEqual([found.status, found.body, found.headers["content-type"]], [200, "body{}", "text/css"]);
    const paths = [
      ".env",
      "passwd",
      "up/secret.py",
      "../secret.py",
      "%2e%2e/secret.py",
      "..%2fsecret.py",
      "css/../.env",
      "none",
      "css//../../secret.py",
      "css/%2e%2e/.env",
    ];
    for (const path of paths) {
      const answer = await raw(test.port, `GET /static/${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      assert.ok(!answer.includes("SECRET") && !answer.includes("root:"), `${path}: ${answer}`);
    }
    assert.equal((await ask(test.port, host, { path: "/static/css/a.css", method: "POST" })).status, 405);
    assert.equal((await ask(test.port, host, { path: "/staticfile" })).body, "web.1");
    const open404 = await open(test.port, host, { path: "/static/none" });
    assert.equal(open404.statusCode, 404);
    open404.resume();
  });
});

/** The variables of a uwsgi packet: names and values, each after its length. */
function uwsgiValues(bytes: Buffer): Record<string, string> {
  const texts: string[] = [];
  for (let rest = bytes; rest.length > 0;) {
    const end = 2 + rest.readUInt16LE(0);
    texts.push(rest.toString("utf8", 2, end));
    rest = rest.subarray(end);
  }
  return Object.fromEntries(texts.flatMap((text, index) => (index % 2 === 0 ? [[text, texts[index + 1] ?? ""]] : [])));
}
