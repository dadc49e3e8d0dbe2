import { type Selectable, sql } from "kysely";
import type { Release } from "../contract/release.ts";
import type { Queryable } from "../kernel/database.ts";
import { isId, newId, newToken } from "../kernel/ids.ts";
import { addJob } from "../kernel/jobs.ts";
import { type Actor, type AppChange, changeApp } from "./change.ts";
import { type ConfigVars, openConfig, sealConfig } from "./config.ts";
import type { Platform } from "./context.ts";
import type { Releases, Tables } from "./database/tables.ts";
import { adoptProcessTypes } from "./formation-row.ts";
import { RELEASE } from "./process-type.ts";
import { findSlug, type SlugRow } from "./slug.ts";
import { invalid, notFound } from "./refusals.ts";

/** A release without its config vars, and who made it: https://devcenter.heroku.com/articles/releases */
export type ReleaseRow = Omit<Selectable<Releases>, "config"> & { email: string };

/** The release as the API shows it; `extended` adds what `heroku releases --extended` prints. */
export function releaseResource(ctx: Platform, app: { id: string; name: string }, row: ReleaseRow, extended = false): Release {
  const stream = `${ctx.addresses.origin}/streams/releases/${row.id}/${row.output_token ?? ""}`;
  return {
    addon_plan_names: [],
    app: { id: app.id, name: app.name },
    artifacts: row.slug_id === null ? [] : [{ id: row.slug_id, type: "slug" }],
    created_at: row.created_at.toISOString(),
    current: row.current,
    description: row.description,
    eligible_for_rollback: isEligibleForRollback(row),
    ...(extended ? { extended: { slug_id: row.slug_id, slug_uuid: row.slug_id, switch: row.switch } } : {}),
    id: row.id,
    output_stream_url: row.output_token === null ? null : stream,
    slug: row.slug_id === null ? null : { id: row.slug_id },
    status: row.status,
    updated_at: row.updated_at.toISOString(),
    user: { id: row.account_id, email: row.email },
    version: row.version,
  };
}

/** Runs the release phase of `release_id`, then calls `finishRelease`. */
export const RELEASE_PHASE_JOB = "release-phase";

interface ReleaseOrder {
  actor: Actor;
  description: string;
  /** Left out: the slug of the newest release that has not failed. */
  slug?: SlugRow;
  /** Left out: the app's config vars as they are. */
  config?: ConfigVars;
}

const COLUMNS = [
  "releases.id",
  "app_id",
  "version",
  "account_id",
  "description",
  "status",
  "current",
  "slug_id",
  "output_token",
  "switch",
  "releases.created_at",
  "releases.updated_at",
  "accounts.email",
] as const;

/** v1 and v2, which every app begins with. To be called in the transaction that creates the app, whose `config` is sealed and empty. */
export async function createInitialReleases(
  trx: Queryable<Tables>,
  ctx: Platform,
  appId: string,
  accountId: string,
): Promise<void> {
  const now = ctx.clock.now();
  const row = {
    app_id: appId,
    account_id: accountId,
    status: "succeeded" as const,
    slug_id: null,
    config: sealConfig(ctx, {}),
    output_token: null,
    created_at: now,
    updated_at: now,
  };
  await trx
    .insertInto("releases")
    .values([
      { ...row, id: newId(), version: 1, description: "Initial release", current: false },
      { ...row, id: newId(), version: 2, description: "Enable Logplex", current: true },
    ])
    .execute();
}

/**
 * Adds the next release inside a change of the app. Without a release phase it is current at once; with one it is pending, a job runs
 * the phase, and the old release stays current until `finishRelease`.
 */
