import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type Answer, type TestApi, testApi } from "../../test/support/api.ts";
import { Secret } from "../kernel/secret.ts";
import { ensureAdmin } from "../platform/account.ts";
import { isAllowed } from "./scope.ts";

const api = await testApi();
after(async () => await api[Symbol.asyncDispose]());
const PASSWORD = "correct horse battery";
await ensureAdmin(api.platform, { email: "Admin@Example.com", password: new Secret(PASSWORD), isChosen: true });

const basic = (user: string, password: string): string => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;

async function signIn(password: string, options: { email?: string; address?: string; body?: object } = {}): Promise<Answer> {
  const headers = { authorization: basic(options.email ?? "admin@example.com", password) };
  const forwarded = { "x-forwarded-for": `10.9.9.9, ${options.address ?? "192.0.2.1"}` };
  const payload = options.body ?? { description: "CLI", expires_in: 2_592_000, scope: ["global"] };
  return await api.request({ method: "POST", url: "/oauth/authorizations", headers: { ...headers, ...forwarded }, payload });
}

test("the admin is made once; a made-up password is never put in place of the one that was shown, a chosen one is", async () => {
  await using other = await testApi();
  const admin = async (password: string, isChosen: boolean): Promise<boolean> =>
    await ensureAdmin(other.platform, { email: "op@example.com", password: new Secret(password), isChosen });
  const works = async (password: string): Promise<boolean> => {
    const headers = { authorization: basic("op@example.com", password) };
    return (await other.request({ method: "POST", url: "/oauth/authorizations", headers, payload: {} })).status === 201;
  };
  assert.equal(await admin("made up first", false), true);
  assert.equal(await admin("made up later", false), false);
  assert.deepEqual([await works("made up first"), await works("made up later")], [true, false]);
  assert.equal(await admin("chosen by hand", true), false);
  assert.deepEqual([await works("made up first"), await works("chosen by hand")], [false, true]);
});

test("login -i: the token works, is shown once and lives 30 days", async () => {
  const { status, body } = await signIn(PASSWORD);
  assert.equal(status, 201);
  assert.equal(body.user.email, "admin@example.com");
  assert.match(body.access_token.token, /^HRKU-[\w-]{43}$/);
  assert.equal(body.access_token.expires_in, 2_592_000);
  const headers = { authorization: `Bearer ${body.access_token.token}` };
  assert.equal((await api.request({ url: "/account", headers })).body.email, "admin@example.com");
  const listed = (await api.request({ url: "/oauth/authorizations", headers })).body;
  const mine = listed.find((entry: { id: string }) => entry.id === body.id).access_token.token;
  const [prefix, suffix] = mine.split("*".repeat(10));
  assert.ok(body.access_token.token.startsWith(prefix) && body.access_token.token.endsWith(suffix));
  assert.ok(prefix.length + suffix.length < 16);
  assert.match((await signIn(PASSWORD, { body: { expires_in: 2_592_001 } })).body.message, /30 days/);
  assert.equal((await signIn(PASSWORD, { body: {} })).body.access_token.expires_in, 2_592_000);
  const rows = await api.platform.db.selectFrom("authorizations").selectAll().execute();
  assert.ok(!JSON.stringify(rows).includes(body.access_token.token));
});

test("logout as the CLI does it ends the token", async () => {
  const { body } = await signIn(PASSWORD);
  const headers = { authorization: `Bearer ${body.access_token.token}` };
  const session = await api.request({ method: "DELETE", url: "/oauth/sessions/~", headers });
  assert.deepEqual([session.status, session.body.id, session.body.resource], [404, "not_found", "session"]);
  const standing = await api.request({ url: "/oauth/authorizations/~", headers });
  assert.deepEqual([standing.status, standing.body.id, standing.body.resource], [404, "not_found", "authorization"]);
  assert.equal((await api.request({ method: "DELETE", url: `/oauth/authorizations/${body.id}`, headers })).status, 200);
  assert.equal((await api.request({ url: "/account", headers })).status, 401);
});

