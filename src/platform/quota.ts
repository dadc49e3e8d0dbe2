import { sql } from "kysely";
import type { Platform } from "./context.ts";

/** Eco dyno hours of an account, in seconds: https://devcenter.heroku.com/articles/eco-dyno-hours */
export interface EcoQuota {
  account_quota: number;
  quota_used: number;
  apps: { app_uuid: string; quota_used: number }[];
}

const SECONDS_PER_HOUR = 60 * 60;
/** How long an answer is good for: counting takes a query over all dynos of the account. */
const FRESH_MILLISECONDS = 60_000;

/** Which accounts have used up their Eco hours: counted a minute ago at most. */
export class EcoPools {
  readonly #ctx: Platform;
  readonly #known = new Map<string, { at: number; isExhausted: Promise<boolean> }>();

  constructor(ctx: Platform) {
    this.#ctx = ctx;
  }

  async isExhausted(accountId: string): Promise<boolean> {
    const now = this.#ctx.clock.now().getTime();
    const known = this.#known.get(accountId);
    if (known !== undefined && now - known.at < FRESH_MILLISECONDS) return await known.isExhausted;
    const isExhausted = hasUsedUp(this.#ctx, accountId);
    this.#known.set(accountId, { at: now, isExhausted });
    // A failure is nothing to remember.
    isExhausted.catch(() => this.#known.delete(accountId));
    return await isExhausted;
  }
}

/** Whether none of this month's Eco hours of the account is left. */
export async function hasUsedUp(ctx: Platform, accountId: string): Promise<boolean> {
  const { account_quota, quota_used } = await readEcoQuota(ctx, accountId);
  return quota_used >= account_quota;
}

/** How long the Eco dynos of the account's own apps have been awake in this month (UTC). */
export async function readEcoQuota(ctx: Platform, accountId: string): Promise<EcoQuota> {
  const now = ctx.clock.now();
  const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1));
  const eco = ctx.sizes
    .list()
    .filter(({ tier }) => tier === "eco")
    .map(({ name }) => name);
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
    .where("size", "in", eco.length === 0 ? [""] : eco)
    .where((is) => is.or([is("state", "not in", ["down", "crashed"]), is("dynos.updated_at", ">", month)]))
    .groupBy("dynos.app_id")
    .execute();
  const apps = rows.map((row) => ({ app_uuid: row.app_id, quota_used: Math.max(0, Math.round(row.seconds)) }));
  const account = await ctx.db.selectFrom("accounts").select("eco_hours").where("id", "=", accountId).executeTakeFirstOrThrow();
  return {
    account_quota: account.eco_hours * SECONDS_PER_HOUR,
    quota_used: apps.reduce((sum, app) => sum + app.quota_used, 0),
    apps,
  };
}

/** Whether dynos of the formation are counted. */
export function usesEcoHours(ctx: Platform, formation: readonly { quantity: number; size: string }[]): boolean {
  return formation.some(({ quantity, size }) => quantity > 0 && ctx.sizes.find(size)?.tier === "eco");
}