export async function addRelease(ctx: Platform, change: AppChange, order: ReleaseOrder): Promise<ReleaseRow> {
  const { trx, app } = change;
  const { actor } = order;
  const last = await sql<{ version: number | null; slug_id: string | null }>`
    select max(version) as version, (select slug_id from releases where app_id = ${app.id} and status <> 'failed'
      order by version desc limit 1) as slug_id from releases where app_id = ${app.id}`.execute(trx);
  const { version: lastVersion = null, slug_id: lastSlugId = null } = last.rows[0] ?? {};
  const slug = order.slug ?? (lastSlugId === null ? null : await findSlug(trx, app.id, lastSlugId));
  const hasPhase = slug !== null && Object.hasOwn(slug.process_types, RELEASE);
  const now = ctx.clock.now();
  const config = order.config === undefined ? app.config : sealConfig(ctx, order.config);
  if (!hasPhase) await retireCurrent(trx, app.id);
  const { config: _, ...row } = await trx
    .insertInto("releases")
    .values({
      id: newId(),
      app_id: app.id,
      version: (lastVersion ?? 0) + 1,
      account_id: actor.accountId,
      description: order.description,
      status: hasPhase ? "pending" : "succeeded",
      current: !hasPhase,
      slug_id: slug?.id ?? null,
      config,
      output_token: hasPhase ? newToken() : null,
      created_at: now,
      updated_at: now,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  await trx.updateTable("apps").set({ config, released_at: now, updated_at: now }).where("id", "=", app.id).execute();
  const job = { queue: `release:${app.id}`, maxAttempts: 1, jobKey: row.id };
  if (hasPhase) await addJob(trx, RELEASE_PHASE_JOB, { release_id: row.id }, job);
  else if (slug !== null) await adoptProcessTypes(ctx, trx, app.id, slug.process_types);
  change.say(`${order.description} by user ${actor.email}`);
  change.say(`Release v${row.version} created by user ${actor.email}`);
  return { ...row, email: actor.email };
}

async function retireCurrent(trx: Queryable<Tables>, appId: string): Promise<void> {
  await trx.updateTable("releases").set({ current: false }).where("app_id", "=", appId).where("current", "=", true).execute();
}

/**
 * The end of a release phase. Success makes the release current, unless a later one is already; a failure keeps the old one.
 * Does nothing when the phase has ended before.
 */
export async function finishRelease(ctx: Platform, releaseId: string, outcome: "succeeded" | "failed"): Promise<void> {
  const found = await ctx.db.selectFrom("releases").select("app_id").where("id", "=", releaseId).executeTakeFirst();
  if (found === undefined) return;
  await changeApp(ctx, found.app_id, async ({ trx, app, say }) => {
    const release = await trx
      .updateTable("releases")
      .set({ status: outcome, updated_at: ctx.clock.now() })
      .where("id", "=", releaseId)
      .where("status", "=", "pending")
      .returning(["version", "slug_id"])
      .executeTakeFirst();
    if (release === undefined) return;
    say(`Release v${release.version} command ${outcome}`);
    if (outcome === "failed") return;
    const current = await trx
      .selectFrom("releases")
      .select("version")
      .where("app_id", "=", app.id)
      .where("current", "=", true)
      .executeTakeFirst();
    if (current !== undefined && current.version > release.version) return;
    await retireCurrent(trx, app.id);
    await trx.updateTable("releases").set({ current: true }).where("id", "=", releaseId).execute();
    if (release.slug_id === null) return;
    const slug = await findSlug(trx, app.id, release.slug_id);
    await adoptProcessTypes(ctx, trx, app.id, slug.process_types);
  });
}

/** Release phases that a dead control plane was running have failed. To be called before the jobs are started. */
export async function failInterruptedReleases(ctx: Platform, waitingJobs: ReadonlySet<string>): Promise<void> {
  const pending = await ctx.db.selectFrom("releases").select("id").where("status", "=", "pending").execute();
  for (const { id } of pending) {
    if (!waitingJobs.has(id)) await finishRelease(ctx, id, "failed");
  }
}

/** `heroku rollback`: the slug and the config vars of an earlier release, as a new one. */
export async function rollBack(ctx: Platform, appId: string, actor: Actor, idOrVersion: string): Promise<ReleaseRow> {
  return await changeApp(ctx, appId, async (change) => {
    const target = await findRelease(change.trx, appId, idOrVersion);
    if (!isEligibleForRollback(target) || target.slug_id === null) {
      const reason = target.slug_id === null ? "it has no slug" : `its release command has not succeeded (${target.status})`;
      throw invalid(`Cannot roll back to v${target.version}: ${reason}.`);
    }
    const { config } = await change.trx
      .selectFrom("releases")
      .select("config")
      .where("id", "=", target.id)
      .executeTakeFirstOrThrow();
    return await addRelease(ctx, change, {
      actor,
      description: `Rollback to v${target.version}`,
      slug: await findSlug(change.trx, appId, target.slug_id),
      config: openConfig(ctx, config),
    });
  });
}

/** A release of an existing slug (`POST /apps/:app/releases` with `slug`), as promotion and retries need it. */
export async function releaseSlug(
  ctx: Platform,
  appId: string,
  actor: Actor,
  order: { slug: string; description: string | null },
): Promise<ReleaseRow> {
  return await changeApp(ctx, appId, async (change) => {
    const slug = await findSlug(change.trx, appId, order.slug);
    if (slug.tree === "") throw invalid("This slug has no content yet: upload its archive to the URL of its blob first.");
    const description = order.description ?? deployDescription(slug.commit);
    return await addRelease(ctx, change, { actor, description, slug });
  });
}

/** `Deploy 60883d9e`: what a release by a build is called. */
export function deployDescription(commit: string | null): string {
  return `Deploy ${(commit ?? newId()).slice(0, 8)}`;
}

function isEligibleForRollback(release: Pick<ReleaseRow, "slug_id" | "status">): boolean {
  return release.slug_id !== null && release.status === "succeeded";
}

/** The app's releases by version, all of them or the first `limit`. */
export async function listReleases(
  ctx: Platform,
  appId: string,
  page: { order: "asc" | "desc"; limit: number | null } = { order: "asc", limit: null },
): Promise<ReleaseRow[]> {
  let query = ctx.db
    .selectFrom("releases")
    .innerJoin("accounts", "accounts.id", "releases.account_id")
    .select(COLUMNS)
    .where("app_id", "=", appId)
    .orderBy("version", page.order);
  if (page.limit !== null) query = query.limit(page.limit);
  return await query.execute();
}

/** A release by id, `3` or `v3`; refuses an unknown one. */
export async function findRelease(db: Queryable<Tables>, appId: string, idOrVersion: string): Promise<ReleaseRow> {
  const version = /^v?(\d{1,9})$/i.exec(idOrVersion)?.[1];
  const query = db
    .selectFrom("releases")
    .innerJoin("accounts", "accounts.id", "releases.account_id")
    .select(COLUMNS)
    .where("app_id", "=", appId);
  let row: ReleaseRow | undefined;
  if (version !== undefined) row = await query.where("version", "=", Number(version)).executeTakeFirst();
  else if (isId(idOrVersion)) row = await query.where("releases.id", "=", idOrVersion).executeTakeFirst();
  if (row === undefined) throw notFound("release");
  return row;
}

/** What an output stream needs to know of a release, of whatever app. */
export async function releaseById(ctx: Platform, id: string): Promise<Pick<ReleaseRow, "status" | "output_token"> | null> {
  const row = await ctx.db.selectFrom("releases").select(["status", "output_token"]).where("id", "=", id).executeTakeFirst();
  return row ?? null;
}

/** The config vars that a release was made with. */
export async function releaseConfig(ctx: Platform, releaseId: string): Promise<ConfigVars> {
  const row = await ctx.db.selectFrom("releases").select("config").where("id", "=", releaseId).executeTakeFirstOrThrow();
  return openConfig(ctx, row.config);
}
