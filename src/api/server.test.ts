import assert from "node:assert/strict";
import { test } from "node:test";
import { testApi } from "../../test/support/api.ts";

test("the status needs no token and unknown paths are told so", async () => {
  await using api = await testApi();
  const status = await api.request({ url: "/api/v4/current-status" });
  assert.equal(status.status, 200);
  assert.deepEqual(
    status.body.status.map((entry: { status: string }) => entry.status),
    ["green", "green", "green"],
  );
  assert.ok(status.headers["request-id"]);
  const unknown = await api.request({ url: "/no/such/thing" });
  assert.equal(unknown.status, 404);
  assert.equal(unknown.body.id, "not_found");
  assert.match(unknown.body.message, /API endpoint was not found/);
});
