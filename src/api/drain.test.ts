import assert from "node:assert/strict";
import { after, test } from "node:test";
import { testApi } from "../../test/support/api.ts";

const statuses = new Map([["retrying", { state: "retrying", lastError: "ECONNREFUSED", delivered: 7, dropped: 2 }]]);
let drainId = "";
const api = await testApi({
  drains: {
    refusalOf: async (url) => (url.includes("localhost") ? "Url is invalid: localhost is an address of this platform." : null),
    status: (id) => (id === drainId ? (statuses.get("retrying") ?? null) : null),
  },
});
after(async () => await api[Symbol.asyncDispose]());
const ana = await api.user("ana@example.com");
const ben = await api.user("ben@example.com");
const { id: appId } = (await ana.call("POST", "/apps", { name: "demo" })).body;
const url = "https://ana:s3cret@logs.example.com/drain?app=demo";

test("a drain is added, listed, found by URL, token and id, and removed", async () => {
  const { status, body } = await ana.call("POST", "/apps/demo/log-drains", { url });
  assert.equal(status, 201);
  assert.match(body.token, /^d\.[0-9a-f]{8}-[0-9a-f-]{27}$/);
  assert.deepEqual([body.url, body.app, body.addon], [url, { id: appId, name: "demo" }, null]);
  drainId = body.id;
  const stored = await api.platform.db.selectFrom("log_drains").select("url").executeTakeFirstOrThrow();
  assert.ok(!stored.url.includes("s3cret"));
  assert.deepEqual((await ana.call("GET", "/apps/demo/log-drains")).body, [body]);
  const [extended] = (await ana.call("GET", "/apps/demo/log-drains?extended=true")).body;
  assert.deepEqual(extended.extended, { drain_id: 1, state: "retrying", last_error: "ECONNREFUSED", delivered: 7, dropped: 2 });
  for (const identity of [encodeURIComponent(url), body.token, body.id]) {
    assert.deepEqual((await ana.call("GET", `/apps/demo/log-drains/${identity}`)).body, body);
  }
  assert.deepEqual((await ana.call("DELETE", `/apps/demo/log-drains/${encodeURIComponent(url)}`)).body, body);
  const gone = await ana.call("DELETE", `/apps/demo/log-drains/${encodeURIComponent(url)}`);
  assert.deepEqual([gone.status, gone.body.resource], [404, "log_drain"]);
  assert.deepEqual(api.events.drained, [appId, appId]);
});

test("what is no drain, a second one of the same URL, a sixth one, and one to the platform itself are refused", async () => {
  const add = async (given: string): Promise<[number, string]> => {
    const { status, body } = await ana.call("POST", "/apps/demo/log-drains", { url: given });
    return [status, body.message];
  };
  for (const given of ["", "logs.example.com:514", "ftp://logs.example.com", `https://${"x".repeat(3_000)}`]) {
    assert.equal((await add(given))[0], 422, given);
  }
  assert.deepEqual(await add("https://localhost/"), [422, "Url is invalid: localhost is an address of this platform."]);
  for (let port = 1; port <= 5; port += 1) assert.equal((await add(`syslog://logs.example.com:${port}`))[0], 201);
  assert.deepEqual(await add("syslog://logs.example.com:6"), [422, "An app may have 5 log drains at most."]);
  await ana.call("DELETE", `/apps/demo/log-drains/${encodeURIComponent("syslog://logs.example.com:5")}`);
  assert.deepEqual(await add("syslog://logs.example.com:1"), [422, "Url has already been taken"]);
});

test("drains are for those who may see the app", async () => {
  assert.equal((await ben.call("GET", "/apps/demo/log-drains")).status, 403);
  assert.equal((await ben.call("POST", "/apps/demo/log-drains", { url })).status, 403);
  assert.equal((await api.request({ url: "/apps/demo/log-drains" })).status, 401);
});
