import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { describe, test } from "node:test";
import { testApi, type TestApi, type TestUser } from "../../test/support/api.ts";

import { newId } from "../kernel/ids.ts";
import { Outputs } from "../kernel/output.ts";
import { buildSucceeded } from "../platform/build-outcome.ts";
import { finishRelease } from "../platform/release.ts";
import type { ApiPorts, LogReader } from "./ports.ts";

const SOURCE = { source_blob: { url: "https://example.com/source.tgz", version: "0123456789abcdef" } };

async function setUp(ports: Partial<ApiPorts> = {}): Promise<{ api: TestApi; user: TestUser } & AsyncDisposable> {
  const api = await testApi(ports);
  const user = await api.user("ada@example.com");
  assert.equal((await user.call("POST", "/apps", { name: "first-light" })).status, 201);
  return { api, user, [Symbol.asyncDispose]: async () => await api[Symbol.asyncDispose]() };
}

async function deploy(api: TestApi, user: TestUser, processTypes: Record<string, string>): Promise<string> {
  const build = await user.call("POST", "/apps/first-light/builds", SOURCE);
  assert.equal(build.status, 201);
  const slug = { tree: "a".repeat(64), checksum: "SHA256:00", size: 1024, processTypes, buildpacks: [], description: "Python" };
  await buildSucceeded(api.platform, build.body.id, slug);
  return build.body.id;
}

describe("config vars", () => {
  test("a change answers with all of them when its release is there", async () => {
    await using world = await setUp();
    const { user } = world;
    const answer = await user.call("PATCH", "/apps/first-light/config-vars", { A: "1", B: "x=y z" });
    assert.deepEqual([answer.status, answer.body], [200, { A: "1", B: "x=y z" }]);
    const range = { range: "version ..; order=desc,max=1" };
    const releases = await user.call("GET", "/apps/first-light/releases", undefined, range);
    assert.deepEqual(
      releases.body.map((release: { version: number; description: string }) => [release.version, release.description]),
      [[3, "Set A, B config vars"]],
    );
    assert.deepEqual((await user.call("PATCH", "/apps/first-light/config-vars", { A: null })).body, { B: "x=y z" });
    assert.deepEqual((await user.call("GET", "/apps/first-light/config-vars")).body, { B: "x=y z" });
    assert.deepEqual((await user.call("GET", "/apps/first-light/releases/3/config-vars")).body, { A: "1", B: "x=y z" });
  });

  test("wrong ones are refused in words", async () => {
    await using world = await setUp();
    const bad = await world.user.call("PATCH", "/apps/first-light/config-vars", { "A B": "1" });
    assert.deepEqual([bad.status, bad.body.id], [422, "invalid_params"]);
    assert.match(bad.body.message, /"A B" is no name for a config var/);
    assert.equal((await world.user.call("PATCH", "/apps/first-light/config-vars", { A: 1 })).status, 422);
    assert.equal((await world.user.call("PATCH", "/apps/nobodys/config-vars", { A: "1" })).status, 404);
  });
});

describe("releases", () => {
  test("are listed by page, found by version or id, rolled back and released again", async () => {
    await using world = await setUp();
    const { api, user } = world;
    await deploy(api, user, { web: "old" });
    await deploy(api, user, { web: "new", release: "migrate" });
    const page = await user.call("GET", "/apps/first-light/releases?extended=true", undefined, {
      range: "version ..; max=2, order=desc",
    });
    assert.equal(page.status, 206);
    assert.match(String(page.headers["next-range"]), /^version \]3.*max=2/);
    const [pending, current] = page.body;
    assert.deepEqual([pending.version, pending.status, pending.current], [4, "pending", false]);
    assert.deepEqual([current.version, current.current, current.eligible_for_rollback], [3, true, true]);
    assert.equal(current.extended.slug_uuid, current.slug.id);
    assert.equal(current.user.email, user.email);
    assert.match(pending.output_stream_url, /^http:\/\/localhost:8080\/streams\/releases\//);
    assert.equal((await user.call("GET", `/apps/first-light/releases/${current.id}`)).body.version, 3);
    await finishRelease(api.platform, pending.id, "succeeded");
    const back = await user.call("POST", "/apps/first-light/releases", { release: current.id });
    assert.deepEqual([back.status, back.body.version, back.body.description], [201, 5, "Rollback to v3"]);
    const again = await user.call("POST", "/apps/first-light/releases", { slug: pending.slug.id, description: "Retry of v4" });
    assert.deepEqual([again.body.version, again.body.description], [6, "Retry of v4"]);
    assert.equal((await user.call("POST", "/apps/first-light/releases", {})).status, 422);
    assert.equal((await user.call("POST", "/apps/first-light/releases", { release: newId() })).status, 404);
    assert.equal((await user.call("GET", "/apps/first-light/releases/77")).body.id, "not_found");
  });
});

