import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { lookup as systemLookup } from "node:dns";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { LookupFunction } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { generateKeyPairSync } from "node:crypto";
import { type ChildProcess, spawn } from "node:child_process";
import { connect as connectTls } from "node:tls";
import { testCertificate } from "../../test/support/certificate.ts";
import { runCommand } from "../kernel/command.ts";
import { Secret } from "../kernel/secret.ts";
import { obtainCertificate } from "./acme.ts";
import { whyNotHere } from "./reach.ts";
import { ask, eventually, freePort, routeOf, startRouter, type TestRouter, withoutNginx } from "./router.test-support.ts";

const VERSION = "v2.10.1";
const PROGRAMS = ["pebble", "pebble-challtestsrv"] as const;
const FOLDER = join(import.meta.dirname, "..", "..", ".cache", `pebble-${VERSION}`);

/** Let's Encrypt's own ACME server for tests, built by Go once; a sentence when it cannot be had. */
async function pebble(): Promise<string | false> {
  if (PROGRAMS.every((name) => existsSync(join(FOLDER, name)))) return false;
  const packages = PROGRAMS.map((name) => `github.com/letsencrypt/pebble/v2/cmd/${name}@${VERSION}`);
  try {
    mkdirSync(FOLDER, { recursive: true });
    const result = await runCommand(["go", "install", ...packages], {
      env: { ...process.env, GOBIN: FOLDER, GOFLAGS: "-mod=mod" },
    });
    return result.exitCode === 0 ? false : `Pebble cannot be built: ${result.stderr.slice(0, 300)}`;
  } catch {
    return "Go is not installed, which builds Pebble, the ACME server for tests";
  }
}

const without = withoutNginx || (await pebble());

describe("automatic certificates, from a real ACME server", { skip: without }, () => {
  let test: TestRouter;
  let folder: string;
  let directoryUrl: string;
  let ca: string;
  let managementPort: number;
  const programs: ChildProcess[] = [];
  before(async () => {
    test = await startRouter();
    folder = mkdtempSync(join(tmpdir(), "zarpa-pebble-"));
    const own = await testCertificate();
    ca = own.ca;
    writeFileSync(join(folder, "cert.pem"), own.cert);
    writeFileSync(join(folder, "key.pem"), own.key);
    const [port, dnsPort, dnsManagement] = [await freePort(), await freePort(), await freePort()];
    managementPort = await freePort();
    const configuration = {
      pebble: {
        listenAddress: `127.0.0.1:${port}`,
        managementListenAddress: `127.0.0.1:${managementPort}`,
        certificate: join(folder, "cert.pem"),
        privateKey: join(folder, "key.pem"),
        httpPort: test.port,
        tlsPort: test.tlsPort,
        ocspResponderURL: "",
        externalAccountBindingRequired: false,
      },
    };
    writeFileSync(join(folder, "pebble.json"), JSON.stringify(configuration));
    const run = (name: string, ...argv: string[]): void => {
      const env = { ...process.env, PEBBLE_VA_NOSLEEP: "1", PEBBLE_WFE_NONCEREJECT: "20" };
      programs.push(spawn(join(FOLDER, name), argv, { stdio: "ignore", env }));
    };
    const dns = { defaultIPv4: "127.0.0.1", defaultIPv6: "", dnsserver: `127.0.0.1:${dnsPort}` };
    const servers = { management: `127.0.0.1:${dnsManagement}`, http01: "", https01: "", tlsalpn01: "", doh: "" };
    run("pebble-challtestsrv", ...Object.entries({ ...dns, ...servers }).flatMap(([name, value]) => [`-${name}`, value]));
    run("pebble", "-config", join(folder, "pebble.json"), "-dnsserver", `127.0.0.1:${dnsPort}`);
    directoryUrl = `https://localhost:${port}/dir`;
    await eventually(async () => ((await fetchText(port, "/dir")) === null ? null : true), 10_000);
  });
  after(async () => {
    for (const program of programs) program.kill();
    rmSync(folder, { recursive: true });
    await test.close();
  });
  const fetchText = async (port: number, path: string): Promise<string | null> => {
    const argv = ["curl", "-sk", "--max-time", "2", `https://127.0.0.1:${port}${path}`];
    const { exitCode, stdout } = await runCommand(argv);
    return exitCode === 0 ? stdout : null;
  };
  const accountKey = new Secret(
    generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  );
  const obtain = async (hosts: string[], challenge: (token: string, answer: string) => Promise<void>) =>
    await obtainCertificate(hosts, {
      directoryUrl,
      accountKey,
      email: "admin@example.com",
      challenge,
      ca,
      poll: { least: 100, most: 500 },
    });

  it("are ordered, answered for by the router, and served", async () => {
    const hosts = ["shop.example.com", "www.shop.example.com"];
    await test.router.publish({ ...routeOf("none"), hosts });
    const { chain, key } = await obtain(hosts, async (token, answer) => await test.router.challenge(token, answer));
    assert.ok(key.reveal().includes("PRIVATE KEY"));
    assert.deepEqual(
      new X509Certificate(chain).subjectAltName?.split(", ").sort(),
      hosts.map((host) => `DNS:${host}`),
    );
    await test.router.certificates([{ id: "acm", hosts, chain, key }]);
    const root = await fetchText(managementPort, "/roots/0");
    const options = { host: "127.0.0.1", port: test.tlsPort, servername: hosts[1]!, ca: root ?? "" };
    const authorized = await new Promise((resolve, reject) => {
      const socket = connectTls(options, () => (socket.destroy(), resolve(socket.authorized))).on("error", reject);
    });
    assert.equal(authorized, true, "a client that trusts the authority trusts us");
    const again = await obtain(["shop.example.com"], async (token, answer) => await test.router.challenge(token, answer));
    assert.equal(
      new X509Certificate(again.chain).subjectAltName,
      "DNS:shop.example.com",
      "with the account that is there already",
    );
  });

  it("are not given for a host that does not answer as it should", async () => {
    await assert.rejects(
      obtain(["elsewhere.example.com"], async () => {}),
      /invalid|unauthorized|404/i,
    );
  });

  it("are asked for only when the host leads here", async () => {
    await test.router.publish({ ...routeOf("crashed"), hosts: ["here.example.com"] });
    const local: LookupFunction = (_, options, callback) => systemLookup("127.0.0.1", { ...options, family: 4 }, callback);
    const challenge = async (token: string, answer: string): Promise<void> => await test.router.challenge(token, answer);
    const why = async (host: string, port: number, lookup?: LookupFunction): Promise<string | null> =>
      await whyNotHere(host, { challenge, port, ...(lookup === undefined ? {} : { lookup }) });
    assert.equal(await why("here.example.com", test.port, local), null);
    assert.match((await why("here.example.com", await freePort(), local)) ?? "", /does not answer at port \d+: ECONNREFUSED/);
    assert.match((await why("here.invalid", test.port)) ?? "", /no address in the DNS/);
    const other = await startRouter();
    assert.match((await why("here.example.com", other.port, local)) ?? "", /leads to another server/);
    await other.close();
    assert.equal((await ask(test.port, "here.example.com")).status, 503, "and the app is as before");
  });
});
