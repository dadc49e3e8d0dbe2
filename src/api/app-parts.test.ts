import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { after, test } from "node:test";
import { sql } from "kysely";
import { testApi } from "../../test/support/api.ts";
import { parsePublicKey } from "../platform/key.ts";

const api = await testApi();
after(async () => await api[Symbol.asyncDispose]());
const ana = await api.user("ana@example.com");
const ben = await api.user("ben@example.com");
await ana.call("POST", "/apps", { name: "demo" });

test("domains: the default one, custom ones, and what is refused", async () => {
  const [only] = (await ana.call("GET", "/apps/demo/domains", undefined, { range: "id ..; max=1000;" })).body;
  assert.deepEqual([only.hostname, only.kind, only.cname, only.status], ["demo.localhost", "heroku", null, "none"]);
  const added = await ana.call("POST", "/apps/demo/domains", { hostname: "WWW.Example.com", sni_endpoint: null });
  assert.equal(added.status, 201);
  assert.deepEqual([added.body.hostname, added.body.kind, added.body.cname], ["www.example.com", "custom", "demo.localhost"]);
  assert.equal((await ana.call("POST", "/apps/demo/domains", { hostname: "*.example.org" })).status, 201);
  const refused = async (hostname: string): Promise<string> => {
    const { status, body } = await ana.call("POST", "/apps/demo/domains", { hostname });
    assert.equal(status, 422, hostname);
    return body.message;
  };
  assert.match(await refused("www.example.com"), /already in use/);
  assert.match(await refused("other.localhost"), /reserved/);
  assert.match(await refused("localhost"), /not a host name/);
  for (const hostname of ["", "no spaces.com", "http://x.com", "-a.com", "a..com", "x.com/", "*.*.com", "1.2.3.4"]) {
    assert.match(await refused(hostname), /not a host name/);
  }
  assert.match((await ana.call("POST", "/apps/demo/domains", {})).body.message, /Missing required parameter "hostname"/);
  assert.equal((await ana.call("GET", "/apps/demo/domains/www.example.com")).body.id, added.body.id);
  assert.equal((await ana.call("PATCH", "/apps/demo/domains/www.example.com", { sni_endpoint: "x" })).status, 404);
  assert.equal((await ana.call("DELETE", `/apps/demo/domains/${added.body.id}`)).status, 200);
  assert.equal((await ana.call("GET", "/apps/demo/domains/www.example.com")).status, 404);
  assert.match((await ana.call("DELETE", "/apps/demo/domains/demo.localhost")).body.message, /cannot be removed/);
});

test("domains are as many as the router can hold", async () => {
  const { id } = (await ben.call("POST", "/apps", { name: "crowded" })).body;
  const { body: other } = await ben.call("POST", "/apps", { name: "crowded-too" });
  for (const [app, name] of [
    [id, "a"],
    [other.id, "b"],
  ]) {
    await sql`insert into domains (id, app_id, hostname, kind, created_at, updated_at)
      select gen_random_uuid(), ${app}, ${name} || n || '.example', 'custom', now(), now() from generate_series(1, 999) n`.execute(
      api.platform.db,
    );
  }
  const add = async (app: string, hostname: string): Promise<string | undefined> =>
    (await ben.call("POST", `/apps/${app}/domains`, { hostname })).body.message;
  assert.equal(await add("crowded", "a.example.net"), undefined);
  assert.match((await add("crowded", "b.example.net")) ?? "", /An app may have 1000/);
  await ben.call("POST", "/apps", { name: "crowded-three" });
  assert.equal(await add("crowded-three", "c.example.net"), undefined);
  assert.match((await add("crowded-three", "d.example.net")) ?? "", /An account may have 2000/);
});

test("collaborators: the owner is one, others come and go", async () => {
  const [owner] = (await ana.call("GET", "/apps/demo/collaborators")).body;
  assert.deepEqual([owner.user.email, owner.role], ["ana@example.com", "owner"]);
  const added = await ana.call("POST", "/apps/demo/collaborators", { user: "ben@example.com", silent: true });
  assert.equal(added.status, 201);
  assert.equal(added.body.role, "collaborator");
  assert.match(
    (await ana.call("POST", "/apps/demo/collaborators", { user: "ben@example.com" })).body.message,
    /already a collab/,
  );
  assert.match((await ana.call("POST", "/apps/demo/collaborators", { user: "x@y.z" })).body.message, /no account x@y\.z/);
  assert.match((await ana.call("DELETE", "/apps/demo/collaborators/ana@example.com")).body.message, /owner .* cannot/);
  assert.equal((await ben.call("DELETE", "/apps/demo/collaborators/ben@example.com")).status, 200);
  assert.equal((await ben.call("GET", "/apps/demo")).status, 403);
  assert.equal((await ana.call("GET", "/apps/demo/collaborators/ben@example.com")).status, 404);
});

test("buildpacks: names and URLs in order, with the CLI's empty Range", async () => {
  const path = "/apps/demo/buildpack-installations";
  assert.deepEqual((await ana.call("GET", path)).body, []);
  const updates = [{ buildpack: "heroku/nodejs" }, { buildpack: "https://github.com/acme/buildpack-x#v2" }];
  const set = await ana.call("PUT", path, { updates }, { range: "" });
  assert.equal(set.status, 200);
  assert.deepEqual(set.body, [
    { ordinal: 0, buildpack: { name: "heroku/nodejs", url: "urn:buildpack:heroku/nodejs" } },
    { ordinal: 1, buildpack: { name: updates[1]?.buildpack, url: updates[1]?.buildpack } },
  ]);
  assert.deepEqual((await ana.call("GET", path)).body, set.body);
  for (const buildpack of ["heroku/cobol", "git@github.com:a/b.git", "http://plain.example/x", "file:///etc", undefined]) {
    const refused = await ana.call("PUT", path, { updates: [{ buildpack }] });
    assert.equal(refused.status, 422);
    assert.match(refused.body.message, /heroku\/python/);
  }
  assert.equal((await ana.call("PUT", path, {})).status, 422);
  assert.deepEqual((await ana.call("GET", path)).body, set.body);
  assert.deepEqual((await ana.call("PUT", path, { updates: [] })).body, []);
});

