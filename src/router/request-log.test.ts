import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { systemClock } from "../kernel/clock.ts";
import { cutLine, type RequestLine, requestLine } from "./request-line.ts";
import { RequestLog } from "./request-log.ts";
import {
  ask,
  type Backend,
  eventually,
  httpBackend,
  open,
  raw,
  routeOf,
  SHORT_LIMITS,
  startRouter,
  tcpBackend,
  type TestRouter,
  withoutNginx,
} from "./router.test-support.ts";

const UUID = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}";

describe("the router's log", { skip: withoutNginx }, () => {
  let test: TestRouter;
  let log: RequestLog;
  const backends: Backend[] = [];
  const lines: RequestLine[] = [];
  const follow = (maxBytes?: number): RequestLog => {
    const started = new RequestLog({
      folder: test.paths.router,
      clock: systemClock,
      journal: { note: () => {}, fault: (event, cause) => test.journal.push(`${event}: ${String(cause)}`) },
      onRequests: (requests) => void lines.push(...requests),
      reopenLogs: () => test.router.reopenLogs(),
      ...(maxBytes === undefined ? {} : { maxBytes }),
    });
    started.start();
    return started;
  };
  const linesOf = (appId: string): string[] => lines.filter((line) => line.appId === appId).map((line) => line.message);
  const lineOf = async (appId: string): Promise<string> => await eventually(() => linesOf(appId)[0] ?? null);
  const publish = async (state: Parameters<typeof routeOf>[0], ports: number[] = []) => {
    const route = routeOf(state, ports);
    await test.router.publish(route);
    return { host: route.hosts[0]!, id: route.app.id };
  };
  const web = async (...listener: Parameters<typeof httpBackend>): Promise<number> => {
    const backend = await httpBackend(...listener);
    backends.push(backend);
    return backend.port;
  };
  const tcp = async (...listener: Parameters<typeof tcpBackend>): Promise<number> => {
    const backend = await tcpBackend(...listener);
    backends.push(backend);
    return backend.port;
  };
  before(async () => {
    test = await startRouter(SHORT_LIMITS);
    log = follow();
  });
  after(async () => {
    await log.stop();
    for (const backend of backends) backend.close();
    await test.close();
  });

  it("has Heroku's line for a request, promptly", async () => {
    const { host, id } = await publish("up", [await web((_, response) => response.end("hello, world"))]);
    const began = Date.now();
    await ask(test.port, host, { path: "/a?b=c d".replace(" ", "%20"), headers: { "x-forwarded-for": "203.0.113.9" } });
    const line = await lineOf(id);
    assert.ok(Date.now() - began < 1000, "within a second");
    const expected = `^at=info method=GET path="/a\\?b=c%20d" host=${host} request_id=${UUID} fwd="203.0.113.9, 127.0.0.1" dyno=web.1 connect=\\d+ms service=\\d+ms status=200 bytes=12 protocol=http$`;
    assert.match(line, new RegExp(expected));
    const { at } = lines.find(({ appId }) => appId === id)!;
    assert.ok(Math.abs(at.getTime() - Date.now()) < 5000);
  });

  it("has a line with code and description for each state and failure", async () => {
    const silent = await tcp(() => {});
    const closing = await tcp((socket) => socket.once("data", () => socket.destroy()));
    const dead = await tcp(() => {});
    backends.at(-1)!.close();
    const cases = [
      [
        "none",
        [],
        'at=error code=H14 desc="No web processes running" .* dyno= connect= service= status=503 bytes=\\d+ protocol=http',
      ],
      ["crashed", [], 'at=error code=H10 desc="App crashed" .* dyno= connect= service= status=503'],
      ["maintenance", [], 'at=info code=H80 desc="Maintenance mode" .* dyno= .* status=503'],
      ["blank", [], 'at=info code=H81 desc="Blank app" .* status=503'],
      ["booting", [], 'at=error code=H20 desc="App boot timeout" .* status=503'],
      ["up", [silent], 'at=error code=H12 desc="Request timeout" .* dyno=web.1 connect=\\d+ms service=5\\d\\dms status=503'],
      [
        "up",
        [closing],
        'at=error code=H13 desc="Connection closed without response" .* dyno=web.1 connect=\\d+ms service=\\d+ms status=503',
      ],
      ["up", [dead], 'at=error code=H21 desc="Backend connection refused" .* dyno=web.1 connect=\\d+ms service= status=503'],
    ] as const;
    await Promise.all(
      cases.map(async ([state, ports, expected]) => {
        const { host, id } = await publish(state, [...ports]);
        await ask(test.port, host);
        assert.match(await lineOf(id), new RegExp(`^${expected}`));
      }),
    );
  });

  it("says who ended a response in the middle: H15, H18, H27", async () => {
    const idle = await publish("up", [await web((_, response) => void response.writeHead(200).write("some"))]);
    const cut = await publish("up", [
      await tcp((socket) => socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome"))),
    ]);
    const left = await publish("up", [await web((_, response) => void response.writeHead(200).write("some"))]);
    const early = await publish("up", [await tcp(() => {})]);
    for (const { host } of [idle, cut]) await assert.rejects(ask(test.port, host), /aborted/);
    (await open(test.port, left.host)).destroy();
    const socket = connect(test.port, "127.0.0.1");
    socket.write(`GET / HTTP/1.1\r\nHost: ${early.host}\r\n\r\n`);
    await once(socket, "connect");
    await systemClock.sleep(30);
    socket.destroy();
    assert.match(await lineOf(idle.id), /^at=error code=H15 desc="Idle connection" .* status=503 bytes=\d+/);
    assert.match(
      await lineOf(cut.id),
      /^sock=backend at=error code=H18 desc="Server Request Interrupted" .* status=503 bytes=4 /,
    );
    assert.match(await lineOf(left.id), /^sock=client at=warning code=H27 desc="Client Request Interrupted" .* status=499/);
    assert.match(
      await lineOf(early.id),
      /^sock=client at=warning code=H27 .* dyno=web.1 connect=\d+ms service=\d+ms status=499 bytes=0/,
    );
  });

  it("names broken and slow clients, and has a line for a WebSocket when it ends", async () => {
    const reading = await publish("up", [await web((request, response) => request.resume().on("end", () => response.end()))]);
    const head = `POST / HTTP/1.1\r\nHost: ${reading.host}\r\n`;
    await raw(test.port, `${head}Transfer-Encoding: chunked\r\n\r\nnonsense\r\n`);
    assert.match(await lineOf(reading.id), /^at=error code=H26 desc="Request Error" cause="bad chunk" method=POST .* status=400/);
    const slow = await publish("up", [await web((request, response) => request.resume().on("end", () => response.end()))]);
    await raw(test.port, `POST / HTTP/1.1\r\nHost: ${slow.host}\r\nContent-Length: 10\r\n\r\nhalf`);
    assert.match(await lineOf(slow.id), /^sock=client at=warning code=H28 desc="Client Connection Idle" .* status=499/);
    const answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    const port = await tcp((socket) => socket.once("data", () => socket.write(answer)));
    const { host, id } = await publish("up", [port]);
    const socket = connect(test.port, "127.0.0.1");
    socket.write(`GET /ws HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
    await once(socket, "data");
    socket.destroy();
    assert.match(await lineOf(id), /^at=info method=GET path="\/ws" .* dyno=web.1 connect=\d+ms service=\d+ms status=101/);
  });

  it("cannot be made to lie by a path, a header or a method", async () => {
    const { host, id } = await publish("up", [await web((_, response) => response.end())]);
    const forged = `/x"\\host=evil.example\\ status=200\x01\x7f\xff`;
    const head = `Host: ${host}\r\nConnection: close\r\nX-Forwarded-For: 1.1.1.1" dyno=web.9\ttab\r\n`;
    await raw(test.port, `GET ${forged.replaceAll(" ", "%20").replaceAll(/[\x01\x7f]/g, "")} HTTP/1.1\r\n${head}\r\n`);
    const line = await lineOf(id);
    assert.match(line, /path="\/x\\x22\\x5Chost=evil\.example\\x5C%20status=200\\xFF" host=/);
    assert.match(line, /fwd="1\.1\.1\.1\\x22 dyno=web\.9\\x09tab, 127\.0\.0\.1" dyno=web\.1 /);
  });

  it("goes on where a former control plane stopped, without a gap or a repetition, over rotations", async () => {
    await log.stop();
    const { host, id } = await publish("up", [await web((_, response) => response.end())]);
    const send = async (from: number, to: number): Promise<void> => {
      for (let index = from; index < to; index += 1) await ask(test.port, host, { path: `/${index}` });
    };
    await send(0, 20);
    log = follow(4000);
    await eventually(() => (linesOf(id).length >= 10 ? true : null));
    await send(20, 40);
    await log.stop();
    await send(40, 60);
    log = follow(4000);
    await send(60, 100);
    assert.ok(existsSync(join(test.paths.router, "requests.log.1")), "set aside once at least");
    await send(100, 120);
    await eventually(() => (linesOf(id).length >= 120 ? true : null));
    const paths = linesOf(id).map((line) => Number(/path="\/(\d+)"/.exec(line)?.[1]));
    assert.deepEqual(
      [...paths].sort((a, b) => a - b),
      Array.from({ length: 120 }, (_, index) => index),
    );
    assert.deepEqual(
      test.journal.filter((line) => line.startsWith("router.requests")),
      [],
    );
  });

  it("survives a half-written position and a line that is none", async () => {
    await log.stop();
    const file = join(test.paths.router, "requests.log");
    writeFileSync(`${file}.position`, "");
    writeFileSync(file, `no line\n${readFileSync(file, "utf8")}`);
    lines.length = 0;
    log = follow();
    await eventually(() => (lines.length > 0 ? true : null));
  });
});

describe("lines of the router's log", () => {
  it("sums attempts, and tells TLS and HTTP/2", () => {
    const fields = ["1700000000.123", "app-id web.2 10.0.0.3:5000", "", "GET", "/", "x.localhost:8443", "some-id", "1.2.3.4"];
    const rest = ["-, 0.002", "0.001, 0.004", "0.006", "502, 200", "200", "5", "HTTP/2.0", "TLSv1.3", "OK", "7"];
    assert.deepEqual(
      requestLine([...fields, ...rest].join("\t"), () => null),
      {
        appId: "app-id",
        at: new Date(1700000000123),
        failed: false,
        message:
          'at=info method=GET path="/" host=x.localhost request_id=some-id fwd="1.2.3.4" dyno=web.2 connect=2ms service=4ms status=200 bytes=5 protocol=http2.0 tls=true tls_version=tls1.3',
      },
    );
    assert.equal(
      requestLine(fields.join("\t"), () => null),
      null,
    );
  });

  it("reads what nginx's error log says of a request that was cut short", () => {
    const line = (text: string): string =>
      `2026/11/20 23:03:14 [error] 32556#32556: *5 ${text}, client: 127.0.0.1, server: _, request: "GET / HTTP/1.1"`;
    const timeout = "upstream timed out (110: Connection timed out) while reading upstream";
    assert.deepEqual(cutLine(line(timeout)), { connection: "5", cut: "timeout" });
    const closed = "upstream prematurely closed connection while reading upstream";
    assert.deepEqual(cutLine(line(closed)), { connection: "5", cut: "backend" });
    assert.equal(cutLine(line("connect() failed (111: Connection refused) while connecting to upstream")), null);
    assert.equal(cutLine("something else"), null);
  });
});
