import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { connect, createServer, type Server } from "node:tls";
import { ensureAuthority } from "./authority.ts";
import { systemClock, type Clock } from "./clock.ts";

const NAMES = ["localhost", "*.localhost", "apps.example.test", "*.apps.example.test", "127.0.0.1", "::1"];
const DAY_MS = 86_400_000;

function clockIn(days: number): Clock {
  return { ...systemClock, now: () => new Date(Date.now() + days * DAY_MS) };
}

describe("the local authority", () => {
  const folder = mkdtempSync(join(tmpdir(), "zarpa-authority-"));
  const options = { folder, names: NAMES, hostBundle: null, clock: systemClock };
  after(() => rmSync(folder, { recursive: true, force: true }));

  describe("over real TLS", () => {
    let server: Server;
    let port: number;
    before(async () => {
      const authority = await ensureAuthority(options);
      server = createServer({ cert: readFileSync(authority.certFile), key: readFileSync(authority.keyFile) }, (socket) =>
        socket.end("hello"),
      );
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      port = (server.address() as AddressInfo).port;
    });
    after(() => server.close());

    const handshake = async (host: string, trusted: boolean): Promise<string> => {
      const { bundleFile } = await ensureAuthority(options);
      const ca = trusted ? { ca: readFileSync(bundleFile) } : {};
      const socket = connect({ host: "127.0.0.1", port, servername: host === "127.0.0.1" ? "" : host, ...ca });
      const chunks: Buffer[] = [];
      for await (const chunk of socket) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks).toString();
    };

    for (const host of ["localhost", "apps.example.test", "blog.apps.example.test", "127.0.0.1"]) {
      it(`is believed for ${host} by who trusts the bundle`, async () => {
        assert.equal(await handshake(host, true), "hello");
      });
    }

    it("is not believed for another name", async () => {
      await assert.rejects(handshake("elsewhere.test", true), /ERR_TLS_CERT_ALTNAME_INVALID|altnames/);
    });

    it("is not believed by who does not trust the bundle", async () => {
      await assert.rejects(handshake("localhost", false), /self-signed|unable to (verify|get)/);
    });
  });

  it("keeps its files while they are good, and the keys to itself", async () => {
    const first = await ensureAuthority(options);
    const before = [first.caFile, first.certFile, first.bundleFile].map((file) => statSync(file).ino);
    const again = await ensureAuthority(options);
    assert.equal(again.renewed, false);
    assert.deepEqual(
      [again.caFile, again.certFile, again.bundleFile].map((file) => statSync(file).ino),
      before,
    );
    assert.equal(statSync(again.keyFile).mode & 0o777, 0o600);
    assert.equal(statSync(join(folder, "ca.key")).mode & 0o777, 0o600);
    assert.equal(statSync(again.bundleFile).mode & 0o777, 0o644);
  });

  it("renews the server's certificate shortly before its end, under the same authority", async () => {
    const ca = readFileSync((await ensureAuthority(options)).caFile, "utf8");
    assert.equal((await ensureAuthority({ ...options, clock: clockIn(360) })).renewed, false);
    const later = await ensureAuthority({ ...options, clock: clockIn(370) });
    assert.equal(later.renewed, true);
    assert.equal(readFileSync(later.caFile, "utf8"), ca);
    const leaf = new X509Certificate(readFileSync(later.certFile));
    assert.ok(new Date(leaf.validTo).getTime() > Date.now() + 700 * DAY_MS);
  });

  it("issues anew when the names change", async () => {
    const other = await ensureAuthority({ ...options, names: ["localhost", "127.0.0.1"] });
    assert.equal(other.renewed, true);
    assert.equal(new X509Certificate(readFileSync(other.certFile)).subjectAltName, "DNS:localhost, IP Address:127.0.0.1");
  });

  it("recovers from half a file", async () => {
    const { keyFile } = await ensureAuthority(options);
    writeFileSync(keyFile, "-----BEGIN PRIV");
    assert.equal((await ensureAuthority(options)).renewed, true);
  });

  it("puts the machine's own authorities into the bundle", async () => {
    const hostBundle = join(folder, "host.crt");
    writeFileSync(hostBundle, "HOST AUTHORITIES\n");
    const { bundleFile, caFile } = await ensureAuthority({ ...options, hostBundle });
    assert.equal(readFileSync(bundleFile, "utf8"), `HOST AUTHORITIES\n${readFileSync(caFile, "utf8")}`);
  });
});
