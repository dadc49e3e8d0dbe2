import assert from "node:assert/strict";
import { test } from "node:test";
import { type TestApi, testApi, type TestUser } from "../../test/support/api.ts";
import { type Link, readLinks, SCHEMA_FILE } from "../../test/support/conformance.ts";
import { skipWithout } from "../../test/support/reference.ts";
import { newId } from "../kernel/ids.ts";
import { buildSucceeded } from "../platform/build-outcome.ts";

/** How many of the schema's links answer with a resource, at least: raise it with every resource that is added. */
const SERVED_GET_LINKS = 62;

interface World {
  api: TestApi;
  ana: TestUser;
  /** What to put for `{app.identity}` and the like. */
  values: Record<string, string>;
}

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f ana@laptop";

/** An app that has one of everything. */
async function seed(api: TestApi): Promise<World> {
  const ana = await api.user("ana@example.com");
  await api.user("ben@example.com");
  const must = async (method: "POST" | "PUT" | "PATCH", url: string, body: object): Promise<{ id: string }> => {
    const answer = await ana.call(method, url, body);
    assert.ok(answer.status < 300, `${method} ${url}: ${answer.text}`);
    return answer.body;
  };
  const app = await must("POST", "/apps", { name: "demo" });
  await must("POST", "/apps/demo/collaborators", { user: "ben@example.com" });
  await must("POST", "/apps/demo/domains", { hostname: "www.example.com" });
  await must("PUT", "/apps/demo/buildpack-installations", { updates: [{ buildpack: "heroku/python" }] });
  await must("PATCH", "/apps/demo/config-vars", { GREETING: "hola" });
  const drain = await must("POST", "/apps/demo/log-drains", { url: "https://logs.example.com/drain" });
  const key = await must("POST", "/account/keys", { public_key: KEY });
  const authorization = await must("POST", "/oauth/authorizations", { description: "bot" });
  const source = { source_blob: { url: "https://example.com/source.tgz", version: "0123456789abcdef" } };
  const build = await must("POST", "/apps/demo/builds", source);
  const processTypes = { web: "gunicorn app:app", worker: "python worker.py" };
  const slug = { tree: "a".repeat(64), checksum: "SHA256:00", size: 1024, processTypes, buildpacks: [], description: "Python" };
  await buildSucceeded(api.platform, build.id, slug);
  const dyno = await must("POST", "/apps/demo/dynos", { command: "bash", attach: false });
  const release = await api.platform.db.selectFrom("releases").selectAll().where("current", "=", true).executeTakeFirstOrThrow();
  const values = {
    "account.identity": "~",
    "app.identity": app.id,
    "app-feature.identity": "preboot",
    "build.identity": build.id,
    "collaborator.identity": "ben@example.com",
    "domain.identity": "www.example.com",
    "dyno.formation_type": "web",
    "dyno.identity": dyno.id,
    "dyno-size.identity": "eco",
    "formation.identity": "web",
    "key.identity": key.id,
    "log-drain.query_identity": drain.id,
    "oauth-authorization.identity": authorization.id,
    "region.identity": "us",
    "release.identity": String(release.version),
    "slug.identity": release.slug_id ?? "",
    "stack.identity": "heroku-24",
    "user-preferences.identity": "~",
  };
  return { api, ana, values };
}

function fill(link: Link, values: Record<string, string>): string {
  // The schema borrows the stack's identity for generations.
  const all: Record<string, string> = link.resource === "generation" ? { ...values, "stack.identity": "cedar" } : values;
  return link.href.replace(/\{(.*?)\}/g, (_, name: string) => all[name] ?? newId());
}

test(
  "the published schema: no link is unknown, every answer is an instance of it",
  { skip: skipWithout(SCHEMA_FILE) },
  async (t) => {
    await using api = await testApi();
    const { ana, values } = await seed(api);
    const links = readLinks();
    assert.equal(links.length, 305);

    const unknown = links.filter((link) => {
      const url = fill(link, values);
      return api.app.findRoute({ method: link.method as "GET", url }) === null;
    });
    assert.deepEqual(
      unknown.map((link) => `${link.method} ${link.href}`),
      [],
    );

    const served: string[] = [];
    const wrong: string[] = [];
    for (const link of links.filter(({ method }) => method === "GET")) {
      const { status, body, text } = await ana.call("GET", fill(link, values));
      if (status === 404 && body.id === "not_found") continue;
      const name = `GET ${link.href}`;
      if (status !== 200) wrong.push(`${name}: ${status} ${text}`);
      else wrong.push(...(link.problems?.(body) ?? []).map((problem) => `${name}: ${problem}`));
      served.push(name);
    }
    assert.deepEqual(wrong, []);
    t.diagnostic(`${served.length} of ${links.filter(({ method }) => method === "GET").length} GET links answer with a resource`);
    assert.ok(served.length >= SERVED_GET_LINKS, `${served.length} links are served`);
  },
);