describe("builds", () => {
  test("are made from a tarball, listed and cancelled, and their output is streamed to whoever has the address", async () => {
    const folder = await mkdtemp(join(tmpdir(), "zarpa-outputs-"));
    const outputs = new Outputs();
    const purged: string[] = [];
    await using world = await setUp({
      outputs,
      buildOutputPath: (id) => join(folder, id),
      purgeCache: async (appId) => void purged.push(appId),
    });
    const { api, user } = world;
    const build = await user.call("POST", "/apps/first-light/builds", SOURCE);
    assert.deepEqual([build.status, build.body.status, build.body.source_blob.version], [201, "pending", "0123456789abcdef"]);
    const path = new URL(build.body.output_stream_url).pathname;
    // Asked for while the build waits for its turn: the follower waits with it.
    const file = join(folder, build.body.id);
    const stream = api.request({ url: path });
    while (!outputs.isLive(file)) await new Promise((resolve) => setImmediate(resolve));
    await outputs.begin(file);
    await outputs.write(file, "-----> Building\n");
    await outputs.end(file);
    const answer = await stream;
    assert.deepEqual([answer.status, answer.text], [200, "-----> Building\n"]);
    assert.match(String(answer.headers["content-type"]), /^text\/plain/);
    assert.equal((await api.request({ url: `${path}x` })).status, 404);

    assert.equal((await user.call("GET", `/apps/first-light/builds/${build.body.id}/result`)).status, 404);
    assert.equal((await user.call("DELETE", `/apps/first-light/builds/${build.body.id}`)).body.status, "failed");
    const again = await user.call("DELETE", `/apps/first-light/builds/${build.body.id}`);
    assert.deepEqual([again.status, again.body.id], [409, "conflict"]);
    const result = await user.call("GET", `/apps/first-light/builds/${build.body.id}/result`);
    assert.deepEqual([result.body.exit_code, result.body.lines], [1, [{ line: "-----> Building\n", stream: "STDOUT" }]]);
    const list = await user.call("GET", "/apps/first-light/builds", undefined, { range: "created_at ..; max=10, order=desc" });
    assert.equal(list.body.length, 1);
    assert.equal((await user.call("DELETE", "/apps/first-light/build-cache")).status, 200);
    assert.equal(purged.length, 1);
    await rm(folder, { recursive: true });
  });

  test("need the address of an archive", async () => {
    await using world = await setUp();
    for (const url of ["file:///etc/passwd", "not an address", "ftp://example.com/x"]) {
      const answer = await world.user.call("POST", "/apps/first-light/builds", { source_blob: { url } });
      assert.deepEqual([answer.status, answer.body.id], [422, "invalid_params"]);
    }
    assert.equal((await world.user.call("POST", "/apps/first-light/builds", {})).status, 422);
  });
});

