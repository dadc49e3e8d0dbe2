import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { testApi } from "../../test/support/api.ts";
import { connect } from "../platform/database/connect.ts";
import { createApi } from "./server.ts";

const api = await testApi();
after(async () => await api[Symbol.asyncDispose]());
const ana = await api.user("ana@example.com");
await ana.call("POST", "/apps", { name: "demo" });

test("the status needs no token and unknown paths are told so", async () => {
  const status = await api.request({ url: "/api/v4/current-status" });
  assert.equal(status.status, 200);
  assert.deepEqual(
    status.body.status.map((entry: { status: string }) => entry.status),
    ["green", "green", "green"],
  );
  const unknown = await ana.call("GET", "/no/such/thing");
  assert.equal(unknown.status, 404);
  assert.equal(unknown.body.id, "not_found");
  assert.match(unknown.body.message, /^The requested API endpoint was not found/);
  assert.equal((await ana.call("POST", "/apps/demo/domains/x", { a: 1 })).body.id, "not_found");
});

test("a token as Bearer or as Basic password; everything else is 401", async () => {
  const basic = (user: string, password: string): string => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  const ask = async (authorization?: string): Promise<number> =>
    (await api.request({ url: "/account", headers: authorization === undefined ? {} : { authorization } })).status;
  assert.equal(await ask(`Bearer ${ana.token}`), 200);
  assert.equal(await ask(`bearer ${ana.token}`), 200);
  assert.equal(await ask(basic("", ana.token)), 200);
  assert.equal(await ask(basic("heroku", ana.token)), 200);
  for (const header of [undefined, "", "Bearer", "Bearer undefined", "Bearer x", basic("a", ""), "Basic %%%", "Digest x"]) {
    assert.equal(await ask(header), 401, String(header));
  }
  const { body } = await api.request({ url: "/account", headers: { authorization: "Bearer undefined" } });
  assert.deepEqual(body, { id: "unauthorized", message: "Invalid credentials provided." });
});

test("an expired token is no token", async () => {
  const made = await ana.call("POST", "/oauth/authorizations", { expires_in: 60 });
  const headers = { authorization: `Bearer ${made.body.access_token.token}` };
  assert.equal((await api.request({ url: "/account", headers })).status, 200);
  await api.clock.advance(60_000);
  assert.equal((await api.request({ url: "/account", headers })).status, 401);
});

test("any spelling of version 3 is taken, another version is not", async () => {
  for (const accept of ["3", "3.sdk", "3.pipelines", "3.account-quotas"].map(
    (v) => `application/vnd.heroku+json; version=${v}`,
  )) {
    assert.equal((await ana.call("GET", "/account", undefined, { accept })).status, 200, accept);
  }
  assert.equal((await ana.call("GET", "/account", undefined, { accept: "*/*" })).status, 200);
  const other = await ana.call("GET", "/account", undefined, { accept: "application/vnd.heroku+json; version=4" });
  assert.deepEqual([other.status, other.body.id], [406, "not_acceptable"]);
});

test("bodies: any content type, none, empty, broken, too large", async () => {
  const post = async (payload: string, contentType?: string): Promise<{ status: number; id?: string }> => {
    const headers = {
      authorization: `Bearer ${ana.token}`,
      ...(contentType === undefined ? {} : { "content-type": contentType }),
    };
    const { status, body } = await api.request({ method: "POST", url: "/apps", headers, payload });
    if (status === 201) await ana.call("DELETE", `/apps/${body.id}`);
    return { status, id: body.id };
  };
  for (const type of [
    "application/json",
    "application/json; charset=utf-8",
    "application/vnd.heroku+json",
    "",
    "garbled",
    undefined,
  ]) {
    assert.equal((await post('{"name":"typed-app"}', type)).status, 201, String(type));
    assert.equal((await post("", type)).status, 201, String(type));
  }
  assert.equal((await post('{"name":"from-curl"}', "application/x-www-form-urlencoded")).status, 201);
  assert.deepEqual(await post("{nonsense", "application/json"), { status: 400, id: "bad_request" });
  assert.deepEqual(await post("[1]", "application/json"), { status: 422, id: "invalid_params" });
  assert.deepEqual(await post(JSON.stringify({ name: "x".repeat(2_000_000) }), "application/json"), {
    status: 413,
    id: "payload_too_large",
  });
  assert.equal((await post('{"__proto__":{"name":"Bad Name"}}', "application/json")).status, 201);
  assert.equal((await ana.call("DELETE", "/apps/demo/collaborators/nobody", { force: true })).status, 404);
});