test("the buildpack registry answers without a token", async () => {
  const python = await api.request({ url: "/buildpacks/heroku%2Fpython" });
  assert.equal(python.body.blob_url, "urn:buildpack:heroku/python");
  assert.equal((await api.request({ url: "/buildpacks/heroku%2Fcobol" })).status, 404);
  const names = async (query: string): Promise<string[]> =>
    (await api.request({ url: `/buildpacks${query}` })).body.map((entry: { name: string }) => entry.name);
  assert.deepEqual(await names(""), ["nodejs", "python"]);
  assert.deepEqual(await names("?in[name][]=python"), ["python"]);
  assert.deepEqual(await names("?in[namespace][]=acme"), []);
  assert.deepEqual(await names("?like[description]=yarn"), ["nodejs"]);
  assert.equal((await api.request({ url: "/buildpacks/heroku%2Fpython/revisions" })).body[0].status, "published");
  assert.equal((await api.request({ url: "/buildpacks/heroku%2Fpython/readme" })).body.encoding, "base64");
});

test("features are switched on and off; an unknown one is 404, so that labs:enable tries the other kind", async () => {
  const features = (await ana.call("GET", "/apps/demo/features")).body;
  for (const name of ["runtime-dyno-metadata", "preboot", "http-session-affinity", "log-runtime-metrics"]) {
    assert.equal(features.find((feature: { name: string }) => feature.name === name)?.enabled, false, name);
  }
  assert.equal((await ana.call("PATCH", "/apps/demo/features/preboot", { enabled: true })).body.enabled, true);
  assert.equal((await ana.call("GET", "/apps/demo/features/preboot")).body.enabled, true);
  assert.equal((await ana.call("PATCH", "/apps/demo/features/preboot", { enabled: "yes" })).status, 422);
  assert.equal((await ana.call("GET", "/account/features/preboot")).status, 404);
  assert.equal((await ana.call("GET", "/apps/demo/features/warp-drive")).body.resource, "feature");
  assert.deepEqual((await ana.call("GET", "/account/features")).body, []);
});

test("SSH keys: added, listed, removed, and only real ones", async () => {
  const key = openSshKey("ana@laptop");
  const added = await ana.call("POST", "/account/keys", { public_key: key });
  assert.equal(added.status, 201);
  assert.deepEqual([added.body.comment, added.body.email, added.body.public_key], ["ana@laptop", "ana@example.com", key]);
  assert.match(added.body.fingerprint, /^([0-9a-f]{2}:){15}[0-9a-f]{2}$/);
  assert.match((await ana.call("POST", "/account/keys", { public_key: key })).body.message, /already/);
  assert.deepEqual((await ben.call("GET", "/account/keys")).body, []);
  assert.equal((await ben.call("GET", `/account/keys/${added.body.id}`)).status, 404);
  assert.equal((await ben.call("DELETE", `/account/keys/${added.body.id}`)).status, 404);
  for (const public_key of ["", "ssh-rsa", "ssh-rsa !!!", key.replace("ed25519", "rsa"), `${key}\n${key}`]) {
    assert.match((await ana.call("POST", "/account/keys", { public_key })).body.message, /Key is invalid/);
  }
  const secret = "-----BEGIN OPENSSH PRIVATE KEY-----";
  assert.match((await ana.call("POST", "/account/keys", { public_key: secret })).body.message, /private key/);
  assert.equal((await ana.call("GET", `/account/keys/${added.body.fingerprint}`)).body.id, added.body.id);
  assert.equal((await ana.call("DELETE", `/account/keys/${added.body.id}`)).status, 200);
  assert.deepEqual((await ana.call("GET", "/account/keys")).body, []);
});

test("a fingerprint is what ssh-keygen -E md5 prints", () => {
  const line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f a b";
  const { fingerprint, comment } = parsePublicKey(line);
  assert.equal(fingerprint, "0f:a2:0a:d7:38:3e:65:45:08:6b:63:84:1c:ff:dc:ba");
  assert.equal(comment, "a b");
});

test("regions, stacks and generations, by name and by id", async () => {
  for (const [path, name] of [
    ["/regions", "us"],
    ["/stacks", "heroku-24"],
    ["/generations", "cedar"],
    ["/apps/demo/available-stacks", "heroku-24"],
  ] as const) {
    const [first] = (await ana.call("GET", path)).body;
    assert.equal(first.name, name);
    if (path.startsWith("/apps")) continue;
    assert.equal((await ana.call("GET", `${path}/${name}`)).body.id, first.id);
    assert.equal((await ana.call("GET", `${path}/${first.id}`)).body.name, name);
    assert.equal((await ana.call("GET", `${path}/nowhere`)).status, 404);
  }
});

function openSshKey(comment: string): string {
  const { publicKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  const part = (data: Buffer): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    return Buffer.concat([length, data]);
  };
  const blob = Buffer.concat([part(Buffer.from("ssh-ed25519")), part(raw)]);
  return `ssh-ed25519 ${blob.toString("base64")} ${comment}`;
}
