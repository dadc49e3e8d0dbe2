import type { Selectable } from "kysely";
import { type Authorization, SCOPES } from "../contract/authorization.ts";
import { isId, newId, newToken, tokenDigest } from "../kernel/ids.ts";
import { Secret } from "../kernel/secret.ts";
import type { Platform } from "./context.ts";
import type { Authorizations } from "./database/tables.ts";
import type { Identity } from "./identity.ts";
import { invalid, notFound } from "./refusals.ts";

type AuthorizationRow = Selectable<Authorizations>;

/** An authorization with the account it belongs to, and the token while it may still be shown. */
interface Granted {
  row: AuthorizationRow;
  email: string;
  name: string | null;
  token: Secret | null;
}

/** Tokens of `heroku login` live 30 days, as on Heroku: https://devcenter.heroku.com/articles/authentication#token-storage */
export const LOGIN_SECONDS = 30 * 24 * 3600;
const LONGEST_SECONDS = 10 * 365 * 24 * 3600;
const TOKEN_BYTES = 32;
/** What listings show of a token: enough to recognise one's own, far too little to guess the rest. */
const SHOWN_PREFIX = 9;
const SHOWN_SUFFIX = 4;
/** The CLI's logout compares what is before and after ten asterisks with its own token. */
const ASTERISKS = "*".repeat(10);

/** The authorization as the API shows it: the token in full only right after it was made. */
export function authorizationResource(granted: Granted, now: Date): Authorization {
  const { row, email, name, token } = granted;
  const left = row.expires_at === null ? null : Math.max(Math.floor((row.expires_at.getTime() - now.getTime()) / 1000), 0);
  const shown = token === null ? `${row.token_prefix}${ASTERISKS}${row.token_suffix}` : token.reveal();
  return {
    access_token: { expires_in: left, id: row.id, token: shown },
    client: null,
    created_at: row.created_at.toISOString(),
    description: row.description,
    grant: null,
    id: row.id,
    refresh_token: null,
    scope: row.scope,
    session: null,
    updated_at: row.updated_at.toISOString(),
    user: { id: row.account_id, email, full_name: name },
  };
}

/** Makes a token for the account. `expiresIn` in seconds; null: it does not expire. */
export async function createAuthorization(
  ctx: Platform,
  identity: Identity,
  wish: { description: string; scope: string[]; expiresIn: number | null },
): Promise<Granted> {
  const { description, scope, expiresIn } = wish;
  const unknown = scope.find((name) => !(SCOPES as readonly string[]).includes(name));
  if (unknown !== undefined) throw invalid(`The scope ${unknown} does not exist. The scopes are: ${SCOPES.join(", ")}.`);
  if (expiresIn !== null && (expiresIn < 1 || expiresIn > LONGEST_SECONDS)) {
    throw invalid(`expires_in must be from 1 to ${LONGEST_SECONDS} seconds.`);
  }
  const now = ctx.clock.now();
  await ctx.db.deleteFrom("authorizations").where("account_id", "=", identity.accountId).where("expires_at", "<=", now).execute();
  const { token, columns } = makeToken();
  const row = await ctx.db
    .insertInto("authorizations")
    .values({
      id: newId(),
      account_id: identity.accountId,
      description,
      scope: JSON.stringify(scope),
      ...columns,
      client_id: null,
      expires_at: expiresIn === null ? null : new Date(now.getTime() + expiresIn * 1000),
      created_at: now,
      updated_at: now,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  return await withAccount(ctx, row, token);
}

/** The account's authorizations that have not expired, oldest first. */
export async function listAuthorizations(ctx: Platform, identity: Identity): Promise<Granted[]> {
  const rows = await ctx.db
    .selectFrom("authorizations")
    .innerJoin("accounts", "accounts.id", "authorizations.account_id")
    .selectAll("authorizations")
    .select(["accounts.email", "accounts.name"])
    .where("account_id", "=", identity.accountId)
    .where((where) => where.or([where("expires_at", "is", null), where("expires_at", ">", ctx.clock.now())]))
    .orderBy("authorizations.created_at")
    .execute();
  return rows.map(({ email, name, ...row }) => ({ row, email, name, token: null }));
}

/** One of the account's own. There is no default one (`~`): every token was made by a login or by name. */
export async function findAuthorization(ctx: Platform, identity: Identity, id: string): Promise<Granted> {
  const all = isId(id) ? await listAuthorizations(ctx, identity) : [];
  const found = all.find((granted) => granted.row.id === id.toLowerCase());
  if (found === undefined) throw notFound("authorization");
  return found;
}

/** Ends the token at once. */
export async function deleteAuthorization(ctx: Platform, identity: Identity, id: string): Promise<Granted> {
  const found = await findAuthorization(ctx, identity, id);
  await ctx.db.deleteFrom("authorizations").where("id", "=", found.row.id).execute();
  return found;
}

export async function describeAuthorization(
  ctx: Platform,
  identity: Identity,
  id: string,
  description: string | undefined,
): Promise<Granted> {
  const found = await findAuthorization(ctx, identity, id);
  if (description === undefined) return found;
  const updated_at = ctx.clock.now();
  await ctx.db.updateTable("authorizations").set({ description, updated_at }).where("id", "=", found.row.id).execute();
  return { ...found, row: { ...found.row, description, updated_at } };
}

/** Replaces the token by a new one, which is shown; the old one ends at once. */
export async function regenerateToken(ctx: Platform, identity: Identity, id: string): Promise<Granted> {
  const found = await findAuthorization(ctx, identity, id);
  const { token, columns } = makeToken();
  const updated_at = ctx.clock.now();
  await ctx.db
    .updateTable("authorizations")
    .set({ ...columns, updated_at })
    .where("id", "=", found.row.id)
    .execute();
  return { ...found, row: { ...found.row, ...columns, updated_at }, token };
}

function makeToken(): { token: Secret; columns: { token_digest: Buffer; token_prefix: string; token_suffix: string } } {
  const token = `HRKU-${newToken(TOKEN_BYTES)}`;
  const columns = {
    token_digest: tokenDigest(token),
    token_prefix: token.slice(0, SHOWN_PREFIX),
    token_suffix: token.slice(-SHOWN_SUFFIX),
  };
  return { token: new Secret(token), columns };
}

async function withAccount(ctx: Platform, row: AuthorizationRow, token: Secret | null): Promise<Granted> {
  const account = await ctx.db
    .selectFrom("accounts")
    .select(["email", "name"])
    .where("id", "=", row.account_id)
    .executeTakeFirstOrThrow();
  return { row, ...account, token };
}
