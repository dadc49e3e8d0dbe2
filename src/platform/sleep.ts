import { newId } from "../kernel/ids.ts";
import type { Platform } from "./context.ts";
import type { FormationRow } from "./formation.ts";
import { WEB } from "./process-type.ts";

/** Since when the app sleeps; null: it is awake. https://devcenter.heroku.com/articles/eco-dyno-hours#dyno-sleeping */
export async function sleepingSince(ctx: Platform, appId: string): Promise<Date | null> {
  const row = await ctx.db
    .selectFrom("sleeps")
    .select("began_at")
    .where("app_id", "=", appId)
    .where("ended_at", "is", null)
    .executeTakeFirst();
  return row?.began_at ?? null;
}

/** Whether the app sleeps when nobody asks for it: its web dynos are of a size that does. Apps without web dynos never sleep. */
export function maySleep(ctx: Platform, formation: readonly FormationRow[]): boolean {
  return formation.some(({ type, quantity, size }) => type === WEB && quantity > 0 && ctx.sizes.mustFind(size).sleeps);
}

/** The app sleeps from now on. Nothing happens when it does already. */
export async function beginSleep(ctx: Platform, appId: string): Promise<void> {
  await ctx.db
    .insertInto("sleeps")
    .values({ id: newId(), app_id: appId, began_at: ctx.clock.now(), wake_milliseconds: null })
    .onConflict((conflict) => conflict.column("app_id").where("ended_at", "is", null).doNothing())
    .execute();
}

/** Ends the app's sleep; false when it was awake. */
export async function endSleep(ctx: Platform, appId: string): Promise<boolean> {
  const result = await ctx.db
    .updateTable("sleeps")
    .set({ ended_at: ctx.clock.now() })
    .where("app_id", "=", appId)
    .where("ended_at", "is", null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** A wake that takes longer is none: the app crashed, or was scaled to nothing meanwhile. */
const LONGEST_WAKE_MILLISECONDS = 5 * 60_000;

/** The app's web dyno can answer again: how long that took since the last sleep ended is kept for the app's metrics. */
export async function keepWakeTime(ctx: Platform, appId: string): Promise<void> {
  const row = await ctx.db
    .selectFrom("sleeps")
    .select(["id", "ended_at", "wake_milliseconds"])
    .where("app_id", "=", appId)
    .where("ended_at", "is not", null)
    .orderBy("ended_at", "desc")
    .limit(1)
    .executeTakeFirst();
  if (row === undefined || row.ended_at === null || row.wake_milliseconds !== null) return;
  const milliseconds = ctx.clock.now().getTime() - row.ended_at.getTime();
  if (milliseconds > LONGEST_WAKE_MILLISECONDS) return;
  await ctx.db.updateTable("sleeps").set({ wake_milliseconds: milliseconds }).where("id", "=", row.id).execute();
}
