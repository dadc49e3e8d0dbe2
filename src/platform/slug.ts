import type { Selectable } from "kysely";
import type { Queryable } from "../kernel/database.ts";
import { isId, newId } from "../kernel/ids.ts";
import type { Platform } from "./context.ts";
import type { Slugs, Tables } from "./database/tables.ts";
import { isProcessTypeName, type ProcessTypes } from "./process-type.ts";
import { invalid, notFound } from "./refusals.ts";

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

/** Refuses names that are no process types and empty commands. */
export function checkProcessTypes(types: ProcessTypes): void {
  for (const [name, command] of Object.entries(types)) {
    if (!isProcessTypeName(name)) {
      throw invalid(`"${name}" is no process type: use letters, digits, - and _, 128 at most.`);
    }
    if (command.trim() === "") throw invalid(`The process type ${name} has no command.`);
  }
}
