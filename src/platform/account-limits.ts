import { isId } from "../kernel/ids.ts";
import type { Platform } from "./context.ts";
import { countDynos } from "./dyno-limit.ts";
import { type Identity, mustBeAdmin } from "./identity.ts";
import { readEcoQuota } from "./quota.ts";
import { invalid, notFound } from "./refusals.ts";

/** What an account may use, and what of it is used. */
export interface AccountLimits {
  account: { id: string; email: string };
  dynos: number;
  eco_hours: number;
  eco_hours_used: number;
  max_dynos: number;
}

const MAX_ECO_HOURS = 1_000_000;
const MAX_DYNOS = 100_000;

/** The limits of one's own account, or for administrators of any, by id or e-mail address. */
export async function readAccountLimits(ctx: Platform, identity: Identity, idOrEmail: string): Promise<AccountLimits> {
  const own = idOrEmail === "~" || idOrEmail === identity.accountId || idOrEmail.toLowerCase() === identity.email;
  if (!own) mustBeAdmin(identity);
  const wanted = own ? identity.accountId : idOrEmail.toLowerCase();
  const row = await ctx.db
    .selectFrom("accounts")
    .select(["id", "email", "eco_hours", "max_dynos"])
    .where(isId(wanted) ? "id" : "email", "=", wanted)
    .executeTakeFirst();
  if (row === undefined) throw notFound("account");
  const [dynos, quota] = await Promise.all([countDynos(ctx.db, row.id), readEcoQuota(ctx, row.id)]);
  return {
    account: { id: row.id, email: row.email },
    dynos,
    eco_hours: row.eco_hours,
    eco_hours_used: Math.round(quota.quota_used / 36) / 100,
    max_dynos: row.max_dynos,
  };
}

/** Gives an account other limits: for administrators. What is over a lower limit of dynos goes on. */
export async function setAccountLimits(
  ctx: Platform,
  identity: Identity,
  idOrEmail: string,
  wish: { eco_hours?: number | undefined; max_dynos?: number | undefined },
): Promise<AccountLimits> {
  mustBeAdmin(identity);
  const { account } = await readAccountLimits(ctx, identity, idOrEmail);
  const { eco_hours, max_dynos } = wish;
  for (const [name, value, most] of [
    ["eco_hours", eco_hours, MAX_ECO_HOURS] as const,
    ["max_dynos", max_dynos, MAX_DYNOS] as const,
  ]) {
    if (value !== undefined && (value < 0 || value > most)) throw invalid(`${name} is ${value}: it must be from 0 to ${most}.`);
  }
  const values = { ...(eco_hours === undefined ? {} : { eco_hours }), ...(max_dynos === undefined ? {} : { max_dynos }) };
  if (Object.keys(values).length > 0) await ctx.db.updateTable("accounts").set(values).where("id", "=", account.id).execute();
  return await readAccountLimits(ctx, identity, account.id);
}
