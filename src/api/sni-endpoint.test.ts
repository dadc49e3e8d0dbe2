import assert from "node:assert/strict";
import { createPrivateKey, type KeyObject } from "node:crypto";
import { after, test } from "node:test";
import { testApi } from "../../test/support/api.ts";
import { testCertificate } from "../../test/support/certificate.ts";

const api = await testApi();
after(async () => await api[Symbol.asyncDispose]());
const ana = await api.user("ana@example.com");
const ben = await api.user("ben@example.com");
await ana.call("POST", "/apps", { name: "shop" });
const PATH = "/apps/shop/sni-endpoints";
const given = async (names: string[]): Promise<{ certificate_chain: string; private_key: string }> => {
  const { cert, key } = await testCertificate(names);
  return { certificate_chain: cert, private_key: key };
};

test("certificates are kept, shown without their key, given to domains, replaced and removed", async () => {
  const first = await given(["www.example.com", "*.example.org"]);
  const added = await ana.call("POST", PATH, first);
  assert.equal(added.status, 201, added.text);
  const { name, id, ssl_cert: about } = added.body;
  assert.match(name, /^[a-z][a-z0-9-]{2,29}$/);
  assert.deepEqual(
    [about.cert_domains, about.acm, about["self_signed?"], about["ca_signed?"]],
    [["www.example.com", "*.example.org"], false, false, false],
  );
  assert.match(about.issuer, /^\/.*CN=/);
  assert.ok(new Date(about.expires_at) > new Date(about.starts_at));
  assert.ok(!JSON.stringify(added.body).includes("PRIVATE KEY"));
  const seal = await api.platform.db.selectFrom("sni_endpoints").select("private_key").executeTakeFirstOrThrow();
  assert.ok(!seal.private_key.includes("PRIVATE KEY"), "nor is it in the database as it is");

  const domain = await ana.call("POST", "/apps/shop/domains", { hostname: "www.example.com", sni_endpoint: name });
  assert.deepEqual(domain.body.sni_endpoint, { id, name });
  for (const [hostname, status] of [
    ["*.example.org", 201],
    ["a.example.org", 201],
    ["a.b.example.org", 422],
    ["other.example.com", 422],
  ] as const) {
    const answer = await ana.call("POST", "/apps/shop/domains", { hostname, sni_endpoint: name });
    assert.equal(answer.status, status, `${hostname}: ${answer.text}`);
    if (status === 422)
      assert.match(answer.body.message, /The certificate is not for .*, but for www\.example\.com, \*\.example\.org/);
  }
  const off = await ana.call("PATCH", "/apps/shop/domains/a.example.org", { sni_endpoint: null });
  assert.equal(off.body.sni_endpoint, null);
  assert.equal(
    (await ana.call("PATCH", "/apps/shop/domains/a.example.org", { sni_endpoint: name })).body.sni_endpoint.name,
    name,
  );
  assert.equal((await ana.call("PATCH", "/apps/shop/domains/shop.localhost", { sni_endpoint: name })).status, 422);
  assert.equal((await ana.call("GET", `${PATH}/${name}`)).body.domains.length, 3);

  const refused = await ana.call("PATCH", `${PATH}/${name}`, await given(["www.example.com"]));
  assert.match(refused.body.message, /not for \*\.example\.org|not for a\.example\.org/);
  const before = api.events.certificates;
  const second = await given(["www.example.com", "*.example.org", "new.example.com"]);
  const updated = await ana.call("PATCH", `${PATH}/${id}`, second);
  assert.deepEqual([updated.body.name, updated.body.ssl_cert.cert_domains.length], [name, 3]);
  assert.equal(api.events.certificates, before + 1, "the router hears of it");

  assert.equal((await ana.call("DELETE", `${PATH}/${name}`)).status, 200);
  assert.deepEqual((await ana.call("GET", PATH)).body, []);
  assert.equal((await ana.call("GET", "/apps/shop/domains/www.example.com")).body.sni_endpoint, null);
  assert.equal((await ana.call("GET", `${PATH}/${name}`)).body.resource, "sni_endpoint");
});

test("what no browser would take is refused in words", async () => {
  const good = await given(["www.example.com"]);
  const other = await given(["www.example.com"]);
  const cases: [Partial<typeof good>, RegExp][] = [
    [{ certificate_chain: "hello" }, /not PEM: it must hold -----BEGIN CERTIFICATE-----/],
    [
      { certificate_chain: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----" },
      /Certificate 1 of the chain cannot be read/,
    ],
    [{ private_key: "hello" }, /private key cannot be read/],
    [{ private_key: other.private_key }, /private key does not belong to the certificate/],
    [{ private_key: encrypted(good.private_key) }, /has a passphrase/],
    [{ certificate_chain: good.certificate_chain.repeat(11) }, /at most/],
    [{ certificate_chain: undefined as never }, /Missing required parameter "certificate_chain"/],
  ];
  for (const [change, words] of cases) {
    const answer = await ana.call("POST", PATH, { ...good, ...change });
    assert.equal(answer.status, 422, answer.text);
    assert.match(answer.body.message, words);
  }
  const { cert, key, ca } = await testCertificate(["late.example.com"]);
  const mixed = await ana.call("POST", PATH, { certificate_chain: `${ca}\n${cert}`, private_key: key });
  assert.equal(mixed.status, 201, "in any order");
  assert.equal(mixed.body.certificate_chain.match(/BEGIN CERTIFICATE/g).length, 1, "without the root, which clients have");
  await api.clock.advance(500 * 86_400_000);
  const late = await ana.call("POST", PATH, { certificate_chain: cert, private_key: key });
  assert.match(late.body.message, /The certificate has ended on \d{4}-/);
});

test("certificates are the app's, and automatic ones are switched by its members", async () => {
  assert.equal((await ben.call("GET", PATH)).status, 403);
  assert.equal((await ben.call("POST", "/apps/shop/acm", {})).status, 403);
  assert.match((await ana.call("PATCH", "/apps/shop/acm", { acm_refresh: true })).body.message, /not enabled/);
  assert.equal((await ana.call("POST", "/apps/shop/acm", {})).body.acm, true);
  assert.equal((await ana.call("GET", "/apps/shop")).body.acm, true);
  assert.equal((await ana.call("PATCH", "/apps/shop/acm", { acm_refresh: true })).status, 200);
  assert.equal((await ana.call("DELETE", "/apps/shop/acm")).body.acm, false);
});

function encrypted(pem: string): string {
  const key: KeyObject = createPrivateKey(pem);
  return key.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "secret" }).toString();
}
