import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { request as requestTls } from "node:https";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import {
  ask,
  type Backend,
  httpBackend,
  open,
  raw,
  routeOf,
  startRouter,
  tcpBackend,
  type TestRouter,
  withoutNginx,
} from "./router.test-support.ts";

describe("traffic through the router", { skip: withoutNginx }, () => {
  let test: TestRouter;
  let platform: Server;
  const backends: Backend[] = [];
  before(async () => {
    test = await startRouter();
    platform = createServer((incoming, response) => {
      const hash = createHash("sha256");
      let size = 0;
      incoming.on("data", (chunk: Buffer) => {
        size += chunk.length;
        hash.update(chunk);
      });
      incoming.on("end", () => {
        response.writeHead(200, { "content-type": "application/json" });
        response.end(JSON.stringify({ url: incoming.url, headers: incoming.headers, size, digest: hash.digest("hex") }));
      });
    });
    platform.listen(test.paths.platformSocket);
    await once(platform, "listening");
    test.router.admit(test.paths.platformSocket);
  });
  after(async () => {
    for (const backend of backends) backend.close();
    platform.close();
    platform.closeAllConnections();
    await test.close();
  });
  const web = async (...listener: Parameters<typeof httpBackend>): Promise<Awaited<ReturnType<typeof httpBackend>>> => {
    const backend = await httpBackend(...listener);
    backends.push(backend);
    return backend;
  };

  it("carries WebSockets and any other upgrade both ways", async () => {
    const { server, port } = await web((_, response) => response.end("no upgrade"));
    server.on("upgrade", (incoming, socket) => {
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${incoming.headers.upgrade}\r\nConnection: Upgrade\r\n\r\n`);
      socket.on("data", (chunk) => socket.write(`echo ${chunk.toString()}`));
    });
    const route = routeOf("up", [port]);
    await test.router.publish(route);
    for (const protocol of ["websocket", "my-own/1"]) {
      const socket = connect(test.port, "127.0.0.1");
      socket.write(
        `GET /chat HTTP/1.1\r\nHost: ${route.hosts[0]}\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
      );
      const [head] = (await once(socket, "data")) as [Buffer];
      assert.match(head.toString(), new RegExp(`^HTTP/1.1 101 [^]*Upgrade: ${protocol}`));
      socket.write("hello");
      const [echo] = (await once(socket, "data")) as [Buffer];
      assert.equal(echo.toString(), "echo hello");
      socket.destroy();
    }
  });

  it("streams a response piece by piece", async () => {
    const ends: (() => void)[] = [];
    const { port } = await web((_, response) => {
      response.write("one");
      ends.push(() => response.end("two"));
    });
    const route = routeOf("up", [port]);
    await test.router.publish(route);
    const answer = await open(test.port, route.hosts[0]!);
    const [first] = (await once(answer, "data")) as [Buffer];
    assert.equal(first.toString(), "one", "the first piece is here while the second is not written yet");
    for (const end of ends) end();
    const [second] = (await once(answer, "data")) as [Buffer];
    assert.equal(second.toString(), "two");
  });

  it("carries a large upload without storing it, with a length and in chunks", async () => {
    const { port } = await web((incoming, response) => {
      const hash = createHash("sha256");
      let pieces = 0;
      incoming.on("data", (chunk: Buffer) => (hash.update(chunk), (pieces += 1)));
      incoming.on("end", () =>
        response.end(`${hash.digest("hex")} ${incoming.headers["content-length"] ?? "chunked"} ${pieces > 1}`),
      );
    });
    const route = routeOf("up", [port]);
    await test.router.publish(route);
    const body = Buffer.alloc(24 * 1024 * 1024, "0123456789abcdef!");
    const digest = createHash("sha256").update(body).digest("hex");
    const sized = await ask(test.port, route.hosts[0]!, { method: "PUT", body });
    assert.equal(sized.body, `${digest} ${body.length} true`);
    const chunked = await ask(test.port, route.hosts[0]!, { method: "PUT", body, headers: { "transfer-encoding": "chunked" } });
    assert.equal(chunked.body, `${digest} chunked true`);
    const pushed = await ask(test.port, "localhost", { method: "POST", body, path: "/app.git/git-receive-pack" });
    assert.equal((JSON.parse(pushed.body) as { digest: string }).digest, digest, "and to the control plane");
  });

  it("passes each piece of an upload on at once", async () => {
    const { port } = await web((incoming, response) =>
      incoming.once("data", (chunk: Buffer) => response.end(`got ${chunk.toString()}`)),
    );
    const route = routeOf("up", [port]);
    await test.router.publish(route);
    const socket = connect(test.port, "127.0.0.1");
    socket.write(`POST / HTTP/1.1\r\nHost: ${route.hosts[0]}\r\nContent-Length: 1000\r\n\r\nfirst`);
    const [answer] = (await once(socket, "data")) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1.1 200 OK[^]*got first/);
    socket.destroy();
  });

  it("uses connections to a dyno again, and survives their end", async () => {
    const { server, port } = await web((_, response) => response.end("ok"));
    server.keepAliveTimeout = 20;
    let connections = 0;
    server.on("connection", () => (connections += 1));
    const route = routeOf("up", [port]);
    await test.router.publish(route);
    for (let index = 0; index < 10; index += 1) assert.equal((await ask(test.port, route.hosts[0]!)).status, 200);
    assert.ok(connections <= 2 * 2, `${connections} connections for 10 requests over two workers`);
    server.closeIdleConnections();
    for (let index = 0; index < 10; index += 1) assert.equal((await ask(test.port, route.hosts[0]!)).status, 200);
  });

  it("talks HTTP/1.0 to a client of 1.0, and understands a dyno of 1.0", async () => {
    const { port } = await web((_, response) => (response.write("in "), response.end("pieces")));
    const old = await tcpBackend((socket) => socket.once("data", () => socket.end("HTTP/1.0 200 OK\r\n\r\nold dyno")));
    backends.push(old);
    const route = routeOf("up", [port]);
    await test.router.publish(route);
    const answer = await raw(test.port, `GET / HTTP/1.0\r\nHost: ${route.hosts[0]}\r\n\r\n`);
    assert.match(answer, /\r\n\r\nin pieces$/);
    assert.ok(!/chunked/i.test(answer), answer);
    const older = routeOf("up", [old.port]);
    await test.router.publish(older);
    assert.equal((await ask(test.port, older.hosts[0]!)).body, "old dyno");
  });

  it("speaks TLS with HTTP/1.1 and HTTP/2, and says so to the dyno", async () => {
    const { port } = await web((incoming, response) =>
      response.end(`${incoming.headers["x-forwarded-proto"]} ${incoming.headers.host}`),
    );
    const route = routeOf("up", [port]);
    await test.router.publish(route);
    const ca = readFileSync(test.caFile);
    const outgoing = requestTls({
      host: "127.0.0.1",
      port: test.tlsPort,
      ca,
      servername: "localhost",
      headers: { host: route.hosts[0]! },
    });
    outgoing.end();
    const [answer] = (await once(outgoing, "response")) as [AsyncIterable<Buffer>];
    for await (const chunk of answer) assert.equal(chunk.toString(), `https ${route.hosts[0]}`);
    const session = connectHttp2(`https://127.0.0.1:${test.tlsPort}`, { ca, servername: "localhost" });
    const stream = session.request({ ":authority": `${route.hosts[0]}:${test.tlsPort}`, ":path": "/" });
    let body = "";
    stream.on("data", (chunk: Buffer) => (body += chunk.toString()));
    await once(stream, "end");
    assert.equal(body, `https ${route.hosts[0]}:${test.tlsPort}`);
    session.close();
  });

  it("takes the control plane's names to the control plane", async () => {
    for (const host of ["localhost", "api.localhost", "git.localhost", "127.0.0.1"]) {
      const answer = await ask(test.port, host, {
        path: "/apps?x=1",
        headers: { "x-forwarded-for": "198.51.100.7", "request-id": "r".repeat(7000) },
      });
      const seen = JSON.parse(answer.body) as { url: string; headers: Record<string, string> };
      assert.equal(seen.url, "/apps?x=1");
      assert.equal(seen.headers["host"], `${host}:${test.port}`);
      assert.equal(seen.headers["x-forwarded-for"], "127.0.0.1", "not what the client says");
      assert.equal(seen.headers["request-id"]?.length, 7000);
    }
  });

  it("says in Heroku's form that the control plane is down, and serves the apps", async () => {
    const { port } = await web((_, response) => response.end("still here"));
    const route = routeOf("up", [port]);
    await test.router.publish(route);
    platform.close();
    platform.closeAllConnections();
    const answer = await ask(test.port, "localhost", { path: "/apps", method: "POST", body: "{}" });
    assert.equal(answer.status, 503);
    assert.equal(answer.headers["content-type"], "application/json");
    assert.equal((JSON.parse(answer.body) as { id: string }).id, "maintenance");
    assert.equal((await ask(test.port, route.hosts[0]!)).body, "still here");
  });
});
