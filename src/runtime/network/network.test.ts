import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { firewallRules, forwardExceptions } from "./firewall.ts";
import { findResolvers, reachableResolvers, resolvConf } from "./resolvers.ts";
import { addressAt, chooseSubnet, gatewayOf, IndexPool, installationTag, overlaps } from "./subnet.ts";

test("a subnet is chosen beside what the host routes, and differs between installations", () => {
  const tag = installationTag("/var/lib/zarpa");
  const wanted = chooseSubnet(tag, ["default", "0.0.0.0/0", "192.168.1.0/24"]);
  assert.equal(wanted.first, 10);
  assert.deepEqual(chooseSubnet(tag, ["default"]), wanted);
  const next = chooseSubnet(tag, [`10.${wanted.second}.7.0/24`]);
  assert.notEqual(next.second, wanted.second);
  assert.equal(overlaps(wanted, [`10.${wanted.second}.3.4`]), true);
  assert.equal(overlaps(wanted, ["10.0.0.0/8"]), true);
  assert.equal(overlaps(wanted, ["10.0.0.0/16", "172.17.0.0/16"]), false);
  assert.throws(() => chooseSubnet(tag, ["10.0.0.0/8"]), /no private \/16 network/);
  assert.notEqual(installationTag("/a"), installationTag("/b"));
});

test("addresses come back as late as possible", () => {
  const subnet = { first: 10, second: 77 };
  assert.equal(gatewayOf(subnet), "10.77.0.1");
  assert.equal(addressAt(subnet, 0x0203), "10.77.2.3");
  const pool = new IndexPool(0);
  const first = pool.take();
  pool.release(first);
  pool.reserve(first + 1);
  assert.equal(pool.take(), first + 2);
});

test("name servers on the host's loopback are replaced by the ones behind them", async () => {
  const folder = await mkdtemp(join(tmpdir(), "zarpa-resolvers-"));
  const stub = join(folder, "stub");
  const real = join(folder, "real");
  await writeFile(stub, "nameserver 127.0.0.53\noptions edns0\n");
  await writeFile(real, "# upstream\nnameserver 192.0.2.53\nnameserver fe80::1\nnameserver 192.0.2.54\n");
  assert.deepEqual(await findResolvers([stub, real]), ["192.0.2.53", "192.0.2.54"]);
  assert.deepEqual(await findResolvers([stub]), ["1.1.1.1", "9.9.9.9"]);
  assert.deepEqual(reachableResolvers("nameserver 10.0.0.2\nnameserver 10.0.0.2\n"), ["10.0.0.2"]);
  assert.equal(resolvConf(["10.0.0.2"]), "nameserver 10.0.0.2\n");
  await rm(folder, { recursive: true });
});

test("the packet rules name only our table and our interfaces", () => {
  const rules = firewallRules({
    table: "zarpa_abc123",
    interfacePrefix: "zabc123",
    subnet: "10.77.0.0/16",
    resolvers: ["192.0.2.53", "169.254.169.254"],
  });
  assert.match(rules, /^table inet zarpa_abc123 {}\ndelete table inet zarpa_abc123\n/);
  assert.match(rules, /ip saddr 10\.77\.0\.0\/16 oifname != "zabc123\*" masquerade/);
  // A name server with a link-local address (Google Cloud) is reached although the metadata addresses are not.
  assert.ok(rules.indexOf("169.254.169.254") < rules.indexOf("169.254.0.0/16"));
  assert.deepEqual(forwardExceptions("zabc123")[0], ["FORWARD", "-i", "zabc123+", "-j", "ACCEPT"]);
});
