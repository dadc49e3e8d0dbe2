import type { Selectable } from "kysely";
import { parseDrainUrl } from "../contract/drain-url.ts";
import type { LogDrain } from "../contract/log-drain.ts";
import { isId, newId } from "../kernel/ids.ts";
import type { FoundApp } from "./access.ts";
import type { Platform } from "./context.ts";
import type { LogDrains } from "./database/tables.ts";
import { invalid, notFound } from "./refusals.ts";

/** A drain with its URL opened: it is sealed at rest, since it often holds the receiver's credentials. */
export type LogDrainRow = Omit<Selectable<LogDrains>, "url"> & { url: string };

/** https://devcenter.heroku.com/articles/limits#log-drains */
const MAX_DRAINS_PER_APP = 5;

/** The drain as the API shows it, without `extended`. */
export function logDrainResource(app: FoundApp, row: LogDrainRow): LogDrain {
  return {
    addon: null,
    app: { id: app.id, name: app.name },
    created_at: row.created_at.toISOString(),
    id: row.id,
    token: row.token,
    updated_at: row.updated_at.toISOString(),
    url: row.url,
  };
}

/** The drains of an app, or of all, oldest first. */
export async function listLogDrains(ctx: Platform, appId: string | null): Promise<LogDrainRow[]> {
  let query = ctx.db.selectFrom("log_drains").selectAll().orderBy("number");
  if (appId !== null) query = query.where("app_id", "=", appId);
  return (await query.execute()).map((row) => ({ ...row, url: ctx.vault.open(row.url) }));
}

/** By URL, token or id. */
export async function findLogDrain(ctx: Platform, appId: string, identity: string): Promise<LogDrainRow> {
  const rows = await listLogDrains(ctx, appId);
  const row = rows.find(({ id, token, url }) => (isId(identity) ? id : identity.startsWith("d.") ? token : url) === identity);
  if (row === undefined) throw notFound("log_drain");
  return row;
}

/** Sends the app's log to that URL from now on. */
export async function addLogDrain(ctx: Platform, app: FoundApp, url: string): Promise<LogDrainRow> {
  if (parseDrainUrl(url) === null) {
    throw invalid("Url is invalid: a drain looks like syslog://logs.example.com:514, syslog+tls://… or https://….");
  }
  const row = await ctx.db.transaction().execute(async (trx) => {
    // One at a time, so that the limit holds.
    await trx.selectFrom("apps").select("id").where("id", "=", app.id).forUpdate().executeTakeFirst();
    const present = await listLogDrains({ ...ctx, db: trx }, app.id);
    if (present.length >= MAX_DRAINS_PER_APP) throw invalid(`An app may have ${MAX_DRAINS_PER_APP} log drains at most.`);
    if (present.some((drain) => drain.url === url)) throw invalid("Url has already been taken");
    const now = ctx.clock.now();
    return await trx
      .insertInto("log_drains")
      .values({ id: newId(), app_id: app.id, token: `d.${newId()}`, url: ctx.vault.seal(url), created_at: now, updated_at: now })
      .returningAll()
      .executeTakeFirstOrThrow();
  });
  ctx.events.drainsChanged(app.id);
  return { ...row, url };
}

export async function removeLogDrain(ctx: Platform, app: FoundApp, identity: string): Promise<LogDrainRow> {
  const row = await findLogDrain(ctx, app.id, identity);
  await ctx.db.deleteFrom("log_drains").where("id", "=", row.id).execute();
  ctx.events.drainsChanged(app.id);
  return row;
}
