import assert from "node:assert/strict";
import { after, test } from "node:test";
import { testApi } from "../../test/support/api.ts";
import type { ApiPorts } from "./ports.ts";

/** The real log plane is another room's: its search has its own tests; here is what the route asks of it. */
const asked: unknown[] = [];
const line = {
  id: 7,
  text: "2026-01-01T00:00:00.000000+00:00 app[web.1]: hola",
  stamp: "2026-01-01T00:00:00.000000+00:00",
  source: "app",
  process: "web.1",
  message: "hola",
};
const logs: ApiPorts["logs"] = {
  read: async function* () {},
  search: async (_appId, wanted) => {
    asked.push(wanted);
    return Array.from({ length: Math.min(wanted.limit, 1_200) }, (_, index) => ({ ...line, id: index }));
  },
};
const api = await testApi({ logs });
after(async () => await api[Symbol.asyncDispose]());
const ana = await api.user("ana@example.com");
const ben = await api.user("ben@example.com");
await ana.call("POST", "/apps", { name: "demo" });

test("lines are searched by time, source, dyno and text, and streamed as JSON or text", async () => {
  const { status, body } = await ana.call(
    "GET",
    "/apps/demo/log-lines?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z&source=app&dyno=web&query=ho&limit=1200&before=9",
  );
  assert.equal(status, 200);
  assert.deepEqual(
    [body.length, body[3]],
    [1_200, { id: 3, created_at: line.stamp, source: "app", dyno: "web.1", message: "hola" }],
  );
  assert.deepEqual(asked.at(-1), {
    filter: { source: "app", process: "web" },
    from: new Date("2026-01-01T00:00:00Z"),
    to: new Date("2026-01-02T00:00:00Z"),
    query: "ho",
    beforeId: 9,
    limit: 1_200,
  });
  const plain = await ana.call("GET", "/apps/demo/log-lines?limit=2", undefined, { accept: "text/plain" });
  assert.equal(plain.text, `${line.text}\n`.repeat(2));
  assert.equal((await ana.call("GET", "/apps/demo/log-lines?limit=0")).text, "[]");
  assert.equal((await ana.call("GET", "/apps/demo/log-lines?limit=99999")).body.length, 1_200);
});

test("wrong questions are refused, and other people's", async () => {
  for (const query of ["from=yesterday", "limit=many", "before=-1"]) {
    assert.equal((await ana.call("GET", `/apps/demo/log-lines?${query}`)).status, 422, query);
  }
  assert.equal((await ben.call("GET", "/apps/demo/log-lines")).status, 403);
});