/** What changes something and answers with a resource, in an order in which it works. */
const CHANGES: [method: "POST" | "PUT" | "PATCH" | "DELETE", href: string, body?: object][] = [
  ["POST", "/apps", {}],
  ["PATCH", "/apps/{app.identity}", { maintenance: true }],
  ["PATCH", "/account", { name: "Ana" }],
  ["PATCH", "/users/{account.identity}", { name: "Ana" }],
  ["POST", "/oauth/authorizations", { scope: ["read"], expires_in: 60 }],
  ["PATCH", "/oauth/authorizations/{oauth-authorization.identity}", { description: "robot", client: {} }],
  ["POST", "/oauth/authorizations/{oauth-authorization.identity}/actions/regenerate-tokens"],
  ["DELETE", "/oauth/authorizations/{oauth-authorization.identity}"],
  ["PATCH", "/apps/{app.identity}/features/{app-feature.identity}", { enabled: true }],
  ["PUT", "/apps/{app.identity}/buildpack-installations", { updates: [{ buildpack: "heroku/nodejs" }] }],
  ["DELETE", "/apps/{app.identity}/collaborators/{collaborator.identity}"],
  ["POST", "/apps/{app.identity}/collaborators", { user: "ben@example.com" }],
  ["DELETE", "/apps/{app.identity}/domains/{domain.identity}"],
  ["POST", "/apps/{app.identity}/domains", { hostname: "www.example.com", sni_endpoint: null }],
  ["PATCH", "/apps/{app.identity}/domains/{domain.identity}", { sni_endpoint: null }],
  ["DELETE", "/apps/{app.identity}/acm"],
  ["POST", "/apps/{app.identity}/log-drains", { url: "syslog+tls://logs.example.com:6514" }],
  ["DELETE", "/apps/{app.identity}/log-drains/{log-drain.query_identity}"],
  ["PATCH", "/apps/{app.identity}/config-vars", { A: "1", GREETING: null }],
  ["POST", "/apps/{app.identity}/builds", { source_blob: { url: "https://example.com/x.tgz", checksum: null, version: null } }],
  ["POST", "/apps/{app.identity}/releases", { slug: "{slug.identity}" }],
  ["PATCH", "/apps/{app.identity}/formation", { updates: [{ type: "web", quantity: "2", size: "standard-1x" }] }],
  ["PATCH", "/apps/{app.identity}/formation/{formation.identity}", { quantity: 1 }],
  ["POST", "/apps/{app.identity}/dynos", { command: "date" }],
  ["POST", "/apps/{app.identity}/log-sessions", { lines: 10, tail: false }],
  ["POST", "/apps/{app.identity}/sources", {}],
  ["POST", "/sources", {}],
  ["POST", "/filters/apps", { in: { id: ["{app.identity}"] } }],
  ["POST", "/apps/{app.identity}/dynos/{dyno.identity}/actions/stop"],
  ["POST", "/apps/{app.identity}/formations/{dyno.formation_type}/actions/stop"],
  ["DELETE", "/apps/{app.identity}/dynos/{dyno.identity}"],
  ["DELETE", "/apps/{app.identity}/formations/{dyno.formation_type}"],
  ["DELETE", "/apps/{app.identity}/dynos"],
  ["DELETE", "/apps/{app.identity}"],
];

test("what changes something answers with an instance of the schema too", { skip: skipWithout(SCHEMA_FILE) }, async () => {
  await using api = await testApi();
  const { ana, values } = await seed(api);
  const links = readLinks();
  const wrong: string[] = [];
  for (const [method, href, body] of CHANGES) {
    const link = links.find((each) => each.method === method && each.href === href);
    assert.ok(link, `${method} ${href} is not in the schema`);
    const text =
      body === undefined
        ? undefined
        : JSON.stringify(body).replace(/\{([a-z-]+\.\w+)\}/g, (_, name: string) => values[name] ?? "");
    const answer = await ana.call(method, fill(link, values), text === undefined ? undefined : (JSON.parse(text) as object));
    if (answer.status >= 300) wrong.push(`${method} ${href}: ${answer.status} ${answer.text}`);
    else wrong.push(...(link.problems?.(answer.body) ?? []).map((problem) => `${method} ${href}: ${problem}`));
  }
  assert.deepEqual(wrong, []);
});