describe("sources and slugs", () => {
  test("a source is put and got without a token, only under its own addresses", async () => {
    const sourcesFolder = await mkdtemp(join(tmpdir(), "zarpa-sources-"));
    await using world = await setUp({ sourcesFolder });
    const { api, user } = world;
    const { put_url: put, get_url: get } = (await user.call("POST", "/sources")).body.source_blob;
    const archive = Buffer.alloc(3 * 1024 * 1024, 7);
    const path = (url: string): string => new URL(url).pathname;
    assert.equal((await api.request({ url: path(get) })).status, 404);
    const uploaded = await api.request({ method: "PUT", url: path(put), payload: archive, headers: { "content-type": "" } });
    assert.equal(uploaded.status, 200);
    const reply = await api.app.inject({ url: path(get) });
    assert.deepEqual([reply.statusCode, reply.rawPayload.equals(archive)], [200, true]);
    assert.equal((await api.request({ url: path(put) })).status, 404);
    assert.equal((await api.request({ method: "PUT", url: path(get), payload: "x" })).status, 404);
    await api.clock.advance(2 * 60 * 60 * 1000);
    assert.equal((await api.request({ url: path(get) })).status, 404);
    assert.equal((await readdir(sourcesFolder)).length, 1);
    await api.clock.advance(25 * 60 * 60 * 1000);
    await user.call("POST", "/apps/first-light/sources");
    assert.deepEqual(await readdir(sourcesFolder), []);
    await rm(sourcesFolder, { recursive: true });
  });

  test("a slug is created, filled, released and got", async () => {
    const archive = Buffer.from("not really gzip");
    const received: Buffer[] = [];
    await using world = await setUp({
      storeSlug: async (stream) => {
        for await (const chunk of stream) received.push(chunk as Buffer);
        return { tree: "b".repeat(64), size: archive.length };
      },
      slugArchive: (tree) => (tree === "b".repeat(64) ? Readable.from([archive]) : null),
    });
    const { api, user } = world;
    const slug = await user.call("POST", "/apps/first-light/slugs", { process_types: { web: "node server.js" }, commit: "abc" });
    assert.deepEqual([slug.status, slug.body.blob.method, slug.body.size], [201, "put", null]);
    const early = await user.call("POST", "/apps/first-light/releases", { slug: slug.body.id });
    assert.match(early.body.message, /no content yet/);
    const put = await api.request({ method: "PUT", url: new URL(slug.body.blob.url).pathname, payload: archive });
    assert.deepEqual([put.status, Buffer.concat(received)], [200, archive]);
    const release = await user.call("POST", "/apps/first-light/releases", { slug: slug.body.id });
    assert.deepEqual([release.body.version, release.body.description], [3, "Deploy abc"]);
    const filled = (await user.call("GET", `/apps/first-light/slugs/${slug.body.id}`)).body;
    const checksum = `SHA256:${createHash("sha256").update(archive).digest("hex")}`;
    assert.deepEqual([filled.blob.method, filled.checksum, filled.stack.name], ["get", checksum, "heroku-24"]);
    assert.equal((await api.request({ url: new URL(filled.blob.url).pathname })).text, "not really gzip");
    const other = await user.call("POST", "/apps/first-light/slugs", { process_types: { web: "w" }, checksum: "SHA256:00" });
    const wrong = await api.request({ method: "PUT", url: new URL(other.body.blob.url).pathname, payload: archive });
    assert.deepEqual([wrong.status, /SHA256:00 was announced/.test(wrong.body.message)], [422, true]);
    assert.equal((await user.call("POST", "/apps/first-light/slugs", { process_types: { "a b": "x" } })).status, 422);
  });
});

describe("formation and dynos", () => {
  test("scaling takes the CLI's spellings and answers with canonical sizes", async () => {
    await using world = await setUp();
    const { api, user } = world;
    await deploy(api, user, { web: "w", worker: "k" });
    const updates = [
      { type: "web", quantity: "2", size: "standard-1x" },
      { type: "worker", quantity: "+1" },
    ];
    const batch = await user.call("PATCH", "/apps/first-light/formation", { updates });
    assert.deepEqual(
      batch.body.map((row: { type: string; quantity: number; size: string }) => [row.type, row.quantity, row.size]),
      [
        ["web", 2, "Standard-1X"],
        ["worker", 1, "Standard-1X"],
      ],
    );
    const one = await user.call("PATCH", "/apps/first-light/formation/web", { quantity: 3, dyno_size: { name: "standard-2x" } });
    assert.deepEqual([one.body.quantity, one.body.size, one.body.dyno_size.name], [3, "Standard-2X", "Standard-2X"]);
    assert.equal((await user.call("GET", "/apps/first-light/formation/web")).body.quantity, 3);
    const unknown = await user.call("PATCH", "/apps/first-light/formation/clock", { quantity: 1 });
    assert.deepEqual([unknown.status, unknown.body.id], [404, "not_found"]);
    assert.equal((await user.call("PATCH", "/apps/first-light/formation/web", { quantity: 1e9 })).status, 422);
  });

  test("one-off dynos take what the CLI sends, and the secret is told once", async () => {
    await using world = await setUp();
    const { api, user } = world;
    await deploy(api, user, { web: "w" });
    const order = { attach: true, command: "echo hello", env: { TERM: "xterm", COLUMNS: 100, LINES: 30 }, force_no_tty: null };
    const run = await user.call("POST", "/apps/first-light/dynos", order);
    assert.equal(run.status, 201);
    assert.match(run.body.name, /^run\.\d{4}$/);
    assert.match(run.body.attach_url, /^rendezvous:\/\/localhost:8444\/[\w-]+$/);
    const list = await user.call("GET", "/apps/first-light/dynos?extended=true");
    assert.deepEqual([list.body.length, list.body[0].attach_url, list.body[0].extended.instance], [1, null, run.body.id]);
    for (const [method, path] of [
      ["DELETE", "/apps/first-light/dynos"],
      ["DELETE", `/apps/first-light/dynos/${run.body.name}`],
      ["DELETE", "/apps/first-light/dynos/web"],
      ["POST", `/apps/first-light/dynos/${run.body.name}/actions/stop`],
      ["DELETE", "/apps/first-light/formations/web"],
      ["POST", "/apps/first-light/formations/web/actions/stop"],
    ] as const) {
      const answer = await user.call(method, path);
      assert.deepEqual([answer.status, answer.body], [202, {}], `${method} ${path}`);
    }
    const path = `/apps/first-light/dynos/${run.body.name}`;
    assert.match((await user.call("POST", path, { command: "ls" })).body.message, /Cannot run inside run\.\d+: it is created/);
    await api.platform.db.updateTable("dynos").set({ state: "up" }).execute();
    const inside = await user.call("POST", path, { command: "w --fast", env: { TERM: "xterm" } });
    assert.deepEqual([inside.status, inside.body.name, inside.body.command], [201, run.body.name, "w --fast"]);
    assert.match(inside.body.attach_url, /^rendezvous:/);
    assert.equal((await user.call("POST", "/apps/first-light/dynos", {})).body.id, "invalid_params");
  });

  test("sizes and Eco hours are told", async () => {
    await using world = await setUp();
    const { user } = world;
    const sizes = await user.call("GET", "/dyno-sizes");
    assert.deepEqual(
      sizes.body.map((size: { name: string }) => size.name),
      ["Basic", "Eco", "Performance-L", "Performance-M", "Standard-1X", "Standard-2X"],
    );
    assert.equal((await user.call("GET", "/dyno-sizes/STANDARD-2X")).body.memory, 1);
    assert.equal((await user.call("GET", "/dyno-sizes/giant")).status, 404);
    const extended = await user.call("GET", "/dyno-sizes/eco?extended=true");
    assert.deepEqual(extended.body.extended, { disk: 4, max_processes: 256, max_quantity: 1, sleeps: true, tier: "eco" });
    assert.equal((await user.call("PATCH", "/dyno-sizes/eco", { memory: 1 })).status, 403);
    const admin = await world.api.user("root@example.com", { isAdmin: true });
    assert.equal((await admin.call("POST", "/dyno-sizes", { name: "Lab", memory: 2 })).body.extended.max_quantity, 100);
    assert.equal((await admin.call("PATCH", "/dyno-sizes/lab", { sleeps: true })).body.extended.sleeps, true);
    assert.equal((await admin.call("DELETE", "/dyno-sizes/lab")).status, 200);
    assert.equal((await admin.call("PATCH", `/accounts/${user.accountId}/limits`, { max_dynos: 7 })).body.max_dynos, 7);
    assert.equal((await user.call("GET", "/accounts/~/limits")).body.eco_hours, 1000);
    const quota = await user.call("GET", `/accounts/${user.accountId}/actions/get-quota`);
    assert.deepEqual(quota.body, { account_quota: 3_600_000, quota_used: 0, apps: [] });
    assert.equal((await user.call("GET", `/accounts/${newId()}/actions/get-quota`)).status, 404);
  });
});

