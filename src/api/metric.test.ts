import assert from "node:assert/strict";
import { after, test } from "node:test";
import { testApi } from "../../test/support/api.ts";
import { storeFigures } from "../platform/figure-store.ts";

const START = new Date("2026-01-02T00:00:00Z");
const api = await testApi({ exposeFigures: async () => "zarpa_dynos 1\n" }, START);
after(async () => await api[Symbol.asyncDispose]());
const ana = await api.user("ana@example.com");
const ben = await api.user("ben@example.com");
const root = await api.user("root@example.com", { isAdmin: true });
const { id } = (await ana.call("POST", "/apps", { name: "demo" })).body;

test("what the CLI's apps:errors and dashboard ask for", async () => {
  const at = START.getTime() - 3_600_000;
  const figure = {
    counters: { 200: 9, 503: 1, H12: 1, R14: 2 },
    latency: { 40: 10 },
    gauges: { "load.avg-1m": [2, 3, 2] as [number, number, number] },
  };
  await storeFigures(api.platform, [{ appId: id, process: "web.1", at, figure }]);
  const time = `start_time=${new Date(START.getTime() - 24 * 3_600_000).toISOString()}&end_time=${START.toISOString()}&step=1h`;
  const get = async (path: string): Promise<{ step: string; data: Record<string, number[]> }> => {
    const { status, body, text } = await ana.call("GET", `/apps/demo/${path}?${time}&process_type=web`);
    assert.equal(status, 200, text);
    return body;
  };
  const errors = await get("router-metrics/errors");
  assert.deepEqual([errors.step, Object.keys(errors.data), errors.data["H12"]?.length], ["1h0m0s", ["H12"], 24]);
  assert.equal(errors.data["H12"]?.at(-1), 1);
  assert.deepEqual(Object.keys((await get("router-metrics/status")).data), ["200", "503"]);
  const p50 = (await get("router-metrics/latency")).data["latency.ms.p50"]?.at(-1) ?? 0;
  assert.ok(p50 > 30 && p50 < 33, String(p50));
  assert.deepEqual((await ana.call("GET", `/apps/demo/router-metrics/errors?${time}&process_type=worker`)).body.data, {});
});

test("the figures of dynos are for types that there are, of those who may see the app", async () => {
  assert.equal((await ben.call("GET", "/apps/demo/router-metrics/errors")).status, 403);
  const unknown = await ana.call("GET", "/apps/demo/formation/nothing/metrics/errors");
  assert.equal(unknown.status, 400);
  assert.match(unknown.body.message, /^invalid process_type provided/);
  for (const name of ["errors", "memory", "load", "cpu", "wake"]) {
    assert.equal((await ana.call("GET", `/apps/demo/formation/run/metrics/${name}`)).status, 200, name);
  }
  for (const query of [
    "step=soon",
    "start_time=yesterday",
    "step=1s&start_time=2026-01-05T00:00:00Z",
    "start_time=2024-01-01T00:00:00Z",
  ]) {
    assert.ok((await ana.call("GET", `/apps/demo/router-metrics/status?${query}`)).status >= 400, query);
  }
});

test("Prometheus' page is for administrators", async () => {
  assert.equal((await ana.call("GET", "/metrics")).status, 403);
  assert.equal((await api.request({ url: "/metrics" })).status, 401);
  const { text, headers } = await root.call("GET", "/metrics");
  assert.equal(text, "zarpa_dynos 1\n");
  assert.match(String(headers["content-type"]), /^text\/plain; version=0\.0\.4/);
});
