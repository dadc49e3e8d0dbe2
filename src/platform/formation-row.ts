import { sql } from "kysely";
import type { Queryable } from "../kernel/database.ts";
import { newId } from "../kernel/ids.ts";
import type { Platform } from "./context.ts";
import type { Tables } from "./database/tables.ts";
import { DEFAULT_SIZE } from "./dyno-size.ts";
import { firstQuantity, type ProcessTypes } from "./process-type.ts";

/**
 * Gives each process type of a slug that becomes current its row: new types start with their first quantity and the size that the app
 * uses, known ones keep quantity and size. Types that are gone keep their row for when they come back.
 */
export async function adoptProcessTypes(
  ctx: Platform,
  trx: Queryable<Tables>,
  appId: string,
  types: ProcessTypes,
): Promise<void> {
  const entries = Object.entries(types);
  if (entries.length === 0) return;
  const now = ctx.clock.now();
  const known = await trx.selectFrom("formations").select(["type", "size", "command"]).where("app_id", "=", appId).execute();
  const commands = new Map(known.map((row) => [row.type, row.command]));
  const changed = entries.filter(([type, command]) => commands.get(type) !== command);
  if (changed.length === 0) return;
  const size = known.find((row) => row.type === "web")?.size ?? known[0]?.size ?? DEFAULT_SIZE;
  await trx
    .insertInto("formations")
    .values(
      changed.map(([type, command]) => ({
        id: newId(),
        app_id: appId,
        type,
        quantity: firstQuantity(type),
        size,
        command,
        created_at: now,
        updated_at: now,
      })),
    )
    .onConflict((conflict) =>
      conflict.columns(["app_id", "type"]).doUpdateSet({ command: sql`excluded.command`, updated_at: now }),
    )
    .execute();
}
