import type { Selectable } from "kysely";
import type { Account, AccountUpdate } from "../contract/account.ts";
import { newId } from "../kernel/ids.ts";
import { Secret } from "../kernel/secret.ts";
import type { Platform } from "./context.ts";
import type { Accounts } from "./database/tables.ts";
import type { Identity } from "./identity.ts";
import { hashPassword, verifyPassword } from "./password.ts";
import { invalid, notFound } from "./refusals.ts";

export type AccountRow = Selectable<Accounts>;

const MIN_PASSWORD_LENGTH = 8;
const MAX_PASSWORD_LENGTH = 1024;

/** The account as the API shows it. */
export function accountResource(row: AccountRow): Account {
  return {
    allow_tracking: false,
    beta: false,
    country_of_residence: null,
    created_at: row.created_at.toISOString(),
    default_organization: null,
    default_team: null,
    delinquent_at: null,
    email: row.email,
    federated: false,
    id: row.id,
    identity_provider: null,
    last_login: row.last_login?.toISOString() ?? null,
    name: row.name,
    sms_number: null,
    suspended_at: null,
    two_factor_authentication: false,
    updated_at: row.updated_at.toISOString(),
    verified: true,
  };
}

export async function getAccount(ctx: Platform, accountId: string): Promise<AccountRow> {
  const row = await ctx.db.selectFrom("accounts").selectAll().where("id", "=", accountId).executeTakeFirst();
  if (row === undefined) throw notFound("account");
  return row;
}

/** Makes an account; the e-mail address is kept in lower case. */
async function createAccount(ctx: Platform, account: { email: string; password: Secret; isAdmin: boolean }): Promise<AccountRow> {
  const now = ctx.clock.now();
  return await ctx.db
    .insertInto("accounts")
    .values({
      id: newId(),
      email: account.email.toLowerCase(),
      name: null,
      password_hash: await hashPassword(account.password),
      is_admin: account.isAdmin,
      created_at: now,
      updated_at: now,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
}

/**
 * Sees to it that the operator's account exists and is an admin; true when this call has made it. A chosen password is set also on an
 * account that is there already; a made-up one only on a new account, whose owner is then shown it.
 */
export async function ensureAdmin(
  ctx: Platform,
  admin: { email: string; password: Secret; isChosen: boolean },
): Promise<boolean> {
  const { password } = admin;
  const email = admin.email.toLowerCase();
  const existing = await ctx.db.selectFrom("accounts").selectAll().where("email", "=", email).executeTakeFirst();
  if (existing === undefined) {
    await createAccount(ctx, { email, password, isAdmin: true });
    return true;
  }
  const changed = admin.isChosen && !(await verifyPassword(password, existing.password_hash));
  if (changed || !existing.is_admin) {
    await ctx.db
      .updateTable("accounts")
      .set({ is_admin: true, updated_at: ctx.clock.now(), ...(changed ? { password_hash: await hashPassword(password) } : {}) })
      .where("id", "=", existing.id)
      .execute();
  }
  return false;
}

/** The identity behind an e-mail address and a password; null when they do not fit, in the same time for unknown addresses. */
export async function signIn(ctx: Platform, email: string, password: Secret): Promise<Identity | null> {
  const row = await ctx.db.selectFrom("accounts").selectAll().where("email", "=", email.trim().toLowerCase()).executeTakeFirst();
  const fits = await verifyPassword(password, row?.password_hash ?? null);
  if (row === undefined || !fits) return null;
  await ctx.db.updateTable("accounts").set({ last_login: ctx.clock.now() }).where("id", "=", row.id).execute();
  return { accountId: row.id, email: row.email, isAdmin: row.is_admin, scope: ["global"], authorizationId: null };
}

/** Changes name or password; a new password ends every session of the account but the one that asks. */
export async function updateAccount(ctx: Platform, identity: Identity, update: AccountUpdate): Promise<AccountRow> {
  const account = await getAccount(ctx, identity.accountId);
  const passwordHash = await newPasswordHash(account, update);
  return await ctx.db.transaction().execute(async (trx) => {
    if (passwordHash !== null) {
      await trx
        .deleteFrom("authorizations")
        .where("account_id", "=", account.id)
        .where("id", "is distinct from", identity.authorizationId)
        .execute();
    }
    return await trx
      .updateTable("accounts")
      .set({
        updated_at: ctx.clock.now(),
        ...(update.name === undefined ? {} : { name: update.name }),
        ...(passwordHash === null ? {} : { password_hash: passwordHash }),
      })
      .where("id", "=", account.id)
      .returningAll()
      .executeTakeFirstOrThrow();
  });
}

async function newPasswordHash(account: AccountRow, update: AccountUpdate): Promise<string | null> {
  if (update.new_password === undefined) return null;
  const { length } = update.new_password;
  if (length < MIN_PASSWORD_LENGTH || length > MAX_PASSWORD_LENGTH) {
    throw invalid(`The new password must have ${MIN_PASSWORD_LENGTH} to ${MAX_PASSWORD_LENGTH} characters.`);
  }
  const present = new Secret(update.password ?? "");
  if (!(await verifyPassword(present, account.password_hash))) throw invalid("The present password is not right.");
  return await hashPassword(new Secret(update.new_password));
}