test("a wrong password and an unknown address get the same answer", async () => {
  const wrong = await signIn("wrong", { address: "192.0.2.50" });
  const unknown = await signIn("wrong", { email: "who@example.com", address: "192.0.2.50" });
  assert.deepEqual([wrong.status, wrong.body], [401, { id: "unauthorized", message: "Invalid credentials provided." }]);
  assert.deepEqual([unknown.status, unknown.body], [wrong.status, wrong.body]);
});

test("guessing is slowed down for the address that guesses, also in parallel, and not for others", async () => {
  const answers = await Promise.all(Array.from({ length: 12 }, async () => await signIn("guess", { address: "192.0.2.66" })));
  const statuses = answers.map(({ status }) => status).sort();
  assert.deepEqual(statuses, [...Array<number>(10).fill(401), 429, 429]);
  const locked = await signIn(PASSWORD, { address: "192.0.2.66" });
  assert.deepEqual([locked.status, locked.body.id], [429, "rate_limit"]);
  assert.equal((await signIn(PASSWORD, { address: "192.0.2.67" })).status, 201);
  await api.clock.advance(15 * 60_000);
  assert.equal((await signIn(PASSWORD, { address: "192.0.2.66" })).status, 201);
});

test("authorizations: made by name, described, regenerated, each account its own", async () => {
  const ana = await api.user("ana@example.com");
  const ben = await api.user("ben@example.com");
  const made = await ana.call("POST", "/oauth/authorizations", { description: "deploy bot", scope: ["read", "write"] });
  assert.deepEqual([made.body.access_token.expires_in, made.body.scope], [null, ["read", "write"]]);
  const path = `/oauth/authorizations/${made.body.id}`;
  for (const [method, url] of [
    ["GET", path],
    ["DELETE", path],
    ["PATCH", path],
    ["POST", `${path}/actions/regenerate-tokens`],
  ] as const) {
    assert.equal((await ben.call(method, url, method === "GET" ? undefined : {})).status, 404, `${method} ${url}`);
  }
  assert.equal((await ana.call("PATCH", path, { description: "release bot" })).body.description, "release bot");
  const renewed = await ana.call("POST", `${path}/actions/regenerate-tokens`);
  const old = { authorization: `Bearer ${made.body.access_token.token}` };
  assert.equal((await api.request({ url: "/apps", headers: old })).status, 401);
  const fresh = { authorization: `Bearer ${renewed.body.access_token.token}` };
  assert.equal((await api.request({ url: "/apps", headers: fresh })).status, 200);
  assert.match((await ana.call("POST", "/oauth/authorizations", { scope: ["root"] })).body.message, /scope root does not exist/);
  assert.equal((await ana.call("POST", "/oauth/authorizations", { expires_in: -5 })).status, 422);
});

test("scopes are kept: no account and no config vars for read and write, no tokens for anything but global", async () => {
  assert.ok(isAllowed(["global"], "DELETE", "/account"));
  assert.ok(isAllowed(["identity"], "GET", "/account"));
  assert.ok(!isAllowed(["identity"], "GET", "/apps"));
  assert.ok(!isAllowed(["identity"], "PATCH", "/account"));
  assert.ok(isAllowed(["read"], "GET", "/apps"));
  assert.ok(isAllowed(["read"], "GET", "/users/~/apps"));
  assert.ok(!isAllowed(["read"], "POST", "/apps"));
  assert.ok(!isAllowed(["read", "write"], "GET", "/account"));
  assert.ok(!isAllowed(["read", "write"], "GET", "/apps/a/config-vars"));
  assert.ok(!isAllowed(["read", "write"], "GET", "/apps/a/releases/3/config-vars"));
  assert.ok(isAllowed(["read-protected"], "GET", "/apps/a/config-vars"));
  assert.ok(!isAllowed(["read-protected"], "PATCH", "/apps/a/config-vars"));
  assert.ok(isAllowed(["write-protected"], "PATCH", "/apps/a/config-vars"));
  const { body } = await signIn(PASSWORD, { body: { scope: ["read", "write-protected"] } });
  const headers = { authorization: `Bearer ${body.access_token.token}` };
  const refused = await api.request({ method: "POST", url: "/oauth/authorizations", headers, payload: {} });
  assert.deepEqual([refused.status, refused.body.id], [403, "forbidden"]);
  for (const url of ["/account", "/%61ccount", "/%6fauth/authorizations", "/apps/a/config%2dvars"]) {
    const write = { authorization: `Bearer ${(await signIn(PASSWORD, { body: { scope: ["write"] } })).body.access_token.token}` };
    assert.equal((await api.request({ url, headers: write })).status, 403, url);
  }
  assert.equal((await api.request({ url: "/apps", headers })).status, 200);
});