describe("log sessions", () => {
  test("stream what was asked for as events, to nobody but who has the address", async () => {
    const asked: unknown[] = [];
    const logs: LogReader = {
      read: async function* (appId, filter, { lines, tail, afterId }) {
        asked.push([appId, filter, { lines, tail, afterId }]);
        yield { id: 7, text: "2026-01-01T00:00:00.000000+00:00 app[web.1]: hello" };
        yield { id: 8, text: "two\nlines" };
      },
      search: async () => [],
    };
    await using world = await setUp({ logs });
    const { api, user } = world;
    const body = { lines: 5000, tail: false, dyno: "web.1", source: "app" };
    const session = await user.call("POST", "/apps/first-light/log-sessions", body);
    assert.equal(session.status, 201);
    const url = new URL(session.body.logplex_url).pathname;
    const stream = await api.request({ url, headers: { accept: "text/event-stream", "last-event-id": "3" } });
    assert.equal(stream.headers["content-type"], "text/event-stream");
    assert.equal(
      stream.text,
      "retry: 1000\n\nid: 7\ndata: 2026-01-01T00:00:00.000000+00:00 app[web.1]: hello\n\nid: 8\ndata: two\ndata: lines\n\n",
    );
    const { id } = (await user.call("GET", "/apps/first-light")).body;
    assert.deepEqual(asked, [[id, { source: "app", process: "web.1" }, { lines: 1500, tail: false, afterId: 3 }]]);
    assert.equal((await api.request({ url: url.replace("/logs/", "/logs/AAAA") })).status, 404);
    await api.clock.advance(10 * 60 * 1000);
    assert.equal((await api.request({ url })).status, 404);
  });
});

test("another account's app is out of reach", async () => {
  await using world = await setUp();
  const eve = await world.api.user("eve@example.com");
  for (const path of ["config-vars", "releases", "builds", "formation", "dynos"]) {
    assert.equal((await eve.call("GET", `/apps/first-light/${path}`)).status, 403, path);
  }
});
