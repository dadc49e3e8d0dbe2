import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import {
  ask,
  type Backend,
  deadPort,
  deafPort,
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

describe("the router's states and failures", { skip: withoutNginx }, () => {
  let test: TestRouter;
  const backends: Backend[] = [];
  before(async () => {
    test = await startRouter(SHORT_LIMITS);
  });
  after(async () => {
    for (const backend of backends) backend.close();
    await test.close();
  });
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

  it("takes a request to the app of its host and tells it about the client", async () => {
    const port = await web((request, response) => response.end(JSON.stringify({ url: request.url, headers: request.headers })));
    const route = routeOf("up", [port]);
    await test.router.publish(route);
    const headers: Record<string, string> = {
      "x-forwarded-for": "203.0.113.9",
      "x-request-id": "too short",
      connection: "close, x-drop",
      te: "trailers",
    };
    const answer = await ask(test.port, route.hosts[0]!, { path: "/a//b/%2e%2e?q=%20", headers });
    assert.equal(answer.status, 200);
    const seen = JSON.parse(answer.body) as { url: string; headers: Record<string, string> };
    assert.equal(seen.url, "/a//b/%2e%2e?q=%20", "the path comes as it was sent");
    assert.equal(seen.headers["host"], `${route.hosts[0]}:${test.port}`);
    assert.equal(seen.headers["x-forwarded-for"], "203.0.113.9, 127.0.0.1");
    assert.equal(seen.headers["x-forwarded-proto"], "http");
    assert.equal(seen.headers["x-forwarded-port"], String(test.port));
    assert.match(seen.headers["x-request-id"]!, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.ok(Math.abs(Number(seen.headers["x-request-start"]) - Date.now()) < 5000);
    assert.equal(seen.headers["via"], "1.1 heroku-router");
    assert.equal(seen.headers["te"], undefined);
    assert.notEqual(seen.headers["connection"], "close");
    assert.equal(answer.headers["via"], "1.1 heroku-router");
  });

  it("keeps a harmless request id of the client", async () => {
    const port = await web((request, response) => response.end(String(request.headers["x-request-id"])));
    const route = routeOf("up", [port]);
    await test.router.publish(route);
    const id = "client.id-0123456789_abcdef";
    assert.equal((await ask(test.port, route.hosts[0]!, { headers: { "x-request-id": id } })).body, id);
  });

  it("answers each state of an app that is not up", async () => {
    const expected = { none: "H14", crashed: "H10", maintenance: "H80", blank: "H81", exhausted: "H82" } as const;
    for (const [state, code] of Object.entries(expected)) {
      const route = routeOf(state as keyof typeof expected);
      await test.router.publish(route);
      const answer = await ask(test.port, route.hosts[0]!, { headers: { accept: "text/html,*/*" } });
      assert.equal(answer.status, 503, state);
      assert.match(answer.headers["content-type"]!, /^text\/html/);
      assert.ok(answer.body.includes(`${code} · `), `${state}: ${answer.body}`);
      const posted = await ask(test.port, route.hosts[0]!, { method: "POST", body: "x".repeat(100_000) });
      assert.equal(posted.status, 503, `${state} answers a POST`);
    }
  });

  it("speaks to each client in its form and language", async () => {
    const route = routeOf("blank");
    await test.router.publish(route);
    const said = async (headers: Record<string, string>): Promise<string> =>
      (await ask(test.port, route.hosts[0]!, { headers })).body;
    assert.match(
      await said({ accept: "text/html", "accept-language": "es-ES,es;q=0.9,en;q=0.8" }),
      /<html lang="es">.*Esta es tu nueva aplicación/s,
    );
    assert.match(
      await said({ accept: "text/html", "accept-language": "de, en;q=0.7, es;q=0.3" }),
      /<html lang="en">.*Welcome to your new app/s,
    );
    assert.match(await said({ accept: "*/*" }), /^Welcome to your new app!\n[^<]*git push heroku main/);
    const json = JSON.parse(await said({ accept: "application/json" })) as Record<string, string>;
    assert.equal(json["id"], "H81");
  });

  it("says of an unknown host how to make an app there, and shows nothing of the client's unchecked", async () => {
    const answer = await ask(test.port, "nobody-home.localhost");
    assert.equal(answer.status, 404);
    assert.match(answer.body, /There's nothing here, yet\.[^]*heroku create nobody-home\n/);
    const hostile = await raw(
      test.port,
      `GET / HTTP/1.1\r\nHost: <script>alert(1)</script>\r\nAccept: text/html\r\nConnection: close\r\n\r\n`,
    );
    assert.match(hostile, /^HTTP\/1.1 40[04] /);
    assert.ok(!hostile.includes("<script>"), hostile);
  });

  it("holds a request until the dyno is up", async () => {
    const port = await web((_, response) => response.end("here"));
    const route = routeOf("booting");
    await test.router.publish(route);
    const body = "y".repeat(300_000);
    const waiting = ask(test.port, route.hosts[0]!, { method: "POST", body });
    const [first] = await Promise.race([
      waiting.then(() => ["answered"]),
      ask(test.port, "nobody.localhost").then(() => ["held"]),
    ]);
    assert.equal(first, "held");
    await test.router.publish({ ...route, state: "up", backends: [{ dyno: "web.1", address: "127.0.0.1", port }] });
    const answer = await waiting;
    assert.deepEqual([answer.status, answer.body], [200, "here"]);
  });

  it("gives up holding: H20; and lets a client go that leaves meanwhile", async () => {
    const route = routeOf("booting");
    await test.router.publish(route);
    const gone = connect(test.port, "127.0.0.1");
    gone.write(`GET / HTTP/1.1\r\nHost: ${route.hosts[0]}\r\n\r\n`);
    const answer = await ask(test.port, route.hosts[0]!);
    assert.equal(answer.status, 503);
    assert.match(answer.body, /H20/);
    gone.destroy();
  });

  it("answers H12 when the first byte does not come, H13 when the dyno closes, H17 when it talks nonsense", async () => {
    const silent = await tcp(() => {});
    const closing = await tcp((socket) => socket.once("data", () => socket.destroy()));
    const malformed = await tcp((socket) =>
      socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nBad\0Name: x\r\n\r\nhello")),
    );
    const oversized = await tcp((socket) =>
      socket.once("data", () => socket.end(`HTTP/1.1 200 OK\r\nX-Long: ${"x".repeat(70_000)}\r\n\r\n`)),
    );
    for (const [port, code, status] of [
      [silent, "H12", 503],
      [closing, "H13", 503],
      [malformed, "H17", 503],
      [oversized, "H25", 502],
    ] as const) {
      const route = routeOf("up", [port]);
      await test.router.publish(route);
      const answer = await ask(test.port, route.hosts[0]!);
      assert.deepEqual([answer.status, /H\d\d/.exec(answer.body)?.[0]], [status, code]);
      assert.match(answer.body, /^Application error/);
    }
  });

  it("does not ask a second dyno when the first was too slow", async () => {
    let asked = 0;
    const slow = async (): Promise<number> => await tcp((socket) => socket.once("data", () => (asked += 1)));
    const route = routeOf("up", [await slow(), await slow(), await slow()]);
    await test.router.publish(route);
    const answer = await ask(test.port, route.hosts[0]!);
    assert.deepEqual([answer.status, /H\d\d/.exec(answer.body)?.[0], asked], [503, "H12", 1]);
  });

  it("tries other dynos when one refuses; H21 when all do", async () => {
    const port = await web((_, response) => response.end("ok"));
    const dead = await deadPort();
    const route = routeOf("up", [dead, port]);
    await test.router.publish(route);
    for (let index = 0; index < 20; index += 1) {
      const answer = await ask(test.port, route.hosts[0]!, { method: index % 2 === 0 ? "GET" : "POST", body: "some body" });
      assert.deepEqual([answer.status, answer.body], [200, "ok"]);
    }
    for (const ports of [[dead], [dead, await deadPort(), await deadPort()]]) {
      const refused = routeOf("up", ports);
      await test.router.publish(refused);
      const answer = await ask(test.port, refused.hosts[0]!);
      assert.deepEqual([answer.status, /H\d\d/.exec(answer.body)?.[0]], [503, "H21"]);
    }
  });

  it("answers H19 when a dyno does not take the connection", async () => {
    const { port, close } = await deafPort();
    const route = routeOf("up", [port]);
    await test.router.publish(route);
    const answer = await ask(test.port, route.hosts[0]!);
    assert.deepEqual([answer.status, /H\d\d/.exec(answer.body)?.[0]], [503, "H19"]);
    close();
  });

  it("does not repeat what may have reached the app", async () => {
    let seen = 0;
    const ports = [1, 2, 3].map(async () => await tcp((socket) => socket.on("data", () => ((seen += 1), socket.destroy()))));
    const route = routeOf("up", await Promise.all(ports));
    await test.router.publish(route);
    const answer = await ask(test.port, route.hosts[0]!, { method: "POST", body: "pay" });
    assert.deepEqual([answer.status, /H\d\d/.exec(answer.body)?.[0], seen], [503, "H13", 1]);
  });

  it("tries a GET once more that the dyno closed on, for it may have been a pooled connection", async () => {
    let seen = 0;
    const ports = [1, 2, 3, 4].map(async () => await tcp((socket) => socket.on("data", () => ((seen += 1), socket.destroy()))));
    const route = routeOf("up", await Promise.all(ports));
    await test.router.publish(route);
    const answer = await ask(test.port, route.hosts[0]!);
    assert.deepEqual([answer.status, /H\d\d/.exec(answer.body)?.[0], seen], [503, "H13", 2]);
  });

  it("spreads requests over the dynos", async () => {
    const ports = await Promise.all([1, 2, 3].map(async (n) => await web((_, response) => response.end(String(n)))));
    const route = routeOf("up", ports);
    await test.router.publish(route);
    const seen = new Set<string>();
    for (let index = 0; index < 60; index += 1) seen.add((await ask(test.port, route.hosts[0]!)).body);
    assert.deepEqual([...seen].sort(), ["1", "2", "3"]);
  });

  it("passes the app's own answers as they are, its orders to nginx included", async () => {
    const port = await web((request, response) => {
      response.writeHead(Number(request.url!.slice(1)), {
        "x-accel-redirect": "/routes",
        server: "mine",
        "x-accel-buffering": "no",
      });
      response.end("own page");
    });
    const route = routeOf("up", [port]);
    await test.router.publish(route);
    for (const status of [404, 418, 500, 502, 503, 504]) {
      const answer = await ask(test.port, route.hosts[0]!, { path: `/${status}` });
      assert.deepEqual([answer.status, answer.body, answer.headers["server"]], [status, "own page", "mine"]);
    }
  });

  it("answers an expectation other than 100-continue with 417, and continues itself", async () => {
    const port = await web((request, response) => request.on("data", () => {}).on("end", () => response.end("done")));
    const route = routeOf("up", [port]);
    await test.router.publish(route);
    const head = `POST / HTTP/1.1\r\nHost: ${route.hosts[0]}\r\nConnection: close\r\nContent-Length: 2\r\n`;
    assert.match(await raw(test.port, `${head}Expect: miracles\r\n\r\nhi`), /^HTTP\/1.1 417 /);
    assert.match(await raw(test.port, `${head}Expect: 100-continue\r\n\r\nhi`), /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 /);
  });

  it("refuses requests beyond the limits", async () => {
    const port = await web((_, response) => response.end("ok"));
    const route = routeOf("up", [port]);
    await test.router.publish(route);
    const head = `Host: ${route.hosts[0]}\r\nConnection: close\r\n`;
    const statusOf = async (text: string): Promise<string> => (await raw(test.port, text)).slice(9, 12);
    assert.equal(await statusOf(`GET /${"a".repeat(8000)} HTTP/1.1\r\n${head}\r\n`), "200");
    assert.equal(await statusOf(`GET /${"a".repeat(8300)} HTTP/1.1\r\n${head}\r\n`), "414");
    assert.equal(await statusOf(`GET / HTTP/1.1\r\n${head}X-Long: ${"a".repeat(8100)}\r\n\r\n`), "200");
    assert.equal(await statusOf(`GET / HTTP/1.1\r\n${head}X-Long: ${"a".repeat(8300)}\r\n\r\n`), "400");
    assert.equal(await statusOf(`GET / HTTP/1.1\r\n${head}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`), "400");
    assert.equal(
      await statusOf(`GET / HTTP/1.1\r\n${head}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`),
      "400",
    );
    assert.equal(await statusOf(`GET / HTTP/1.1\r\n${head}Host: other.localhost\r\n\r\n`), "400");
    assert.equal(await statusOf(`CONNECT ${route.hosts[0]}:80 HTTP/1.1\r\n${head}\r\n`), "400");
    assert.equal(await statusOf(`GET / HTTP/1.0\r\nConnection: close\r\n\r\n`), "404", "a client of 1994, without a host");
  });

  it("does not open the feed to the network", async () => {
    const route = routeOf("none");
    await test.router.publish(route);
    for (const host of ["localhost", route.hosts[0]!, "feed"]) {
      const answer = await ask(test.port, host, { path: "/routes" });
      assert.ok(answer.status >= 400 && !answer.body.includes("state="), answer.body);
    }
  });

  it("ends a stream whose dyno falls silent, after the idle time", async () => {
    const port = await web(
      (_, response) => void response.writeHead(200, { "content-type": "text/event-stream" }).write("data: 1\n\n"),
    );
    const route = routeOf("up", [port]);
    await test.router.publish(route);
    const answer = await open(test.port, route.hosts[0]!, { headers: { accept: "text/event-stream" } });
    const [chunk] = (await once(answer, "data")) as [Buffer];
    assert.equal(chunk.toString(), "data: 1\n\n", "the first event comes at once");
    const began = Date.now();
    await assert.rejects(async () => {
      for await (const _ of answer) continue;
    }, /aborted/);
    assert.ok(Date.now() - began > 600, "not before the idle time");
  });
});
