import assert from "node:assert/strict";
import { after, test } from "node:test";
import { testApi } from "../../test/support/api.ts";

const api = await testApi();
after(async () => await api[Symbol.asyncDispose]());
const ana = await api.user("ana@example.com");
const ben = await api.user("ben@example.com");
const root = await api.user("root@example.com", { isAdmin: true });

test("create without a name makes one up and has all that the CLI reads", async () => {
  const { status, body } = await ana.call("POST", "/apps", {});
  assert.equal(status, 201);
  assert.match(body.name, /^[a-z]+-[a-z]+-\d{5}$/);
  assert.equal(body.web_url, `http://${body.name}.localhost:8080/`);
  assert.equal(body.git_url, `https://localhost:8443/${body.name}.git`);
  assert.deepEqual([body.repo_size, body.slug_size, body.process_tier], [null, null, "eco"]);
  assert.deepEqual(body.owner, { id: ana.accountId, email: "ana@example.com" });
  assert.deepEqual([body.region.name, body.stack.name, body.build_stack.name], ["us", "heroku-24", "heroku-24"]);
  const releases = await api.platform.db
    .selectFrom("releases")
    .select(["version", "description"])
    .where("app_id", "=", body.id)
    .execute();
  assert.deepEqual(releases.map(({ version, description }) => `v${version} ${description}`).sort(), [
    "v1 Initial release",
    "v2 Enable Logplex",
  ]);
  assert.ok(api.events.routed.includes(body.id));
});

test("names: Heroku's rules and words", async () => {
  const refused = async (name: string): Promise<string> => {
    const { status, body } = await ana.call("POST", "/apps", { name });
    assert.equal(status, 422, name);
    assert.equal(body.id, "invalid_params");
    return body.message;
  };
  assert.match(await refused("ab"), /too short/);
  assert.match(await refused("a".repeat(31)), /too long/);
  for (const name of ["Upper", "1app", "-app", "app-", "a_b_c", "a.b.c", "añb"]) {
    assert.match(await refused(name), /can only contain lowercase letters, digits, and dashes/);
  }
  assert.match(await refused("git"), /reserved/);
  assert.equal((await ana.call("POST", "/apps", { name: "taken" })).status, 201);
  assert.equal(await refused("taken"), "Name is already taken");
  assert.match((await ben.call("POST", "/apps", { name: "taken" })).body.message, /already taken/);
  assert.match((await ana.call("POST", "/apps", { region: "eu" })).body.message, /only one here is us/);
  assert.match((await ana.call("POST", "/apps", { stack: "container" })).body.message, /heroku-24/);
});

test("an app is found by name and by id, an unknown one is not", async () => {
  const { body: created } = await ana.call("POST", "/apps", { name: "found" });
  assert.equal((await ana.call("GET", "/apps/found")).body.id, created.id);
  assert.equal((await ana.call("GET", `/apps/${created.id}`)).body.name, "found");
  const missing = await ana.call("GET", "/apps/no-such-app");
  assert.equal(missing.status, 404);
  assert.deepEqual(missing.body, { id: "not_found", message: "Couldn't find that app.", resource: "app" });
});

test("rename: the default domain follows", async () => {
  const { body: created } = await ana.call("POST", "/apps", { name: "before" });
  const renamed = await ana.call("PATCH", "/apps/before", { name: "after" });
  assert.equal(renamed.status, 200);
  assert.equal(renamed.body.web_url, "http://after.localhost:8080/");
  assert.equal((await ana.call("GET", "/apps/before")).status, 404);
  const { body: domains } = await ana.call("GET", `/apps/${created.id}/domains`);
  assert.deepEqual(
    domains.map((domain: { hostname: string }) => domain.hostname),
    ["after.localhost"],
  );
  assert.match((await ana.call("PATCH", "/apps/after", { name: "found" })).body.message, /already taken/);
  assert.equal((await ana.call("GET", "/apps/after")).status, 200);
});

test("maintenance goes on and off and is written to the log", async () => {
  await ana.call("POST", "/apps", { name: "serviced" });
  assert.equal((await ana.call("PATCH", "/apps/serviced", { maintenance: true })).body.maintenance, true);
  assert.ok(api.events.logged.includes("app[api]: Maintenance mode enabled by user ana@example.com"));
  assert.equal((await ana.call("PATCH", "/apps/serviced", { maintenance: false })).body.maintenance, false);
});

