import assert from "node:assert/strict";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { systemClock } from "../kernel/clock.ts";
import type { RequestLine } from "./request-line.ts";
import { RequestLog } from "./request-log.ts";
import type { Route } from "./route-line.ts";
import {
  ask,
  type Backend,
  deafPort,
  deadPort,
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

/** What the log says, and the status of the answer, where there is one. */
type Arisen = { log: RegExp; status?: number };

/**
 * Every H code of Heroku's article "Error Codes": how the log names it when a test has made it arise, or why it cannot arise here.
 * H31 and H32 need certificates: they are made to arise in `certificates.test.ts`.
 */
const CODES: Record<string, Arisen | { not: string } | { elsewhere: string }> = {
  H10: { log: /^at=error code=H10 desc="App crashed"/, status: 503 },
  H11: { log: /^at=error code=H11 desc="Backlog too deep"/, status: 503 },
  H12: { log: /^at=error code=H12 desc="Request timeout" .* service=\d+ms status=503/, status: 503 },
  H13: { log: /^at=error code=H13 desc="Connection closed without response"/, status: 503 },
  H14: { log: /^at=error code=H14 desc="No web processes running"/, status: 503 },
  H15: { log: /^at=error code=H15 desc="Idle connection" .* status=503/ },
  H16: { not: "Heroku emits it no longer" },
  H17: { log: /^at=error code=H17 desc="Poorly formatted HTTP response"/, status: 503 },
  H18: { log: /^sock=backend at=error code=H18 desc="Server Request Interrupted"/ },
  H19: { log: /^at=error code=H19 desc="Backend connection timeout" .* connect=\d+ms/, status: 503 },
  H20: { log: /^at=error code=H20 desc="App boot timeout"/, status: 503 },
  H21: { log: /^at=error code=H21 desc="Backend connection refused"/, status: 503 },
  H22: { not: "a limit of connections of Heroku's old routing layer; requests at once are limited by H11" },
  H23: { not: "Heroku's router 2.0 emits it no longer" },
  H24: { log: /^at=error code=H24 desc="Forced close"/ },
  H25: { log: /^at=error code=H25 desc="HTTP restriction: invalid content length"/, status: 502 },
  H26: { log: /^at=error code=H26 desc="Request Error" cause="unsupported expect header value"/, status: 417 },
  H27: { log: /^sock=client at=warning code=H27 desc="Client Request Interrupted" .* status=499/ },
  H28: { log: /^sock=client at=warning code=H28 desc="Client Connection Idle" .* status=499/ },
  H31: { elsewhere: "certificates.test.ts" },
  H32: { elsewhere: "certificates.test.ts" },
  H33: { log: /^sock=client at=warning code=H33 desc="HTTP\/2 Stream Broken" .* protocol=http2.0/ },
  H34: { log: /^at=error code=H34 desc="All up dynos are quarantined"/, status: 503 },
  H80: { log: /^at=info code=H80 desc="Maintenance mode"/, status: 503 },
  H81: { log: /^at=info code=H81 desc="Blank app"/, status: 503 },
  H82: { log: /^at=error code=H82 desc="You've used up your dyno hour pool"/, status: 503 },
  H83: { not: "there is no planned degradation on a machine of one's own: the operator has maintenance:on" },
  H99: { log: /^at=error code=H99 desc="Platform error"/, status: 503 },
};

/** 200 for one dyno, a step of 16 for each worker, and some. */
const MORE_THAN_ALLOWED = 250;

describe("every H code", { skip: withoutNginx }, () => {
  let test: TestRouter;
  let log: RequestLog;
  const backends: Pick<Backend, "close">[] = [];
  const sockets: Socket[] = [];
  const lines: RequestLine[] = [];
  before(async () => {
    test = await startRouter({ ...SHORT_LIMITS, windDown: 200 });
    log = new RequestLog({
      folder: test.paths.router,
      clock: systemClock,
      journal: { note: () => {}, fault: (event, cause) => test.journal.push(`${event}: ${String(cause)}`) },
      onRequests: (requests) => void lines.push(...requests),
      reopenLogs: () => test.router.reopenLogs(),
    });
    log.start();
  });
  after(async () => {
    for (const socket of sockets) socket.destroy();
    await log.stop();
    for (const backend of backends) backend.close();
    await test.close();
  });
  const keep = <T extends Pick<Backend, "close">>(backend: T): T => (backends.push(backend), backend);
  const tcp = async (answer: string | null): Promise<number> => {
    const listener = (socket: Socket) => socket.once("data", () => (answer === null ? socket.destroy() : socket.end(answer)));
    return keep(await tcpBackend(listener)).port;
  };
  const silent = async (): Promise<number> => keep(await tcpBackend(() => {})).port;
  const streaming = async (): Promise<number> =>
    keep(await httpBackend((_, response) => void response.writeHead(200).write("some"))).port;
  const ticking = async (): Promise<number> => {
    const tick = (response: ServerResponse): void => {
      response.write(".");
      systemClock.after(100, () => tick(response));
    };
    return keep(await httpBackend((_, response) => tick(response))).port;
  };
  const publish = async (route: Route): Promise<Route> => (await test.router.publish(route), route);
  const up = async (...ports: number[]): Promise<Route> => await publish(routeOf("up", ports));
  const send = (text: string): Socket => {
    const socket = connect(test.port, "127.0.0.1").on("error", () => {});
    sockets.push(socket);
    socket.write(text);
    return socket;
  };
  /** Asks, and gives the route and the status. */
  const asked = async (route: Route, headers: Record<string, string> = {}): Promise<[Route, number]> => [
    route,
    (await ask(test.port, route.hosts[0]!, { headers })).status,
  ];
  const interrupted = async (route: Route): Promise<[Route]> => {
    await assert.rejects(ask(test.port, route.hosts[0]!), /aborted/);
    return [route];
  };

  const MAKE: Record<string, () => Promise<[Route, number?]>> = {
    H10: async () => await asked(await publish(routeOf("crashed"))),
    H11: async () => {
      const route = await up(await silent());
      let refused = "";
      for (let index = 0; index < MORE_THAN_ALLOWED; index += 1) {
        const socket = send(`GET / HTTP/1.1\r\nHost: ${route.hosts[0]}\r\n\r\n`);
        socket.on("data", (chunk) => (refused ||= /^HTTP\/1.1 (\d+)[^]*H11/.exec(chunk.toString())?.[1] ?? ""));
      }
      return [route, Number(await eventually(() => refused || null))];
    },
    H12: async () => await asked(await up(await silent())),
    H13: async () => await asked(await up(await tcp(null))),
    H14: async () => await asked(await publish(routeOf("none"))),
    H15: async () => await interrupted(await up(await streaming())),
    H17: async () => await asked(await up(await tcp("no status line\r\n\r\n"))),
    H18: async () => await interrupted(await up(await tcp("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome"))),
    H19: async () => {
      const deaf = keep(await deafPort());
      return await asked(await up(deaf.port));
    },
    H20: async () => await asked(await publish(routeOf("booting"))),
    H21: async () => await asked(await up(await deadPort())),
    H24: async () => {
      // The former workers of a reload have the wind-down's time.
      const route = await up(await ticking());
      const answer = await open(test.port, route.hosts[0]!);
      answer.on("error", () => {});
      await once(answer, "data");
      const next = test.successor({ windDown: 201 });
      await next.ensureRunning();
      return [route];
    },
    H25: async () => await asked(await up(await tcp("HTTP/1.1 200 OK\r\nContent-Length: some\r\n\r\nhello"))),
    H26: async () => await asked(await up(await silent()), { expect: "miracles" }),
    H27: async () => {
      const route = await up(await streaming());
      (await open(test.port, route.hosts[0]!)).destroy();
      return [route];
    },
    H28: async () => {
      const route = await up(await silent());
      send(`POST / HTTP/1.1\r\nHost: ${route.hosts[0]}\r\nContent-Length: 10\r\n\r\nhalf`);
      return [route];
    },
    H33: async () => {
      const route = await up(await streaming());
      const session = connectHttp2(`https://127.0.0.1:${test.tlsPort}`, {
        ca: readFileSync(test.caFile),
        servername: "localhost",
      });
      const stream = session.request({ ":authority": route.hosts[0], ":path": "/" });
      await once(stream, "data");
      stream.close(8);
      session.close();
      return [route];
    },
    H34: async () => {
      const route = await up(await deadPort());
      // Every worker finds out for itself.
      const status = await eventually(async () => {
        const answer = await ask(test.port, route.hosts[0]!);
        return answer.body.includes("H34") ? answer.status : null;
      });
      return [route, status];
    },
    H80: async () => await asked(await publish(routeOf("maintenance"))),
    H81: async () => await asked(await publish(routeOf("blank"))),
    H82: async () => await asked(await publish(routeOf("exhausted"))),
    H99: async () => {
      const route = routeOf("up", [80]);
      return await asked(await publish({ ...route, backends: [{ ...route.backends[0]!, address: "999.1.1.1" }] }));
    },
  };

  for (const [code, expected] of Object.entries(CODES)) {
    if ("not" in expected) {
      it(`${code} does not arise: ${expected.not}`, () => assert.equal(MAKE[code], undefined));
      continue;
    }
    if ("elsewhere" in expected) continue;
    it(code, async () => {
      const [route, status] = await MAKE[code]!();
      assert.equal(status, expected.status);
      const of = (): string[] => lines.filter(({ appId }) => appId === route.app.id).map(({ message }) => message);
      await eventually(() => of().find((line) => expected.log.test(line)) ?? null).catch(() => {
        assert.fail(`not in the log: ${expected.log}; but: ${of().join("\n")}`);
      });
    });
  }

  it("names what was wrong with a request: H26", async () => {
    const body = await up(await silent());
    const head = `Host: ${body.hosts[0]}\r\nConnection: close\r\n`;
    assert.match(await raw(test.port, `POST /a HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n`), /^HTTP\/1.1 400 /);
    const header = await up(await silent());
    const bad = `PUT /b HTTP/1.1\r\nHost: ${header.hosts[0]}\r\nNul\0Header: x\r\n\r\n`;
    assert.match(await raw(test.port, bad), /^HTTP\/1.1 400 /);
    const lineOf = async (route: Route): Promise<string> =>
      await eventually(() => lines.find(({ appId }) => appId === route.app.id)?.message ?? null);
    assert.match(await lineOf(body), /code=H26 desc="Request Error" cause="bad chunk" method=POST path="\/a" .* dyno=web.1/);
    assert.match(await lineOf(header), /code=H26 desc="Request Error" cause="bad header" method=PUT path="\/b" .* dyno= /);
  });
});
