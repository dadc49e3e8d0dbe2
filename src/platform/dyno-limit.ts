import type { Queryable } from "../kernel/database.ts";
import type { Tables } from "./database/tables.ts";
import { invalid } from "./refusals.ts";

/**
 * Refuses `more` dynos when the account has as many as it may: those its apps are scaled to, and one-off dynos. Call it in a
 * transaction: the account's row is locked until its end, so that two requests cannot both take the last place.
 */
export async function checkDynoLimit(trx: Queryable<Tables>, accountId: string, more: number): Promise<void> {
  if (more <= 0) return;
  const { max_dynos } = await trx
    .selectFrom("accounts")
    .select("max_dynos")
    .where("id", "=", accountId)
    .forUpdate()
    .executeTakeFirstOrThrow();
  const count = await countDynos(trx, accountId);
  if (count + more <= max_dynos) return;
  throw invalid(
    `You've reached the limit of ${max_dynos} dynos for your account: its apps have ${count}. Scale some of them down, or ask the operator for more.`,
  );
}

/** What the apps of the account are scaled to, and their one-off dynos. */
export async function countDynos(db: Queryable<Tables>, accountId: string): Promise<number> {
  const scaled = await db
    .selectFrom("formations")
    .innerJoin("apps", "apps.id", "formations.app_id")
    .select(({ fn }) => fn.sum<number | null>("quantity").as("count"))
    .where("apps.owner_id", "=", accountId)
    .executeTakeFirstOrThrow();
  const oneOff = await db
    .selectFrom("dynos")
    .innerJoin("apps", "apps.id", "dynos.app_id")
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .where("apps.owner_id", "=", accountId)
    .where("kind", "=", "one-off")
    .where("state", "<>", "down")
    .executeTakeFirstOrThrow();
  return Number(scaled.count ?? 0) + Number(oneOff.count);
}