test("destroy takes everything of the app and tells the other rooms", async () => {
  const { body: created } = await ana.call("POST", "/apps", { name: "doomed" });
  await ana.call("PATCH", "/apps/doomed/features/preboot", { enabled: true });
  await ana.call("POST", "/apps/doomed/domains", { hostname: "www.doomed.example" });
  const { body: build } = await ana.call("POST", "/apps/doomed/builds", { source_blob: { url: "https://example.com/a.tgz" } });
  assert.equal((await ana.call("DELETE", "/apps/doomed")).body.id, created.id);
  const { releases = [], ...destroyed } = api.events.destroyed.at(-1) ?? {};
  assert.deepEqual([destroyed, releases.length], [{ id: created.id, name: "doomed", trees: [], builds: [build.id] }, 2]);
  assert.deepEqual(api.events.cancelled, [build.id]);
  assert.equal((await ana.call("GET", `/apps/${created.id}`)).status, 404);
  assert.equal((await ana.call("POST", "/apps", { name: "doomed" })).status, 201);
});

test("lists: one's own, what is shared, and everything for the admin", async () => {
  const { body: shared } = await ben.call("POST", "/apps", { name: "bens-app" });
  await ben.call("POST", "/apps/bens-app/collaborators", { user: "ana@example.com" });
  const names = async (user: typeof ana, path: string): Promise<string[]> =>
    (await user.call("GET", path)).body.map((app: { name: string }) => app.name);
  assert.deepEqual(await names(ben, "/users/~/apps"), ["bens-app"]);
  assert.ok(!(await names(ana, "/users/~/apps")).includes("bens-app"));
  assert.ok((await names(ana, "/apps")).includes("bens-app"));
  assert.deepEqual(await names(root, "/users/~/apps"), []);
  assert.ok((await names(root, "/apps")).includes("bens-app"));
  assert.equal((await root.call("GET", `/apps/${shared.id}`)).status, 200);
});

test("another account can neither see nor change an app; a collaborator can use but not own it", async () => {
  const { body: app } = await ana.call("POST", "/apps", { name: "private-app" });
  const requests: [method: "GET" | "POST" | "PATCH" | "PUT" | "DELETE", path: string, body?: object][] = [
    ["GET", ""],
    ["PATCH", "", { maintenance: true }],
    ["PATCH", "", { name: "stolen" }],
    ["DELETE", ""],
    ["GET", "/domains"],
    ["POST", "/domains", { hostname: "evil.example.com" }],
    ["DELETE", "/domains/private-app.localhost"],
    ["GET", "/collaborators"],
    ["POST", "/collaborators", { user: "ben@example.com" }],
    ["DELETE", "/collaborators/ana@example.com"],
    ["GET", "/features"],
    ["PATCH", "/features/preboot", { enabled: true }],
    ["GET", "/buildpack-installations"],
    ["PUT", "/buildpack-installations", { updates: [] }],
    ["GET", "/available-stacks"],
  ];
  for (const [method, path, body] of requests) {
    for (const key of ["private-app", app.id]) {
      const { status, body: answer } = await ben.call(method, `/apps/${key}${path}`, body);
      assert.equal(status, 403, `${method} ${path}`);
      assert.equal(answer.id, "forbidden");
    }
  }
  assert.equal((await ana.call("GET", "/apps/private-app")).body.maintenance, false);
  await ana.call("POST", "/apps/private-app/collaborators", { user: "BEN@example.com" });
  assert.equal((await ben.call("PATCH", "/apps/private-app", { maintenance: true })).status, 200);
  assert.equal((await ben.call("PATCH", "/apps/private-app", { name: "stolen" })).status, 403);
  assert.equal((await ben.call("DELETE", "/apps/private-app")).status, 403);
  assert.equal((await ben.call("POST", "/apps/private-app/collaborators", { user: "root@example.com" })).status, 403);
  assert.equal((await ben.call("DELETE", "/apps/private-app/collaborators/ana@example.com")).status, 403);
});

test("the hundredth app is the last", async () => {
  const rows = await api.platform.db.selectFrom("apps").selectAll().where("name", "=", "found").executeTakeFirstOrThrow();
  const { id: _, number: __, ...template } = rows;
  const mia = await api.user("mia@example.com");
  const apps = Array.from({ length: 99 }, (_, index) => ({
    ...template,
    id: crypto.randomUUID(),
    name: `bulk-${index}`,
    owner_id: mia.accountId,
  }));
  await api.platform.db.insertInto("apps").values(apps).execute();
  const both = await Promise.all([mia.call("POST", "/apps", {}), mia.call("POST", "/apps", {})]);
  assert.deepEqual(both.map(({ status }) => status).sort(), [201, 422]);
  assert.match(both.find(({ status }) => status === 422)?.body.message, /limit of 100 apps/);
});
