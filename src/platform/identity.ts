import { tokenDigest } from "../kernel/ids.ts";
import { Refusal } from "../kernel/refusal.ts";
import type { Platform } from "./context.ts";
import { notFound } from "./refusals.ts";

/** Refuses what is the operator's affair. */
export function mustBeAdmin(identity: Identity): void {
  if (!identity.isAdmin) throw new Refusal("forbidden", "Only an administrator of this platform may do that.");
}

/** Who asks: the account behind a request and the authorization it came with. */
export interface Identity {
  accountId: string;
  email: string;
  isAdmin: boolean;
  /** What the token may do: https://devcenter.heroku.com/articles/oauth#scopes */
  scope: string[];
  /** Null when somebody signed in with a password, or acts inside the platform. */
  authorizationId: string | null;
}

/** The identity behind an API token; null when the token is unknown or expired. */
export async function authenticateToken(ctx: Platform, token: string): Promise<Identity | null> {
  const row = await ctx.db
    .selectFrom("authorizations")
    .innerJoin("accounts", "accounts.id", "authorizations.account_id")
    .select([
      "accounts.id",
      "accounts.email",
      "accounts.is_admin",
      "authorizations.id as authorization_id",
      "scope",
      "expires_at",
    ])
    .where("token_digest", "=", tokenDigest(token))
    .executeTakeFirst();
  if (row === undefined) return null;
  if (row.expires_at !== null && row.expires_at <= ctx.clock.now()) return null;
  return { accountId: row.id, email: row.email, isAdmin: row.is_admin, scope: row.scope, authorizationId: row.authorization_id };
}

/** The identity of a known account, for rooms that have authenticated it already (git). Refuses an unknown id. */
export async function identityOf(ctx: Platform, accountId: string): Promise<Identity> {
  const row = await ctx.db
    .selectFrom("accounts")
    .select(["id", "email", "is_admin"])
    .where("id", "=", accountId)
    .executeTakeFirst();
  if (row === undefined) throw notFound("account");
  return { accountId: row.id, email: row.email, isAdmin: row.is_admin, scope: ["global"], authorizationId: null };
}
