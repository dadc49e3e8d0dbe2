import type { Insertable } from "kysely";
import { newId } from "../kernel/ids.ts";
import type { Platform } from "./context.ts";
import type { DynoSizes as DynoSizeTable } from "./database/tables.ts";
import { DEFAULT_SIZE, type DynoSize } from "./dyno-size.ts";
import { type Identity, mustBeAdmin } from "./identity.ts";
import { invalid, isDuplicate } from "./refusals.ts";

/** What an administrator decides about a size; memory and disk in gigabytes. */
export interface DynoSizeWish {
  memory?: number | undefined;
  compute?: number | undefined;
  disk?: number | undefined;
  max_processes?: number | undefined;
  max_quantity?: number | undefined;
  sleeps?: boolean | undefined;
  tier?: DynoSize["tier"] | undefined;
}

const BYTES_PER_GIGABYTE = 1024 ** 3;
/** Below this no program starts in its stack. */
const MIN_MEMORY_GIGABYTES = 0.0625;
const MAX_GIGABYTES = 4096;
const MAX_COMPUTE = 10_000;
const MAX_PROCESSES = 32_768;
const MAX_QUANTITY = 1000;
const NAME = /^[A-Za-z][A-Za-z0-9.-]{0,38}[A-Za-z0-9]$/;

/** Changes a size; dynos that run keep what they have until they are restarted. */
export async function updateSize(ctx: Platform, identity: Identity, nameOrId: string, wish: DynoSizeWish): Promise<DynoSize> {
  mustBeAdmin(identity);
  const { id } = ctx.sizes.mustFind(nameOrId);
  const values = valuesOf(wish);
  if (Object.keys(values).length > 0) {
    await ctx.db.updateTable("dyno_sizes").set(values).where("id", "=", id).execute();
    await ctx.sizes.reload();
  }
  return ctx.sizes.mustFind(id);
}

/** Adds a size; what the wish leaves out is as a Standard-1X has it. */
export async function createSize(ctx: Platform, identity: Identity, name: string, wish: DynoSizeWish): Promise<DynoSize> {
  mustBeAdmin(identity);
  if (!NAME.test(name)) {
    throw invalid(`"${name}" is no name for a dyno size: use letters, digits, dots and dashes, 2 to 40, a letter first.`);
  }
  if (ctx.sizes.find(name) !== null) throw taken(name);
  const id = newId();
  try {
    await ctx.db
      .insertInto("dyno_sizes")
      .values({
        id,
        name,
        memory_bytes: BYTES_PER_GIGABYTE / 2,
        compute: 1,
        dedicated: false,
        disk_bytes: 4 * BYTES_PER_GIGABYTE,
        max_processes: 256,
        max_quantity: 100,
        tier: "professional",
        sleeps: false,
        ...valuesOf(wish),
      })
      .execute();
  } catch (error) {
    throw isDuplicate(error) ? taken(name) : error;
  }
  await ctx.sizes.reload();
  return ctx.sizes.mustFind(id);
}

/** Removes a size that no app uses. */
export async function deleteSize(ctx: Platform, identity: Identity, nameOrId: string): Promise<DynoSize> {
  mustBeAdmin(identity);
  const size = ctx.sizes.mustFind(nameOrId);
  if (size.name === DEFAULT_SIZE) throw invalid(`${size.name} is the size that new apps begin with: it cannot be deleted.`);
  const users = await ctx.db
    .selectFrom("apps")
    .select("name")
    .where((is) =>
      is.or([
        is.exists(is.selectFrom("formations").select("id").whereRef("app_id", "=", "apps.id").where("size", "=", size.name)),
        is.exists(
          is
            .selectFrom("dynos")
            .select("id")
            .whereRef("app_id", "=", "apps.id")
            .where("size", "=", size.name)
            .where("state", "<>", "down"),
        ),
      ]),
    )
    .orderBy("name")
    .execute();
  if (users.length > 0) {
    throw invalid(`${size.name} is in use by ${users.map(({ name }) => name).join(", ")}: give their dynos another size first.`);
  }
  await ctx.db.deleteFrom("dyno_sizes").where("id", "=", size.id).execute();
  await ctx.sizes.reload();
  return size;
}

function valuesOf(wish: DynoSizeWish): Partial<Insertable<DynoSizeTable>> {
  const values: Partial<Insertable<DynoSizeTable>> = {};
  const { memory, compute, disk, max_processes, max_quantity, sleeps, tier } = wish;
  if (memory !== undefined)
    values.memory_bytes = Math.round(within("memory", memory, MIN_MEMORY_GIGABYTES, MAX_GIGABYTES) * BYTES_PER_GIGABYTE);
  if (disk !== undefined)
    values.disk_bytes = Math.round(within("disk", disk, MIN_MEMORY_GIGABYTES, MAX_GIGABYTES) * BYTES_PER_GIGABYTE);
  if (compute !== undefined) values.compute = within("compute", compute, 1, MAX_COMPUTE);
  if (max_processes !== undefined) values.max_processes = within("max_processes", max_processes, 8, MAX_PROCESSES);
  if (max_quantity !== undefined) values.max_quantity = within("max_quantity", max_quantity, 1, MAX_QUANTITY);
  if (sleeps !== undefined) values.sleeps = sleeps;
  if (tier !== undefined) values.tier = tier;
  return values;
}

function within(member: string, value: number, least: number, most: number): number {
  if (value >= least && value <= most) return value;
  throw invalid(`${member} is ${value}: it must be from ${least} to ${most}.`);
}

function taken(name: string): Error {
  return invalid(`There is a dyno size ${name} already.`);
}
