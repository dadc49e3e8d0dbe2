import type { Selectable } from "kysely";
import { Refusal } from "../kernel/refusal.ts";
import { webUrl } from "./app.ts";
import type { Buildpack } from "./build.ts";
import { type AppChange, changeApp } from "./change.ts";
import type { Platform } from "./context.ts";
import type { Builds } from "./database/tables.ts";
import type { ProcessTypes } from "./process-type.ts";
import { addRelease, deployDescription, type ReleaseRow } from "./release.ts";
import { insertSlug } from "./slug.ts";

/** What a build has made; the shape of `BuiltSlug` in src/builder/ports.ts. */
export interface BuiltSlug {
  tree: string;
  checksum: string;
  size: number;
  processTypes: ProcessTypes;
  buildpacks: Buildpack[];
  description: string | null;
}

export interface Deployment {
  release: ReleaseRow;
  /** Where the app answers. */
  url: string;
  /** The release is not current yet: its release phase has been queued. */
  hasReleasePhase: boolean;
}

/** A build's good end: slug and release in one transaction. Null when it was cancelled, or its app destroyed, meanwhile. */
export async function buildSucceeded(ctx: Platform, buildId: string, slug: BuiltSlug): Promise<Deployment | null> {
  return await endBuild(ctx, buildId, async (change, build) => {
    const { trx, app, say } = change;
    const row = await insertSlug(ctx, trx, app.id, {
      tree: slug.tree,
      checksum: slug.checksum,
      size: slug.size,
      stack: build.stack,
      commit: build.source_version,
      commitDescription: build.source_version_description,
      buildpackProvidedDescription: slug.description,
      processTypes: slug.processTypes,
    });
    const actor = { accountId: build.account_id, email: build.email };
    const release = await addRelease(ctx, change, { actor, description: deployDescription(build.source_version), slug: row });
    const now = ctx.clock.now();
    await trx
      .updateTable("builds")
      .set({
        status: "succeeded",
        buildpacks: JSON.stringify(slug.buildpacks),
        slug_id: row.id,
        release_id: release.id,
        updated_at: now,
        finished_at: now,
      })
      .where("id", "=", buildId)
      .execute();
    await trx
      .updateTable("apps")
      .set({ stack: build.stack, slug_size: slug.size, buildpack_provided_description: slug.description })
      .where("id", "=", app.id)
      .execute();
    say("Build succeeded");
    return { release, url: webUrl(ctx, app.name), hasReleasePhase: release.status === "pending" };
  });
}

/** A build's bad end; its output says why. No effect on one that has ended. */
export async function buildFailed(ctx: Platform, buildId: string): Promise<void> {
  await endBuild(ctx, buildId, async ({ trx, say }) => {
    const now = ctx.clock.now();
    const ended = { status: "failed" as const, updated_at: now, finished_at: now };
    await trx.updateTable("builds").set(ended).where("id", "=", buildId).execute();
    say("Build failed -- check your build output: https://devcenter.heroku.com/articles/troubleshooting-deploys");
    return null;
  });
}

/**
 * Builds that a dead control plane was running have failed: they are not run again. Those that still wait for their turn stay.
 * To be called before the jobs are started; answers with the ids of the failed ones.
 */
export async function failInterruptedBuilds(ctx: Platform, waitingJobs: ReadonlySet<string>): Promise<string[]> {
  const pending = await ctx.db.selectFrom("builds").select("id").where("status", "=", "pending").execute();
  const interrupted = pending.map((row) => row.id).filter((id) => !waitingJobs.has(id));
  for (const id of interrupted) await buildFailed(ctx, id);
  return interrupted;
}

type PendingBuild = Selectable<Builds> & { email: string };

async function endBuild<Result>(
  ctx: Platform,
  buildId: string,
  work: (change: AppChange, build: PendingBuild) => Promise<Result>,
): Promise<Result | null> {
  const found = await ctx.db.selectFrom("builds").select("app_id").where("id", "=", buildId).executeTakeFirst();
  if (found === undefined) return null;
  try {
    return await changeApp(ctx, found.app_id, async (change) => {
      const build = await change.trx
        .selectFrom("builds")
        .innerJoin("accounts", "accounts.id", "builds.account_id")
        .selectAll("builds")
        .select("accounts.email")
        .where("builds.id", "=", buildId)
        .where("status", "=", "pending")
        .executeTakeFirst();
      return build === undefined ? null : await work(change, build);
    });
  } catch (error) {
    // The app was destroyed between the two questions.
    if (error instanceof Refusal && error.id === "not_found") return null;
    throw error;
  }
}
