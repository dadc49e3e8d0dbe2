import { randomInt } from "node:crypto";
import { type Selectable, sql } from "kysely";
import type { Dyno } from "../contract/dyno.ts";
import { isId, newId, newToken, tokenDigest } from "../kernel/ids.ts";
import { Refusal } from "../kernel/refusal.ts";
import { type Actor, changeApp } from "./change.ts";
import type { Platform } from "./context.ts";
import type { Dynos } from "./database/tables.ts";
import { DEFAULT_SIZE } from "./dyno-size.ts";
import { checkDynoLimit } from "./dyno-limit.ts";
import { hasUsedUp } from "./quota.ts";
import { expandCommand, isProcessTypeName, WEB } from "./process-type.ts";
import { invalid } from "./refusals.ts";

/** A dyno instance and the version of its release: https://devcenter.heroku.com/articles/dynos */
export type DynoRow = Selectable<Dynos> & { version: number };

export interface OneOffOrder {
  command: string;
  /** Whether a client will connect to the attach URL. */
  attach: boolean;
  /** Added to the config vars. */
  env: Record<string, string | number>;
  size: string | null;
  /** Process type to be named after, `run` when left out. */
  type: string | null;
  forceNoTty: boolean;
  /** Seconds after which it ends; null: a day. */
  timeToLive: number | null;
}

/** The dyno as the API shows it; `extended` adds what `heroku ps --extended` prints. */
export function dynoResource(
  app: { id: string; name: string; region: string },
  row: DynoRow,
  { attachUrl = null, extended = false }: { attachUrl?: string | null; extended?: boolean } = {},
): Dyno {
  const { address: ip, port } = row;
  const unknown = { az: null, execution_plane: null, fleet: null, route: null };
  return {
    app: { id: app.id, name: app.name },
    attach_url: attachUrl,
    command: row.command,
    created_at: row.created_at.toISOString(),
    ...(extended ? { extended: { ...unknown, instance: row.id, ip, port, region: app.region } } : {}),
    id: row.id,
    name: row.name,
    release: { id: row.release_id, version: row.version },
    size: row.size,
    state: row.state === "created" ? "starting" : row.state,
    type: row.type,
    updated_at: row.updated_at.toISOString(),
  };
}

const ONE_OFF_TYPE = "run";
const FIRST_NUMBER = 1000;
const NUMBERS_END = 10_000;
const MAX_COMMAND_BYTES = 64 * 1024;
const MAX_ENV_BYTES = 64 * 1024;
/** https://devcenter.heroku.com/articles/one-off-dynos */
const MAX_ONE_OFFS = 50;
const MAX_TIME_TO_LIVE_SECONDS = 24 * 60 * 60;

/** What runs or crashed: the newest instance of each name. An old instance that a new one is replacing is not shown. */
export async function listDynos(ctx: Platform, appId: string): Promise<DynoRow[]> {
  return await ctx.db
    .selectFrom("dynos")
    .innerJoin("releases", "releases.id", "dynos.release_id")
    .distinctOn("dynos.name")
    .selectAll("dynos")
    .select("releases.version")
    .where("dynos.app_id", "=", appId)
    .where("dynos.state", "<>", "down")
    .orderBy("dynos.name")
    .orderBy("dynos.created_at", "desc")
    .execute();
}

/** A dyno of the list by name or id. */
export async function findDyno(ctx: Platform, appId: string, nameOrId: string): Promise<DynoRow> {
  const row = (await listDynos(ctx, appId)).find(({ id, name }) => (isId(nameOrId) ? id : name) === nameOrId);
  if (row === undefined) throw new Refusal("not_found", `Couldn't find that dyno (${nameOrId}).`, { resource: "dyno" });
  return row;
}

/**
 * Orders a one-off dyno of the current release (`heroku run`). With `attach` the answer has the address that the client connects to,
 * which is told only this once. https://devcenter.heroku.com/articles/one-off-dynos
 */
