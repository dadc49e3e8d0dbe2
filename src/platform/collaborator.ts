import type { Selectable } from "kysely";
import type { Collaborator } from "../contract/collaborator.ts";
import { isId, newId } from "../kernel/ids.ts";
import { Refusal } from "../kernel/refusal.ts";
import type { FoundApp } from "./access.ts";
import type { Platform } from "./context.ts";
import type { Collaborators } from "./database/tables.ts";
import type { Identity } from "./identity.ts";
import { invalid, isDuplicate, notFound } from "./refusals.ts";

type CollaboratorRow = Selectable<Collaborators> & { email: string };

/** What a role may do, in the words of Heroku's permissions: https://devcenter.heroku.com/articles/app-permissions */
export const PERMISSIONS = {
  deploy: "Can deploy the app and use its git repository",
  manage: "Can manage the app: rename it, share it, delete it",
  operate: "Can scale, restart and configure the app",
  view: "Can view the app",
} as const;

export function collaboratorResource(app: FoundApp, row: CollaboratorRow): Collaborator {
  const names = Object.entries(PERMISSIONS).filter(([name]) => name !== "manage" || row.role === "owner");
  return {
    app: { id: app.id, name: app.name },
    created_at: row.created_at.toISOString(),
    id: row.id,
    permissions: names.map(([name, description]) => ({ name, description })),
    role: row.role,
    updated_at: row.updated_at.toISOString(),
    user: { email: row.email, federated: false, id: row.account_id },
  };
}

/** Everybody with a right to the app, the owner included, by e-mail. */
export async function listCollaborators(ctx: Platform, appId: string): Promise<CollaboratorRow[]> {
  return await ctx.db
    .selectFrom("collaborators")
    .innerJoin("accounts", "accounts.id", "collaborators.account_id")
    .selectAll("collaborators")
    .select("accounts.email")
    .where("app_id", "=", appId)
    .orderBy("accounts.email")
    .execute();
}

/** A collaborator by e-mail, account id or its own id; `~` is whoever asks. */
export async function findCollaborator(ctx: Platform, identity: Identity, appId: string, key: string): Promise<CollaboratorRow> {
  const wanted = key === "~" ? identity.accountId : key.toLowerCase();
  const rows = await listCollaborators(ctx, appId);
  const row = rows.find(({ id, account_id, email }) => [id, account_id, email].includes(wanted));
  if (row === undefined) throw notFound("collaborator");
  return row;
}

/** Gives an account the right to the app. It must exist: this platform sends no invitations. */
export async function addCollaborator(ctx: Platform, app: FoundApp, user: string): Promise<CollaboratorRow> {
  const account = await ctx.db
    .selectFrom("accounts")
    .select(["id", "email"])
    .where(isId(user) ? "id" : "email", "=", user.trim().toLowerCase())
    .executeTakeFirst();
  if (account === undefined) throw invalid(`There is no account ${user} on this platform: it must exist before it can be added.`);
  const now = ctx.clock.now();
  try {
    const row = await ctx.db
      .insertInto("collaborators")
      .values({ id: newId(), app_id: app.id, account_id: account.id, role: "collaborator", created_at: now, updated_at: now })
      .returningAll()
      .executeTakeFirstOrThrow();
    return { ...row, email: account.email };
  } catch (error) {
    if (isDuplicate(error)) throw invalid(`User ${account.email} is already a collaborator on this app.`);
    throw error;
  }
}

/** Takes the right away; anyone may leave, only the owner may send others away. */
export async function removeCollaborator(
  ctx: Platform,
  identity: Identity,
  app: FoundApp,
  key: string,
): Promise<CollaboratorRow> {
  const row = await findCollaborator(ctx, identity, app.id, key);
  const leaves = row.account_id === identity.accountId;
  if (!leaves && app.owner_id !== identity.accountId && !identity.isAdmin) {
    throw new Refusal("forbidden", `Only the owner of ${app.name} may do that.`, { resource: "app" });
  }
  if (row.role === "owner") throw invalid("The owner of an app cannot be removed from it.");
  await ctx.db.deleteFrom("collaborators").where("id", "=", row.id).execute();
  return row;
}