test("validation errors are for people", async () => {
  const wrong = await ana.call("PATCH", "/apps/demo", { maintenance: "yes" });
  assert.deepEqual(wrong.body, { id: "invalid_params", message: 'Invalid value for "maintenance": must be boolean.' });
});

test("garbled paths and unstorable texts are the client's mistakes", async () => {
  for (const [method, path, body, status] of [
    ["GET", "/apps/%zz", undefined, 400],
    ["GET", `/apps/${"a".repeat(5000)}`, undefined, 414],
    ["GET", "/apps/%00", undefined, 422],
    ["PATCH", "/account", { name: "a\u0000b" }, 422],
    ["PATCH", "/account", { name: "a".repeat(201) }, 422],
    ["POST", "/oauth/authorizations", { scope: [] }, 422],
  ] as const) {
    const answer = await ana.call(method, path, body);
    assert.equal(answer.status, status, path.slice(0, 20));
    assert.ok(answer.body.id && answer.body.message);
  }
  assert.deepEqual(api.journal, []);
});

test("request ids: the client's newest comes back, else a new one", async () => {
  const id = async (header?: string): Promise<unknown> =>
    (await ana.call("GET", "/account", undefined, header === undefined ? {} : { "request-id": header })).headers["request-id"];
  const [newest, older] = [crypto.randomUUID(), crypto.randomUUID()];
  assert.equal(await id(`${newest},${older}`), newest);
  assert.match(String(await id()), /^[0-9a-f-]{36}$/);
  assert.match(String(await id("<script>")), /^[0-9a-f-]{36}$/);
});

test("ETag: what the client has is not sent again", async () => {
  const first = await ana.call("GET", "/apps/demo");
  const etag = String(first.headers["etag"]);
  assert.match(etag, /^"[\w-]+"$/);
  const again = await ana.call("GET", "/apps/demo", undefined, { "if-none-match": etag });
  assert.deepEqual([again.status, again.text], [304, ""]);
  assert.equal((await ana.call("GET", "/apps/demo", undefined, { "if-none-match": `"other", W/${etag}` })).status, 304);
  await ana.call("PATCH", "/apps/demo", { maintenance: true });
  assert.equal((await ana.call("GET", "/apps/demo", undefined, { "if-none-match": etag })).status, 200);
  assert.equal(first.headers["cache-control"], "private, no-cache");
  assert.equal((await ana.call("GET", "/apps/none")).headers["etag"], undefined);
});

test("4500 requests an hour, refilled by the second, each account its own", async () => {
  const lia = await api.user("lia@example.com");
  const remaining = async (): Promise<number> => (await lia.call("GET", "/account/rate-limits")).body.remaining;
  assert.equal(await remaining(), 4500);
  const spend = async (count: number): Promise<number[]> => {
    const answers = await Promise.all(Array.from({ length: count }, async () => await lia.call("GET", "/regions")));
    return answers.map(({ status }) => status);
  };
  for (let batch = 0; batch < 45; batch += 1) assert.ok((await spend(100)).every((status) => status === 200));
  assert.equal(await remaining(), 0);
  const refused = await lia.call("GET", "/regions");
  assert.deepEqual([refused.status, refused.body.id, refused.headers["ratelimit-remaining"]], [429, "rate_limit", "0"]);
  assert.equal((await ana.call("GET", "/regions")).status, 200);
  await api.clock.advance(8000);
  assert.equal(await remaining(), 10);
  assert.equal((await lia.call("GET", "/regions")).headers["ratelimit-remaining"], "9");
  await api.clock.advance(3_600_000);
  assert.equal(await remaining(), 4500);
});

