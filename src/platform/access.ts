import { type Selectable, sql } from "kysely";
import { isId } from "../kernel/ids.ts";
import { Refusal } from "../kernel/refusal.ts";
import type { Platform } from "./context.ts";
import type { Apps } from "./database/tables.ts";
import type { Identity } from "./identity.ts";
import { notFound } from "./refusals.ts";

export type AppRow = Selectable<Apps>;

/** An app as the API finds it: its row, its owner's e-mail address and the dyno sizes of its formation. */
export type FoundApp = AppRow & { owner_email: string; sizes: string[] };

/** The dyno sizes in use, as a column of a query over `apps`. */
export const formationSizes = sql<string[]>`array(select distinct size from formations where formations.app_id = apps.id)`.as(
  "sizes",
);

/**
 * `use`: see, deploy, configure, scale, as every collaborator may. `own`: what Heroku leaves to the owner: delete, rename, share.
 * https://devcenter.heroku.com/articles/collaborating
 */
export type Access = "use" | "own";

/** The app of that name or id, if `identity` has the right to it: owner, collaborator (`use` only) or admin. */
export async function findApp(ctx: Platform, nameOrId: string, identity: Identity, access: Access = "use"): Promise<FoundApp> {
  const row = await ctx.db
    .selectFrom("apps")
    .innerJoin("accounts", "accounts.id", "apps.owner_id")
    .leftJoin("collaborators", (join) =>
      join.onRef("collaborators.app_id", "=", "apps.id").on("collaborators.account_id", "=", identity.accountId),
    )
    .selectAll("apps")
    .select(["accounts.email as owner_email", "collaborators.id as collaborator_id", formationSizes])
    .where(isId(nameOrId) ? "apps.id" : "apps.name", "=", nameOrId)
    .executeTakeFirst();
  if (row === undefined) throw notFound("app");
  const { collaborator_id, ...app } = row;
  if (app.owner_id === identity.accountId || identity.isAdmin) return app;
  if (collaborator_id === null) {
    throw new Refusal("forbidden", `You do not have access to the app ${app.name}.`, { resource: "app" });
  }
  if (access === "own") {
    throw new Refusal("forbidden", `Only the owner of ${app.name} may do that.`, { resource: "app" });
  }
  return app;
}
