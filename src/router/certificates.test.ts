import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { Agent, request } from "node:https";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { connect as connectTls, type PeerCertificate } from "node:tls";
import { testCertificate } from "../../test/support/certificate.ts";
import { systemClock } from "../kernel/clock.ts";
import { Secret } from "../kernel/secret.ts";
import type { RouterCertificate } from "./certificate-table.ts";
import type { RequestLine } from "./request-line.ts";
import { RequestLog } from "./request-log.ts";
import type { Route } from "./route-line.ts";
import { ask, eventually, httpBackend, routeOf, startRouter, type TestRouter, withoutNginx } from "./router.test-support.ts";

describe("certificates of custom domains", { skip: withoutNginx }, () => {
  let test: TestRouter;
  let backend: Awaited<ReturnType<typeof httpBackend>>;
  let log: RequestLog;
  const lines: RequestLine[] = [];
  before(async () => {
    test = await startRouter();
    backend = await httpBackend((incoming, response) => response.end(incoming.headers.host));
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
    backend.close();
    await log.stop();
    await test.close();
  });
  const made = async (id: string, hosts: string[]): Promise<RouterCertificate> => {
    const { cert, key } = await testCertificate(hosts);
    return { id, hosts, chain: cert, key: new Secret(key) };
  };
  const namesOf = async (servername: string): Promise<string> =>
    await new Promise((resolve, reject) => {
      const socket = connectTls({ host: "127.0.0.1", port: test.tlsPort, servername, rejectUnauthorized: false }, () => {
        const peer: PeerCertificate = socket.getPeerCertificate();
        socket.destroy();
        resolve(peer.subjectaltname ?? "");
      });
      socket.on("error", reject);
    });
  const askTls = async (servername: string, host: string): Promise<{ status: number; body: string }> =>
    await new Promise((resolve, reject) => {
      const agent = new Agent({ keepAlive: false, servername });
      const options = { host: "127.0.0.1", port: test.tlsPort, agent, rejectUnauthorized: false, headers: { host } };
      request(options, (answer) => {
        let body = "";
        answer.on("data", (chunk: Buffer) => (body += chunk.toString()));
        answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body }));
      })
        .on("error", reject)
        .end();
    });
  const publish = async (hosts: string[]): Promise<Route> => {
    const route = { ...routeOf("up", [backend.port]), hosts };
    await test.router.publish(route);
    return route;
  };

  it("are served by the name that the client asks for, at once, and taken away at once", async () => {
    const [first, wild] = [await made("one", ["shop.example.com"]), await made("two", ["*.example.org"])];
    await test.router.certificates([first, wild]);
    assert.equal(await namesOf("shop.example.com"), "DNS:shop.example.com");
    assert.equal(await namesOf("SHOP.example.com"), "DNS:shop.example.com");
    assert.equal(await namesOf("www.example.org"), "DNS:*.example.org");
    assert.match(await namesOf("other.example.com"), /DNS:localhost/);
    await publish(["shop.example.com"]);
    assert.deepEqual(await askTls("shop.example.com", "shop.example.com"), { status: 200, body: "shop.example.com" });
    const pid = test.router.pid();
    await test.router.certificates([await made("one", ["shop.example.com", "new.example.com"])]);
    assert.equal(await namesOf("shop.example.com"), "DNS:shop.example.com, DNS:new.example.com");
    assert.match(await namesOf("www.example.org"), /DNS:localhost/);
    assert.equal(test.router.pid(), pid);
  });

  it("keep a connection to the hosts that it was made for: H32, and H31 for hosts that are nobody's", async () => {
    await test.router.certificates([await made("one", ["a.example.com"]), await made("two", ["b.example.com"])]);
    const [a, b] = [await publish(["a.example.com"]), await publish(["b.example.com"])];
    const plain = await publish(["c.localhost"]);
    assert.equal((await askTls("a.example.com", "a.example.com:8443")).status, 200);
    const other = await askTls("a.example.com", "b.example.com");
    assert.deepEqual([other.status, /H\d\d/.exec(other.body)?.[0]], [421, "H32"]);
    assert.equal((await askTls("a.example.com", plain.hosts[0]!)).status, 421);
    const nobody = await askTls("a.example.com", "stale.example.com");
    assert.deepEqual([nobody.status, /H\d\d/.exec(nobody.body)?.[0]], [421, "H31"]);
    assert.equal(
      (await askTls("localhost", plain.hosts[0]!)).status,
      200,
      "under the platform's certificate all its names are one",
    );
    assert.equal((await ask(test.port, "b.example.com")).status, 200, "and plain HTTP has none");
    const logged = async (route: Route, pattern: RegExp): Promise<string> =>
      await eventually(
        () => lines.find(({ appId, message }) => appId === route.app.id && pattern.test(message))?.message ?? null,
      );
    assert.match(await logged(b, /H32/), /at=error code=H32 desc="TLS Certificate Mismatch" .* status=421/);
    assert.match(await logged(a, /H31/), /at=error code=H31 desc="Misdirected Request" .* status=421/);
  });

  it("are refused when they are none, and the others stay", async () => {
    await test.router.certificates([await made("one", ["a.example.com"])]);
    await assert.rejects(test.router.certificates([{ id: "x", hosts: ["a b"], chain: "", key: new Secret("") }]), /for no hosts/);
    assert.equal(await namesOf("a.example.com"), "DNS:a.example.com");
  });

  it("answers a challenge of ACME for any host, whatever the app's state", async () => {
    const route = routeOf("none");
    await test.router.publish(route);
    await test.router.challenge("token-1_x", "token-1_x.thumbprint");
    const path = "/.well-known/acme-challenge/token-1_x";
    const answer = await ask(test.port, route.hosts[0]!, { path });
    assert.deepEqual([answer.status, answer.body], [200, "token-1_x.thumbprint"]);
    assert.match((await ask(test.port, route.hosts[0]!, { path: `${path}y` })).body, /H14/, "any other is the app's own affair");
  });

  it("come back with a router that was killed, from a file for its owner only", async () => {
    await test.router.certificates([await made("one", ["kept.example.com"])]);
    const file = join(test.paths.router, "certificates");
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.ok(!readFileSync(join(test.paths.router, "nginx.conf"), "utf8").includes("PRIVATE KEY"));
    await test.router.stop();
    const next = test.successor();
    await next.ensureRunning();
    assert.equal(await namesOf("kept.example.com"), "DNS:kept.example.com");
    test.router = next;
  });
});
