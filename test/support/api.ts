import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import type { FastifyInstance, InjectOptions } from "fastify";
import type { ApiDeps } from "../../src/api/api.ts";
import { createApi } from "../../src/api/server.ts";
import type { ApiPorts } from "../../src/api/ports.ts";
import { newId, newToken, tokenDigest } from "../../src/kernel/ids.ts";
import { Outputs } from "../../src/kernel/output.ts";
import { Vault } from "../../src/kernel/secret.ts";
import type { Addresses, DestroyedApp, Platform, PlatformEvents } from "../../src/platform/context.ts";
import { DynoSizes } from "../../src/platform/dyno-size.ts";
import { type ManualClock, manualClock } from "./clock.ts";
import { type TestDatabase, testDatabase } from "./database.ts";

export const testAddresses: Addresses = {
  origin: "http://localhost:8080",
  gitOrigin: "https://localhost:8443/",
  rendezvousOrigin: "rendezvous://localhost:8444",
  domain: "localhost",
  port: 8080,
};

/** What the platform told the other rooms, in order. */
export interface RecordedEvents extends PlatformEvents {
  logged: string[];
  changed: string[];
  routed: string[];
  drained: string[];
  destroyed: DestroyedApp[];
  /** How often certificates changed. */
  certificates: number;
  cancelled: string[];
}

export function recordEvents(): RecordedEvents {
  const events: RecordedEvents = {
    logged: [],
    changed: [],
    routed: [],
    drained: [],
    certificates: 0,
    destroyed: [],
    cancelled: [],
    log: (line) => events.logged.push(`${line.source}[${line.process}]: ${line.message}`),
    appChanged: (appId) => events.changed.push(appId),
    routesChanged: (appId) => events.routed.push(appId),
    drainsChanged: (appId) => events.drained.push(appId),
    certificatesChanged: () => (events.certificates += 1),
    appDestroyed: (app) => events.destroyed.push(app),
    buildCancelled: (buildId) => events.cancelled.push(buildId),
  };
  return events;
}

/** An account with a token, and a shorthand for its requests. */
export interface TestUser {
  accountId: string;
  email: string;
  token: string;
  call(method: InjectOptions["method"], url: string, body?: object, headers?: Record<string, string>): Promise<Answer>;
}

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | number | undefined>;
  // The tests look into whatever JSON came.
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any;
  text: string;
}

/** The API over a database of its own, without a socket: `await using api = await testApi()`. */
export interface TestApi extends AsyncDisposable {
  app: FastifyInstance;
  deps: ApiDeps;
  platform: Platform;
  clock: ManualClock;
  events: RecordedEvents;
  database: TestDatabase;
  /** What the operator's journal was told. */
  journal: { event: string; cause?: unknown }[];
  user(email: string, options?: { isAdmin?: boolean }): Promise<TestUser>;
  request(options: InjectOptions): Promise<Answer>;
}

export async function testApi(ports: Partial<ApiPorts> = {}, start = new Date()): Promise<TestApi> {
  const database = await testDatabase();
  const clock = manualClock(start);
  const events = recordEvents();
  const platform: Platform = {
    db: database.db,
    clock,
    vault: new Vault(randomBytes(32)),
    sizes: await DynoSizes.load(database.db),
    addresses: testAddresses,
    events,
  };
  const journal: TestApi["journal"] = [];
  const deps: ApiDeps = {
    platform,
    ports: { ...quietPorts(), ...ports },
    journal: { note: (event) => void journal.push({ event }), fault: (event, cause) => void journal.push({ event, cause }) },
  };
  const app = await createApi(deps);
  const request = async (options: InjectOptions): Promise<Answer> => {
    const reply = await app.inject(options);
    const isJson = String(reply.headers["content-type"] ?? "").includes("json");
    const body: unknown = isJson && reply.body !== "" ? JSON.parse(reply.body) : null;
    return { status: reply.statusCode, headers: reply.headers, body, text: reply.body };
  };
  return {
    app,
    deps,
    platform,
    clock,
    events,
    database,
    journal,
    request,
    user: async (email, options = {}) => await createUser(platform, request, email, options.isAdmin ?? false),
    [Symbol.asyncDispose]: async () => {
      await app.close();
      await database[Symbol.asyncDispose]();
    },
  };
}

async function createUser(platform: Platform, request: TestApi["request"], email: string, isAdmin: boolean): Promise<TestUser> {
  const accountId = newId();
  const token = `HRKU-${newToken()}`;
  const now = platform.clock.now();
  const stamps = { created_at: now, updated_at: now };
  await platform.db
    .insertInto("accounts")
    .values({ id: accountId, email, name: null, password_hash: "none", is_admin: isAdmin, ...stamps })
    .execute();
  await platform.db
    .insertInto("authorizations")
    .values({
      id: newId(),
      account_id: accountId,
      description: "test",
      scope: JSON.stringify(["global"]),
      token_digest: tokenDigest(token),
      token_prefix: token.slice(0, 8),
      token_suffix: token.slice(-4),
      client_id: null,
      ...stamps,
    })
    .execute();
  const call: TestUser["call"] = async (method, url, body, headers = {}) =>
    await request({
      method: method ?? "GET",
      url,
      headers: { accept: "application/vnd.heroku+json; version=3", authorization: `Bearer ${token}`, ...headers },
      ...(body === undefined ? {} : { payload: body }),
    });
  return { accountId, email, token, call };
}

/** Ports to rooms that a test without their real part does not use. */
function quietPorts(): ApiPorts {
  return {
    logs: {
      read: async function* () {},
      search: async () => [],
    },
    runInside: () => {},
    drains: { refusalOf: async () => null, status: () => null },
    exposeFigures: async () => "",
    outputs: new Outputs(),
    buildOutputPath: (id) => `${tmpdir()}/zarpa-no-output-${id}`,
    releaseOutputPath: (id) => `${tmpdir()}/zarpa-no-output-${id}`,
    slugArchive: () => null,
    storeSlug: async () => ({ tree: "tree", size: 0 }),
    sourcesFolder: tmpdir(),
    purgeCache: async () => {},
  };
}