export async function createOneOff(
  ctx: Platform,
  appId: string,
  actor: Actor,
  order: OneOffOrder,
): Promise<{ dyno: DynoRow; attachUrl: string | null }> {
  checkOrder(order);
  return await changeApp(ctx, appId, async ({ trx, app, say }) => {
    const release = await trx
      .selectFrom("releases")
      .leftJoin("slugs", "slugs.id", "releases.slug_id")
      .select(["releases.id", "releases.version", "slugs.process_types"])
      .where("releases.app_id", "=", appId)
      .where("current", "=", true)
      .executeTakeFirst();
    if (release === undefined) throw new Refusal("conflict", "The app has no release yet.");
    const taken = await trx
      .selectFrom("dynos")
      .select(["name", "kind"])
      .where("app_id", "=", appId)
      .where("state", "<>", "down")
      .execute();
    if (taken.filter(({ kind }) => kind === "one-off").length >= MAX_ONE_OFFS) {
      throw new Refusal(
        "rate_limit",
        `Only ${MAX_ONE_OFFS} one-off dynos of an app may run at once: stop some of them with ps:stop.`,
      );
    }
    const type = order.type ?? ONE_OFF_TYPE;
    const sizes = await trx.selectFrom("formations").select(["type", "size"]).where("app_id", "=", appId).execute();
    const usual = sizes.find((row) => row.type === type) ?? sizes.find((row) => row.type === WEB) ?? sizes[0];
    const size = ctx.sizes.mustFind(order.size ?? usual?.size ?? DEFAULT_SIZE);
    if (size.tier === "eco" && (await hasUsedUp(ctx, app.owner_id))) throw noHoursLeft(size.name);
    await checkDynoLimit(trx, app.owner_id, 1);
    const token = order.attach ? newToken() : null;
    const now = ctx.clock.now();
    const dyno = await trx
      .insertInto("dynos")
      .values({
        id: newId(),
        app_id: appId,
        release_id: release.id,
        type,
        name: freeName(type, new Set(taken.map((row) => row.name))),
        size: size.name,
        command: expandCommand(order.command, release.process_types ?? {}),
        state: "created",
        kind: "one-off",
        attach: order.attach,
        force_no_tty: order.forceNoTty,
        time_to_live: order.timeToLive,
        env: JSON.stringify(textsOf(order.env)),
        attach_digest: token === null ? null : tokenDigest(token),
        stop_requested: false,
        crashes: 0,
        created_at: now,
        updated_at: now,
      })
      .returningAll()
      .executeTakeFirstOrThrow();
    say(`Starting process with command \`${order.command}\` by user ${actor.email}`);
    const attachUrl = token === null ? null : `${ctx.addresses.rendezvousOrigin}/${token}`;
    return { dyno: { ...dyno, version: release.version }, attachUrl };
  });
}

/** A program to be run in a running dyno, and where its client connects to. */
export interface InsideRun {
  dyno: DynoRow;
  command: string;
  env: Record<string, string>;
  digest: Buffer;
  attachUrl: string;
}

/** Orders a program in a running dyno (`heroku run:inside`); the runtime has to be told of it before the answer goes out. */
export async function orderInside(
  ctx: Platform,
  appId: string,
  actor: Actor,
  nameOrId: string,
  order: OneOffOrder,
): Promise<InsideRun> {
  checkOrder(order);
  const dyno = await findDyno(ctx, appId, nameOrId);
  if (dyno.state !== "up") {
    const way = dyno.state === "idle" ? "it is asleep, and a request to the app wakes it." : `it is ${dyno.state}.`;
    throw invalid(`Cannot run inside ${dyno.name}: ${way}`);
  }
  const slug = await ctx.db
    .selectFrom("releases")
    .innerJoin("slugs", "slugs.id", "releases.slug_id")
    .select("slugs.process_types")
    .where("releases.id", "=", dyno.release_id)
    .executeTakeFirst();
  const token = newToken();
  const message = `Running \`${order.command}\` inside ${dyno.name} by user ${actor.email}`;
  ctx.events.log({ app_id: appId, source: "app", process: "api", message });
  return {
    dyno,
    command: expandCommand(order.command, slug?.process_types ?? {}),
    env: textsOf(order.env),
    digest: tokenDigest(token),
    attachUrl: `${ctx.addresses.rendezvousOrigin}/${token}`,
  };
}

