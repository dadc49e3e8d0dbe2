import assert from "node:assert/strict";
import { after, test } from "node:test";
import { testApi } from "../../test/support/api.ts";

const api = await testApi();
after(async () => await api[Symbol.asyncDispose]());
const ana = await api.user("ana@example.com");
const ben = await api.user("ben@example.com");
const { id } = (await ana.call("POST", "/apps", { name: "demo" })).body;

test("what is not there is an empty list, not an unknown path", async () => {
  for (const path of [
    "/addons",
    "/apps/demo/addons",
    "/users/~/addons",
    "/addon-attachments",
    "/apps/demo/addon-attachments",
    "/addon-services",
    "/addon-region-capabilities",
    "/regions/us/addon-region-capabilities",
    "/client/v11/apps/demo/transfers",
    "/pipelines",
    "/pipelines?eq[name]=x",
    "/pipeline-couplings",
    "/users/~/pipeline-couplings",
    "/teams",
    "/enterprise-accounts",
    "/spaces",
    "/apps/demo/telemetry-drains",
    "/apps/demo/webhooks",
    "/apps/demo/webhook-deliveries",
    "/apps/demo/webhook-events",
    "/apps/demo/formation/web/monitors",
    "/apps/demo/sni-endpoints",
    "/account/invoices",
    "/account/credits",
    "/account/app-transfers",
    "/account/features",
    "/oauth/clients",
    "/oauth/sessions",
    "/favorites?type=app",
    "/user/notifications",
  ]) {
    const { status, body } = await ana.call("GET", path);
    assert.deepEqual([path, status, body], [path, 200, []]);
  }
});

test("single ones are not found, under the name that the CLI looks at", async () => {
  for (const [method, path, resource] of [
    ["GET", "/addons/pg", "add_on"],
    ["GET", "/addons/pg/config/credential:x", "add_on"],
    ["POST", "/actions/addons/resolve", "add_on"],
    ["POST", "/actions/addon-attachments/resolve", "add_on attachment"],
    ["DELETE", "/apps/demo/addons/pg", "add_on"],
    ["POST", "/addon-attachments", "add_on"],
    ["GET", "/addon-services/heroku-postgresql/plans", "service"],
    ["GET", "/client/v11/databases/x/wait_status", "database"],
    ["PUT", "/client/v11/databases/x/reset", "database"],
    ["POST", "/postgres/v0/databases/x/credentials", "database"],
    ["GET", "/redis/v0/databases/x", "database"],
    ["GET", "/data/postgres/v1/x/info", "database"],
    ["GET", "/pipelines/x", "pipeline"],
    ["PATCH", "/pipelines/x/stage/test/config-vars", "pipeline"],
    ["GET", "/apps/demo/pipeline-couplings", "pipeline_coupling"],
    ["GET", "/apps/demo/review-app", "review_app"],
    ["GET", "/teams/acme", "team"],
    ["GET", "/teams/acme/apps/demo/usage", "team"],
    ["GET", "/teams/apps/demo", "team_app"],
    ["PATCH", "/teams/apps/demo/collaborators/x@example.com", "team"],
    ["DELETE", "/spaces/x/peerings/y", "space"],
    ["GET", "/apps/demo/sni-endpoints/x", "sni_endpoint"],
    ["GET", "/v2/demo/web/manifests/latest", "image"],
    ["DELETE", "/oauth/sessions/~", "session"],
    ["GET", "/account/features/dashboard-repositories-api", "feature"],
  ] as const) {
    const { status, body } = await ana.call(method, path, method === "POST" ? {} : undefined);
    assert.deepEqual([path, status, body.id, body.resource], [path, 404, "not_found", resource]);
  }
});

test("making one is refused with what to do instead", async () => {
  const addon = await ana.call("POST", "/apps/demo/addons", { plan: { name: "heroku-postgresql:mini" } });
  assert.equal(addon.status, 404);
  assert.equal(addon.body.message, `Couldn't find either the add-on service or the add-on plan of "heroku-postgresql:mini".`);
  for (const [method, path, words] of [
    ["POST", "/pipelines", /git push/],
    ["POST", "/apps/demo/webhooks", /not available/],
    ["POST", "/teams", /access:add/],
    ["PATCH", "/teams/apps/demo", /access:add/],
    ["POST", "/spaces", /this machine/],
    ["POST", "/oauth/clients", /authorizations:create/],
    ["POST", "/account/app-transfers", /access:add/],
    ["POST", "/app-setups", /git push/],
  ] as const) {
    const { status, body } = await ana.call(method, path, {});
    assert.deepEqual([path, status, body.id], [path, 501, "not_implemented"]);
    assert.match(body.message, words);
  }
  assert.equal((await ana.call("DELETE", "/apps/demo/acm")).body.id, id);
});

test("constant answers: usage, delinquency, permissions, pre-authorization, the apps filter", async () => {
  assert.deepEqual((await ana.call("GET", "/apps/demo/usage")).body, { addons: [] });
  assert.deepEqual((await ana.call("GET", "/account/delinquency")).body, {
    scheduled_suspension_time: null,
    scheduled_deletion_time: null,
  });
  const permissions = (await ana.call("GET", "/teams/permissions")).body;
  assert.deepEqual(
    permissions.map(({ name }: { name: string }) => name),
    ["deploy", "manage", "operate", "view"],
  );
  assert.deepEqual((await ana.call("PUT", "/apps/demo/pre-authorizations")).body, {});
  const filter = { in: { id: [id, crypto.randomUUID()] } };
  assert.deepEqual(
    (await ana.call("POST", "/filters/apps", filter)).body.map(({ name }: { name: string }) => name),
    ["demo"],
  );
  assert.deepEqual((await ben.call("POST", "/filters/apps", filter)).body, []);
});

test("even the empty answers of an app are for those who may see it", async () => {
  for (const path of ["/apps/demo/addons", `/apps/${id}/log-drains`, "/apps/demo/sni-endpoints", "/apps/demo/usage"]) {
    assert.equal((await ben.call("GET", path)).status, 403, path);
    assert.equal((await api.request({ url: path })).status, 401, path);
  }
  assert.equal((await ben.call("POST", "/apps/demo/addons", { plan: "x" })).status, 403);
  assert.equal((await ana.call("GET", "/apps/nobodys/addons")).body.resource, "app");
});