test("a fault is journalled once and tells the client nothing", async () => {
  await using broken = await testApi();
  const user = await broken.user("ana@example.com");
  await broken.database.db.schema.dropTable("keys").execute();
  const { status, body } = await user.call("GET", "/account/keys");
  assert.deepEqual([status, body], [500, { id: "internal_server_error", message: "Internal server error." }]);
  assert.equal(broken.journal.length, 1);
  assert.match(String(broken.journal[0]?.cause), /relation "keys" does not exist/);
});

test("a database that does not answer is said so with 503", async () => {
  const db = connect("postgres://nobody@127.0.0.1:1/nothing");
  const app = await createApi({ ...api.deps, platform: { ...api.platform, db } });
  const headers = { authorization: `Bearer ${ana.token}` };
  const answer = await app.inject({ url: "/account", headers });
  assert.equal(answer.statusCode, 503);
  assert.deepEqual(answer.json().id, "unavailable");
  assert.match(answer.json().message, /database does not answer/);
  assert.equal((await app.inject({ url: "/api/v4/current-status" })).statusCode, 503);
  await app.close();
  await db.destroy();
});

test("header blocks beyond 16 KB and keep-alive over a real socket", async () => {
  const address = await api.app.listen({ host: "127.0.0.1", port: 0 }).then(() => api.app.server.address() as AddressInfo);
  const ids = Array.from({ length: 600 }, () => crypto.randomUUID()).join(",");
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const headers = { authorization: `Bearer ${ana.token}`, "request-id": ids };
    const call = httpRequest({ host: "127.0.0.1", port: address.port, path: "/account", headers }, (reply) => {
      reply.resume().on("end", () => resolve(reply.statusCode));
    });
    call.on("error", reject).end();
  });
  assert.equal(status, 200);
});

test("behind the router's Unix socket the client is the last forwarded address, without one it is this machine", async () => {
  const folder = mkdtempSync(join(tmpdir(), "zarpa-api-"));
  const server = await createApi(api.deps);
  const socketPath = join(folder, "socket");
  await server.listen({ path: socketPath });
  const page = async (forwarded: Record<string, string>): Promise<string> => {
    const begun = await overSocket(socketPath, "POST", "/auth", forwarded);
    return await overSocket(socketPath, "GET", (JSON.parse(begun) as { browser_url: string }).browser_url, forwarded);
  };
  assert.match(await page({ "x-forwarded-for": "203.0.113.9, 198.51.100.4" }), /from the address 198\.51\.100\.4/);
  assert.match(await page({}), /from the address this machine/);
  await server.close();
  rmSync(folder, { recursive: true });
});

async function overSocket(socketPath: string, method: string, path: string, headers: Record<string, string>): Promise<string> {
  return await new Promise((resolve, reject) => {
    const call = httpRequest({ socketPath, method, path, headers }, (reply) => {
      let text = "";
      reply
        .setEncoding("utf8")
        .on("data", (chunk: string) => (text += chunk))
        .on("end", () => resolve(text));
    });
    call.on("error", reject).end();
  });
}

test("the OpenAPI document describes the routes", async () => {
  const { status, body } = await api.request({ url: "/openapi.json" });
  assert.equal(status, 200);
  assert.equal(body.openapi, "3.1.0");
  assert.ok(body.paths["/apps/{app}"].get.responses["2XX"]);
  assert.deepEqual(body.paths["/apps/{app}"].get.parameters[0].name, "app");
});