test("a new password needs the present one and ends the other sessions", async () => {
  const { body: first } = await signIn(PASSWORD);
  const { body: second } = await signIn(PASSWORD);
  const patch = async (payload: object): Promise<Answer> =>
    await api.request({
      method: "PATCH",
      url: "/account",
      headers: { authorization: `Bearer ${first.access_token.token}` },
      payload,
    });
  assert.equal((await patch({ name: "The Operator" })).body.name, "The Operator");
  assert.match((await patch({ new_password: "another one", password: "wrong" })).body.message, /present password/);
  assert.match((await patch({ new_password: "short", password: PASSWORD })).body.message, /8 to/);
  assert.equal((await patch({ new_password: "another one", password: PASSWORD })).status, 200);
  assert.equal((await patch({})).status, 200);
  const other = { authorization: `Bearer ${second.access_token.token}` };
  assert.equal((await api.request({ url: "/account", headers: other })).status, 401);
  await patch({ new_password: PASSWORD, password: "another one" });
});

test("nobody reads another account", async () => {
  const eva = await api.user("eva@example.com");
  const ida = await api.user("ida@example.com");
  for (const self of ["~", eva.accountId, "eva@example.com"]) {
    assert.equal((await eva.call("GET", `/users/${self}`)).body.email, "eva@example.com");
  }
  assert.equal((await eva.call("GET", `/users/${ida.accountId}`)).status, 404);
  assert.equal((await eva.call("GET", "/users/ida@example.com/apps")).status, 404);
  assert.equal((await eva.call("PATCH", `/users/${ida.accountId}`, { name: "x" })).status, 404);
  assert.equal((await eva.call("DELETE", "/account")).status, 403);
});

interface Begun {
  browser_url: string;
  cli_url: string;
  token: string;
}

async function begin(address: string, on: TestApi = api): Promise<Begun> {
  const headers = { "x-forwarded-for": address };
  const payload = { description: "Heroku CLI login from <b>laptop</b>" };
  return (await on.request({ method: "POST", url: "/auth", headers, payload })).body;
}

function formToken(page: Answer): string {
  return /name="form_token" value="([^"]+)"/.exec(page.text)?.[1] ?? "";
}

async function submit(url: string, form: Record<string, string>, headers: Record<string, string> = {}): Promise<Answer> {
  const payload = new URLSearchParams(form).toString();
  const type = { "content-type": "application/x-www-form-urlencoded" };
  return await api.request({ method: "POST", url, payload, headers: { ...type, ...headers } });
}