function textsOf(env: Record<string, string | number>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [name, String(value)]));
}

function checkOrder(order: OneOffOrder): void {
  if (order.command.trim() === "") throw invalid("Usage: heroku run COMMAND. There is no command to run.");
  const texts = [order.command, ...Object.values(order.env).map(String)];
  if (texts.some((text) => text.includes("\0"))) throw invalid("A command cannot hold a null byte.");
  if (Buffer.byteLength(order.command) > MAX_COMMAND_BYTES) {
    throw invalid(`The command is too long: ${MAX_COMMAND_BYTES} bytes at most.`);
  }
  const { timeToLive } = order;
  if (timeToLive !== null && (timeToLive < 1 || timeToLive > MAX_TIME_TO_LIVE_SECONDS)) {
    throw invalid(`time_to_live is ${timeToLive}: it must be from 1 to ${MAX_TIME_TO_LIVE_SECONDS} seconds, which is a day.`);
  }
  const envBytes = Object.entries(order.env).reduce((sum, [name, value]) => sum + Buffer.byteLength(`${name}${value}`), 0);
  if (envBytes > MAX_ENV_BYTES)
    throw invalid(`The variables are too long: ${MAX_ENV_BYTES} bytes at most, names and values together.`);
  const bad = Object.keys(order.env).find((name) => !/^\w+$/.test(name));
  if (bad !== undefined) throw invalid(`"${bad}" is no name for a variable: use letters, digits and underscores.`);
  if (order.type !== null && !isProcessTypeName(order.type)) {
    throw invalid(`"${order.type}" is no process type: use letters, digits, - and _, 128 at most.`);
  }
}

function noHoursLeft(size: string): Refusal {
  const message = `This month's ${size} dyno hours are used up. They come back on the first of the next month; run it with --size basic.`;
  return new Refusal("forbidden", message);
}

function freeName(type: string, taken: ReadonlySet<string>): string {
  for (let tries = 0; tries < NUMBERS_END; tries += 1) {
    const name = `${type}.${randomInt(FIRST_NUMBER, NUMBERS_END)}`;
    if (!taken.has(name)) return name;
  }
  throw new Refusal("rate_limit", "Too many one-off dynos run already: stop some of them first.");
}

/** Which dynos: one by name or id, all of a process type, or the whole formation. */
export type DynoChoice = { dyno: string } | { type: string } | "formation";

/**
 * Asks the runtime to stop dynos: those of the formation are replaced at once, crashed ones without waiting for their back-off; one-off
 * dynos end. The order is fulfilled after the answer, as on Heroku.
 */
export async function stopDynos(ctx: Platform, appId: string, choice: DynoChoice): Promise<void> {
  let query = ctx.db
    .updateTable("dynos")
    .set({ stop_requested: true, crashes: 0, restart_at: null })
    .where("app_id", "=", appId)
    .where("state", "<>", "down");
  if (choice === "formation") query = query.where("kind", "=", "formation");
  else if ("type" in choice) query = query.where("type", "=", choice.type);
  else query = query.where("name", "=", (await findDyno(ctx, appId, choice.dyno)).name);
  const result = await query.executeTakeFirst();
  if (result.numUpdatedRows === 0n && choice !== "formation" && "type" in choice) await mustKnowType(ctx, appId, choice.type);
  ctx.events.appChanged(appId);
}

async function mustKnowType(ctx: Platform, appId: string, type: string): Promise<void> {
  const known = await ctx.db
    .selectFrom("formations")
    .select(sql<number>`1`.as("one"))
    .where("app_id", "=", appId)
    .where("type", "=", type)
    .executeTakeFirst();
  if (known === undefined) {
    throw new Refusal("not_found", `Couldn't find that process type (${type}).`, { resource: "formation" });
  }
}
