import type { Selectable, Transaction } from "kysely";
import type { Platform } from "./context.ts";
import type { Apps, Tables } from "./database/tables.ts";
import { notFound } from "./refusals.ts";

/** Who does something: an account. */
export interface Actor {
  accountId: string;
  email: string;
}

/** An open transaction that holds the lock on the app's row. */
export interface AppChange {
  trx: Transaction<Tables>;
  app: Selectable<Apps>;
  /** A line for the app's log (`app[api]`), written once the transaction is committed. */
  say(message: string): void;
}

/**
 * Changes an app: one change at a time, so that releases are numbered without gaps and quantities add up. The log lines and the wish
 * to reconcile go out after the commit, and not at all when `work` throws. Refuses when the app is gone.
 */
export async function changeApp<Result>(
  ctx: Platform,
  appId: string,
  work: (change: AppChange) => Promise<Result>,
): Promise<Result> {
  const lines: string[] = [];
  const result = await ctx.db.transaction().execute(async (trx) => {
    const app = await trx.selectFrom("apps").selectAll().where("id", "=", appId).forUpdate().executeTakeFirst();
    if (app === undefined) throw notFound("app");
    return await work({ trx, app, say: (message) => lines.push(message) });
  });
  for (const message of lines) ctx.events.log({ app_id: appId, source: "app", process: "api", message });
  ctx.events.appChanged(appId);
  return result;
}