test("browser login: the page, the wrong password, the right one, and the waiting CLI", async () => {
  const urls = await begin("198.51.100.7");
  const waiting = api.request({ url: urls.cli_url, headers: { authorization: `Bearer ${urls.token}` } });
  const page = await api.request({ url: urls.browser_url, headers: { "accept-language": "en" } });
  assert.equal(page.status, 200);
  const csp = String(page.headers["content-security-policy"]);
  assert.match(csp, /default-src 'none'/);
  assert.match(csp, /frame-ancestors 'none'/);
  const nonce = /nonce-([\w-]+)/.exec(csp)?.[1];
  assert.ok(page.text.includes(`<style nonce="${nonce}">`));
  assert.ok(!/<script|https?:\/\//.test(page.text));
  assert.match(page.text, /&lt;b&gt;laptop&lt;\/b&gt;/);
  assert.match(page.text, /198\.51\.100\.7/);
  const token = formToken(page);
  const wrong = await submit(urls.browser_url, { form_token: token, email: 'a"<x>@example.com', password: "no" });
  assert.equal(wrong.status, 401);
  assert.match(wrong.text, /role="alert"/);
  assert.match(wrong.text, /value="a&quot;&lt;x&gt;@example.com"/);
  const right = await submit(urls.browser_url, { form_token: token, email: "admin@example.com", password: PASSWORD });
  assert.equal(right.status, 200);
  assert.match(right.text, /You are logged in/);
  const { body, headers } = await waiting;
  assert.match(String(headers["content-type"]), /^application\/json/);
  assert.equal(headers["x-accel-buffering"], "no");
  const account = await api.request({ url: "/account", headers: { authorization: `Bearer ${body.access_token}` } });
  assert.equal(account.body.email, "admin@example.com");
  assert.equal((await api.request({ url: urls.browser_url })).status, 404);
  const again = await submit(urls.browser_url, { form_token: token, email: "admin@example.com", password: PASSWORD });
  assert.equal(again.status, 404);
});

test("the page speaks Spanish to those who prefer it", async () => {
  const urls = await begin("198.51.100.8");
  const title = async (language: string): Promise<string | undefined> =>
    /<title>([^<]+)/.exec((await api.request({ url: urls.browser_url, headers: { "accept-language": language } })).text)?.[1];
  assert.equal(await title("es-MX,es;q=0.9,en;q=0.8"), "Iniciar sesión en Zarpa");
  assert.equal(await title("en-GB,es;q=0.9"), "Log in to Zarpa");
  assert.equal(await title("de;q=0.9, es;q=0.3"), "Iniciar sesión en Zarpa");
  assert.equal(await title("*"), "Log in to Zarpa");
});

test("the poll needs its token, forged forms are refused, cancel is told to the CLI", async () => {
  const urls = await begin("198.51.100.9");
  assert.equal((await api.request({ url: urls.cli_url })).status, 404);
  assert.equal((await api.request({ url: urls.cli_url, headers: { authorization: "Bearer x" } })).status, 404);
  const token = formToken(await api.request({ url: urls.browser_url }));
  const form = { form_token: token, email: "admin@example.com", password: PASSWORD };
  assert.equal((await submit(urls.browser_url, { ...form, form_token: "x" })).status, 403);
  assert.equal((await submit(urls.browser_url, form, { "sec-fetch-site": "cross-site" })).status, 403);
  const cancelled = await submit(urls.browser_url, { form_token: token, cancel: "1" }, { "sec-fetch-site": "same-origin" });
  assert.match(cancelled.text, /Login cancelled/);
  const { body } = await api.request({ url: urls.cli_url, headers: { authorization: `Bearer ${urls.token}` } });
  assert.match(body.error, /cancelled/);
});

test("while nobody comes the poll dribbles spaces, and after ten minutes it ends", async () => {
  const urls = await begin("198.51.100.10");
  const reply = api.request({ url: urls.cli_url, headers: { authorization: `Bearer ${urls.token}` } });
  await new Promise((resolve) => setImmediate(resolve));
  for (let minute = 0; minute < 10; minute += 1) {
    await api.clock.advance(20_000);
    await api.clock.advance(20_000);
    await api.clock.advance(20_000);
  }
  const { text, body } = await reply;
  assert.match(text, /^ +\{/);
  assert.match(body.error, /ten minutes/);
  assert.equal((await api.request({ url: urls.browser_url })).status, 404);
});

test("an address cannot begin logins without end", async () => {
  for (let count = 0; count < 30; count += 1) assert.ok((await begin("198.51.100.99")).token);
  const { status } = await api.request({
    method: "POST",
    url: "/auth",
    headers: { "x-forwarded-for": "198.51.100.99" },
    payload: {},
  });
  assert.equal(status, 429);
  assert.ok((await begin("198.51.100.100")).token);
});
