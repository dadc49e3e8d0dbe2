import type { Selectable } from "kysely";
import type { Slug, SlugCreate } from "../contract/slug.ts";
import type { Queryable } from "../kernel/database.ts";
import { isId, newId } from "../kernel/ids.ts";
import { appUid } from "./app-uid.ts";
import { grantCapability, redeemCapability } from "./capability.ts";
import type { Platform } from "./context.ts";
import type { Slugs, Tables } from "./database/tables.ts";
import { isProcessTypeName, type ProcessTypes } from "./process-type.ts";
import { invalid, notFound } from "./refusals.ts";
import { chooseStack, findStack } from "./stack.ts";

export type SlugRow = Selectable<Slugs>;

/** Built code and how to run it: https://devcenter.heroku.com/articles/platform-api-reference#slug */
export interface NewSlug {
  tree: string;
  checksum: string;
  size: number;
  stack: string;
  commit: string | null;
  commitDescription: string | null;
  buildpackProvidedDescription: string | null;
  processTypes: ProcessTypes;
}

/** How long the address of a slug's archive works. */
const BLOB_SECONDS = 60 * 60;

/** The slug as the API shows it. The blob's address is a capability: `get` for what is stored, `put` for a slug that waits for it. */
export function slugResource(ctx: Platform, row: SlugRow): Slug {
  const method = row.tree === "" ? "put" : "get";
  const capability = grantCapability(ctx, `slug:${method}`, { id: row.id }, BLOB_SECONDS);
  const { id, name } = findStack(row.stack);
  return {
    blob: { method, url: `${ctx.addresses.origin}/streams/slugs/${capability}` },
    buildpack_provided_description: row.buildpack_provided_description,
    checksum: row.checksum === "" ? null : row.checksum,
    commit: row.commit,
    commit_description: row.commit_description,
    created_at: row.created_at.toISOString(),
    deleted_at: null,
    id: row.id,
    process_types: row.process_types,
    size: row.tree === "" ? null : row.size,
    stack: { id, name },
    updated_at: row.updated_at.toISOString(),
  };
}

export async function insertSlug(ctx: Platform, trx: Queryable<Tables>, appId: string, slug: NewSlug): Promise<SlugRow> {
  const now = ctx.clock.now();
  return await trx
    .insertInto("slugs")
    .values({
      id: newId(),
      app_id: appId,
      tree: slug.tree,
      checksum: slug.checksum,
      size: slug.size,
      stack: slug.stack,
      commit: slug.commit,
      commit_description: slug.commitDescription,
      buildpack_provided_description: slug.buildpackProvidedDescription,
      process_types: JSON.stringify(slug.processTypes),
      created_at: now,
      updated_at: now,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** A slug of the app; refuses an unknown one and those of other apps. */
export async function findSlug(db: Queryable<Tables>, appId: string, id: string): Promise<SlugRow> {
  const row = isId(id)
    ? await db.selectFrom("slugs").selectAll().where("id", "=", id).where("app_id", "=", appId).executeTakeFirst()
    : undefined;
  if (row === undefined) throw notFound("slug");
  return row;
}

/** A slug whose archive the client will upload to its blob (`POST /apps/:app/slugs`). */
export async function createSlug(ctx: Platform, app: { id: string; build_stack: string }, wish: SlugCreate): Promise<SlugRow> {
  checkProcessTypes(wish.process_types);
  return await insertSlug(ctx, ctx.db, app.id, {
    tree: "",
    checksum: wish.checksum ?? "",
    size: 0,
    stack: chooseStack(wish.stack ?? app.build_stack).name,
    commit: wish.commit ?? null,
    commitDescription: wish.commit_description ?? null,
    buildpackProvidedDescription: wish.buildpack_provided_description ?? null,
    processTypes: wish.process_types,
  });
}

/** The slug that the blob capability allows to `put` or `get`, and the Unix user it is for; null when it allows nothing (any more). */
export async function redeemSlug(
  ctx: Platform,
  action: "put" | "get",
  capability: string,
): Promise<(SlugRow & { owner: number }) | null> {
  const id = redeemCapability(ctx, `slug:${action}`, capability)?.["id"];
  if (typeof id !== "string") return null;
  const row = await ctx.db
    .selectFrom("slugs")
    .innerJoin("apps", "apps.id", "slugs.app_id")
    .selectAll("slugs")
    .select("apps.number")
    .where("slugs.id", "=", id)
    .executeTakeFirst();
  if (row === undefined || (row.tree === "") !== (action === "put")) return null;
  return { ...row, owner: appUid(row.number) };
}

/** The archive of a created slug has arrived; refuses one that is not what the client had announced. */
export async function fillSlug(
  ctx: Platform,
  slug: SlugRow,
  stored: { tree: string; checksum: string; size: number },
): Promise<void> {
  if (slug.checksum !== "" && slug.checksum.toLowerCase() !== stored.checksum.toLowerCase()) {
    throw invalid(`The archive's checksum is ${stored.checksum}, but ${slug.checksum} was announced.`);
  }
  await ctx.db
    .updateTable("slugs")
    .set({ ...stored, updated_at: ctx.clock.now() })
    .where("id", "=", slug.id)
    .execute();
}

/** Refuses names that are no process types and empty commands. */
function checkProcessTypes(types: ProcessTypes): void {
  for (const [name, command] of Object.entries(types)) {
    if (!isProcessTypeName(name)) {
      throw invalid(`"${name}" is no process type: use letters, digits, - and _, 128 at most.`);
    }
    if (command.trim() === "") throw invalid(`The process type ${name} has no command.`);
  }
}
