import type { Platform } from "./context.ts";
import { RELEASE } from "./process-type.ts";

/** A command that must succeed before its release is current: https://devcenter.heroku.com/articles/release-phase */
export interface ReleasePhase {
  appId: string;
  releaseId: string;
  command: string;
}

/** What a queued release phase is to run; null when it has ended meanwhile or its app is gone. */
export async function releasePhase(ctx: Platform, releaseId: string): Promise<ReleasePhase | null> {
  const row = await ctx.db
    .selectFrom("releases")
    .innerJoin("slugs", "slugs.id", "releases.slug_id")
    .select(["releases.app_id", "slugs.process_types"])
    .where("releases.id", "=", releaseId)
    .where("status", "=", "pending")
    .executeTakeFirst();
  const command = row?.process_types[RELEASE];
  if (row === undefined || command === undefined) return null;
  return { appId: row.app_id, releaseId, command };
}
