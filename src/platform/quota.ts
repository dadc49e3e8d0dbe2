import { sql } from "kysely";
import type { Platform } from "./context.ts";

/** Eco dyno hours of an account, in seconds: https://devcenter.heroku.com/articles/eco-dyno-hours */
export interface EcoQuota {
  account_quota: number;
  quota_used: number;
  apps: { app_uuid: string; quota_used: number }[];
}

/** 1,000 hours a month, as Heroku gives; here they are counted, not enforced. */
const ECO_SECONDS_A_MONTH = 1000 * 60 * 60;

/** How long the Eco dynos of the account's own apps have been awake in this month (UTC). */
export async function readEcoQuota(ctx: Platform, accountId: string): Promise<EcoQuota> {
  const now = ctx.clock.now();
  const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1));
  const from = sql`greatest(dynos.created_at, ${month}::timestamptz)`;
  const until = sql`case when state in ('down', 'crashed') then dynos.updated_at else ${now}::timestamptz end`;
  // What an app sleeps is not counted; its one-off dynos are, they do not sleep with it.
  const asleep = sql`case when kind <> 'formation' then 0 else (
    select coalesce(sum(extract(epoch from greatest(interval '0',
      least(coalesce(ended_at, ${now}::timestamptz), ${until}) - greatest(began_at, ${from})))), 0)
    from sleeps where sleeps.app_id = dynos.app_id and began_at < ${until} and coalesce(ended_at, ${now}::timestamptz) > ${from}) end`;
  const seconds = sql<number>`coalesce(sum(greatest(0, extract(epoch from ${until} - ${from}) - ${asleep})), 0)::float8`;
  const rows = await ctx.db
    .selectFrom("dynos")
    .innerJoin("apps", "apps.id", "dynos.app_id")
    .select(["dynos.app_id", seconds.as("seconds")])
    .where("apps.owner_id", "=", accountId)
    .where("size", "=", "Eco")
    .where((is) => is.or([is("state", "not in", ["down", "crashed"]), is("dynos.updated_at", ">", month)]))
    .groupBy("dynos.app_id")
    .execute();
  const apps = rows.map((row) => ({ app_uuid: row.app_id, quota_used: Math.max(0, Math.round(row.seconds)) }));
  return {
    account_quota: ECO_SECONDS_A_MONTH,
    quota_used: apps.reduce((sum, app) => sum + app.quota_used, 0),
    apps,
  };
}
