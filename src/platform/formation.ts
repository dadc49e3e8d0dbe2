import { type Selectable, sql } from "kysely";
import type { Formation } from "../contract/formation.ts";
import type { Queryable } from "../kernel/database.ts";
import { Refusal } from "../kernel/refusal.ts";
import { type Actor, changeApp } from "./change.ts";
import type { Platform } from "./context.ts";
import type { Formations, Tables } from "./database/tables.ts";
import { checkDynoLimit } from "./dyno-limit.ts";
import type { DynoSize, DynoSizes } from "./dyno-size.ts";
import { RELEASE } from "./process-type.ts";
import { invalid } from "./refusals.ts";

/** How many dynos of a process type run, and of what size: https://devcenter.heroku.com/articles/scaling#dyno-formation */
export type FormationRow = Selectable<Formations>;

export interface FormationUpdate {
  /** Process type or id of its row. */
  type: string;
  /** `2`, `"2"`; `"+1"` and `"-1"` are relative. */
  quantity?: number | string;
  /** Name or id of a dyno size, in any case. */
  size?: string;
}

/** The process type as the API shows it. */
export function formationResource(ctx: Platform, app: { id: string; name: string }, row: FormationRow): Formation {
  const size = ctx.sizes.mustFind(row.size);
  return {
    app: { id: app.id, name: app.name },
    command: row.command,
    created_at: row.created_at.toISOString(),
    dyno_size: { id: size.id, name: size.name },
    id: row.id,
    quantity: row.quantity,
    size: size.name,
    type: row.type,
    updated_at: row.updated_at.toISOString(),
  };
}

/** Beyond this a quantity is a typing error, whatever the size. */
const MAX_QUANTITY_DIGITS = 6;

/** The process types that the current release's slug declares. */
export async function listFormation(db: Queryable<Tables>, appId: string): Promise<FormationRow[]> {
  return await db
    .selectFrom("formations")
    .innerJoin("releases", (join) => join.onRef("releases.app_id", "=", "formations.app_id").on("releases.current", "=", true))
    .innerJoin("slugs", "slugs.id", "releases.slug_id")
    .selectAll("formations")
    .where("formations.app_id", "=", appId)
    .where(sql<boolean>`slugs.process_types ? formations.type`)
    .orderBy("formations.type")
    .execute();
}

/** One process type by name or id; refuses one that the current slug does not declare. */
export async function findFormation(db: Queryable<Tables>, appId: string, typeOrId: string): Promise<FormationRow> {
  return pick(await listFormation(db, appId), typeOrId);
}

/** Scales and resizes, all of it or nothing; answers with the whole formation. Logs `Scaled to web@2:Standard-1X by user …`. */
export async function updateFormation(
  ctx: Platform,
  appId: string,
  actor: Actor,
  updates: readonly FormationUpdate[],
): Promise<FormationRow[]> {
  return await changeApp(ctx, appId, async ({ trx, app, say }) => {
    const before = await listFormation(trx, appId);
    const after = applyUpdates(ctx.sizes, before, updates);
    await checkDynoLimit(trx, app.owner_id, sumOf(after) - sumOf(before));
    const now = ctx.clock.now();
    const changed = after.filter((row, index) => row.quantity !== before[index]?.quantity || row.size !== before[index]?.size);
    for (const row of changed) {
      const { quantity, size } = row;
      await trx.updateTable("formations").set({ quantity, size, updated_at: now }).where("id", "=", row.id).execute();
      row.updated_at = now;
    }
    if (changed.length > 0) {
      const scaled = changed.map((row) => `${row.type}@${row.quantity}:${row.size}`).join(" ");
      say(`Scaled to ${scaled} by user ${actor.email}`);
    }
    return after;
  });
}

/**
 * The formation after the updates, in the same order; refuses what the sizes do not allow. A change to another tier takes the types
 * along that ran nothing and were given no size of their own, since they could not be scaled up beside it.
 */
export function applyUpdates(
  sizes: DynoSizes,
  formation: readonly FormationRow[],
  updates: readonly FormationUpdate[],
): FormationRow[] {
  const after = formation.map((row) => Object.assign({}, row));
  const touched = new Set<FormationRow>();
  const resized = new Set<FormationRow>();
  for (const update of updates) {
    const row = pick(after, update.type);
    touched.add(row);
    if (update.size !== undefined) {
      row.size = sizes.mustFind(update.size).name;
      resized.add(row);
    }
    if (update.quantity !== undefined) row.quantity = newQuantity(row, update.quantity);
  }
  const [leader] = resized;
  if (leader !== undefined) {
    const fixed = after.filter((row, index) => resized.has(row) || (formation[index]?.quantity ?? 0) > 0);
    alignTiers(sizes, after, new Set(fixed), sizes.mustFind(leader.size));
  }
  for (const row of touched) checkQuantity(row, sizes.mustFind(row.size));
  return after;
}

function pick(formation: FormationRow[], typeOrId: string): FormationRow {
  const row = formation.find(({ id, type }) => type === typeOrId || id === typeOrId);
  if (row !== undefined) return row;
  const types = formation.map(({ type }) => type).join(", ");
  const known = types === "" ? "Deploy the app first." : `The app's process types are: ${types}.`;
  throw new Refusal("not_found", `Couldn't find that process type (${typeOrId}). ${known}`, { resource: "formation" });
}

function sumOf(formation: readonly FormationRow[]): number {
  return formation.reduce((sum, { quantity }) => sum + quantity, 0);
}

function newQuantity(row: FormationRow, wish: number | string): number {
  const match = /^([+-]?)(\d+)$/.exec(String(wish).trim());
  const isNegative = typeof wish === "number" && wish < 0;
  if (match === null || isNegative || (match[2] ?? "").length > MAX_QUANTITY_DIGITS) {
    const message = `Invalid quantity for ${row.type}: "${wish}". Give the number of dynos, or "+1" and "-1" to change it.`;
    throw invalid(message);
  }
  const amount = Number(match[2]);
  if (match[1] === "+") return row.quantity + amount;
  return match[1] === "-" ? Math.max(0, row.quantity - amount) : amount;
}

function checkQuantity(row: FormationRow, size: DynoSize): void {
  if (row.type === RELEASE && row.quantity > 0) {
    throw invalid("The process type release runs once for each release: it cannot be scaled.");
  }
  if (row.quantity <= size.max_quantity) return;
  const way = size.tier === "professional" ? "" : ` Use a larger size for more: ${row.type}=${row.quantity}:Standard-1X.`;
  const message = `Cannot update to more than ${size.max_quantity} ${size.name} size dynos per process type.${way}`;
  throw invalid(message);
}

function alignTiers(
  sizes: DynoSizes,
  formation: readonly FormationRow[],
  fixed: ReadonlySet<FormationRow>,
  leader: DynoSize,
): void {
  const isProfessional = leader.tier === "professional";
  for (const row of formation) {
    if ((sizes.mustFind(row.size).tier === "professional") === isProfessional) continue;
    if (fixed.has(row)) {
      const way = `Change all process types at once: heroku ps:type ${leader.name.toLowerCase()}`;
      throw invalid(`Cannot mix ${row.size} dynos (${row.type}) with ${leader.name} dynos in one app. ${way}`);
    }
    row.size = leader.name;
  }
}
