import type { Selectable } from "kysely";
import type { Build } from "../contract/build.ts";
import { isId, newId, newToken } from "../kernel/ids.ts";
import { addJob } from "../kernel/jobs.ts";
import { Refusal } from "../kernel/refusal.ts";
import { appUid } from "./app-uid.ts";
import { type Actor, changeApp } from "./change.ts";
import { openConfig, type ConfigVars } from "./config.ts";
import type { Platform } from "./context.ts";
import type { Builds } from "./database/tables.ts";
import { notFound } from "./refusals.ts";

/** Source → slug: https://devcenter.heroku.com/articles/platform-api-reference#build */
export type BuildRow = Selectable<Builds> & { email: string };

export interface Buildpack {
  url: string;
  name: string;
}

export interface NewBuild {
  /** `git`: a folder on this machine that a push has filled; `url`: a gzipped tarball. */
  source: { kind: "git"; folder: string } | { kind: "url"; url: string; checksum: string | null };
  /** Commit, or another name of the source. */
  version: string | null;
  versionDescription: string | null;
  /** Left out: those installed on the app; none there: detected. */
  buildpacks?: Buildpack[];
}

/** What the builder is given; the shape of `BuildOrder` in src/builder/ports.ts. */
export interface BuildOrder {
  id: string;
  app: { id: string; name: string; uid: number };
  stack: string;
  source: { kind: "git"; folder: string } | { kind: "url"; url: string; checksum: string | null };
  buildpacks: Buildpack[];
  remembered: Buildpack[];
  configVars: ConfigVars;
  firstBuild: boolean;
  /** Commit, or another name of the source: `SOURCE_VERSION` in the build. */
  sourceVersion: string | null;
}

/** The build as the API shows it. */
export function buildResource(ctx: Platform, app: { id: string; name: string }, row: BuildRow): Build {
  const { origin, gitOrigin } = ctx.addresses;
  return {
    app: { id: app.id },
    buildpacks: row.buildpacks,
    created_at: row.created_at.toISOString(),
    generation: "cedar",
    id: row.id,
    output_stream_url: `${origin}/streams/builds/${row.id}/${row.output_token}`,
    release: row.release_id === null ? null : { id: row.release_id },
    slug: row.slug_id === null ? null : { id: row.slug_id },
    source_blob: {
      checksum: row.source_checksum,
      // The folder of a push is nobody's business; its repository says where the source came from.
      url: row.source_kind === "git" ? `${gitOrigin}${app.name}.git` : row.source_location,
      version: row.source_version,
      version_description: row.source_version_description,
    },
    stack: row.stack,
    status: row.status,
    updated_at: row.updated_at.toISOString(),
    user: { id: row.account_id, email: row.email },
  };
}

/** Runs the build of `build_id`. */
export const BUILD_JOB = "build";

/** Queues a build: its row and its job exist together or not at all, and builds of one app run one after another. */
export async function createBuild(ctx: Platform, appId: string, actor: Actor, order: NewBuild): Promise<BuildRow> {
  return await changeApp(ctx, appId, async ({ trx, app, say }) => {
    const now = ctx.clock.now();
    const { source } = order;
    const installed = trx
      .selectFrom("buildpack_installations")
      .select(["url", "name"])
      .where("app_id", "=", appId)
      .orderBy("ordinal");
    const row = await trx
      .insertInto("builds")
      .values({
        id: newId(),
        app_id: appId,
        account_id: actor.accountId,
        status: "pending",
        stack: app.build_stack,
        source_kind: source.kind,
        source_location: source.kind === "git" ? source.folder : source.url,
        source_checksum: source.kind === "git" ? null : source.checksum,
        source_version: order.version,
        source_version_description: order.versionDescription,
        buildpacks: JSON.stringify(order.buildpacks ?? (await installed.execute())),
        output_token: newToken(),
        created_at: now,
        updated_at: now,
      })
      .returningAll()
      .executeTakeFirstOrThrow();
    await addJob(trx, BUILD_JOB, { build_id: row.id }, { queue: `build:${appId}`, maxAttempts: 1, jobKey: row.id });
    say(`Build started by user ${actor.email}`);
    return { ...row, email: actor.email };
  });
}

/** What is known of an app's next build before there is one; null when the app is gone. */
export async function expectedBuild(ctx: Platform, appId: string): Promise<Pick<BuildOrder, "stack" | "app"> | null> {
  const app = await ctx.db
    .selectFrom("apps")
    .select(["id", "name", "number", "build_stack"])
    .where("id", "=", appId)
    .executeTakeFirst();
  return app === undefined ? null : { app: { id: app.id, name: app.name, uid: appUid(app.number) }, stack: app.build_stack };
}

/** What to build, for the builder; null when the build has ended meanwhile (cancelled) or its app is gone. */
export async function buildOrder(ctx: Platform, buildId: string): Promise<BuildOrder | null> {
  const build = await ctx.db
    .selectFrom("builds")
    .innerJoin("apps", "apps.id", "builds.app_id")
    .selectAll("builds")
    .select(["apps.name", "apps.number", "apps.config"])
    .where("builds.id", "=", buildId)
    .where("status", "=", "pending")
    .executeTakeFirst();
  if (build === undefined) return null;
  const last = await ctx.db
    .selectFrom("builds")
    .select("buildpacks")
    .where("app_id", "=", build.app_id)
    .where("status", "=", "succeeded")
    .orderBy("created_at", "desc")
    .limit(1)
    .executeTakeFirst();
  return {
    id: build.id,
    app: { id: build.app_id, name: build.name, uid: appUid(build.number) },
    stack: build.stack,
    source:
      build.source_kind === "git"
        ? { kind: "git", folder: build.source_location }
        : { kind: "url", url: build.source_location, checksum: build.source_checksum },
    buildpacks: build.buildpacks,
    remembered: last?.buildpacks ?? [],
    configVars: openConfig(ctx, build.config),
    firstBuild: last === undefined,
    sourceVersion: build.source_version,
  };
}

/** Ends a waiting or running build; refuses one that has ended. The builder is told by `ctx.events.buildCancelled`. */
export async function cancelBuild(ctx: Platform, appId: string, actor: Actor, buildId: string): Promise<BuildRow> {
  const build = await findBuild(ctx, appId, buildId);
  const now = ctx.clock.now();
  await changeApp(ctx, appId, async ({ trx, say }) => {
    const { numUpdatedRows } = await trx
      .updateTable("builds")
      .set({ status: "failed", updated_at: now, finished_at: now })
      .where("id", "=", buildId)
      .where("status", "=", "pending")
      .executeTakeFirst();
    if (numUpdatedRows === 0n) throw new Refusal("conflict", `The build has ${build.status} already and cannot be cancelled.`);
    say(`Build cancelled by user ${actor.email}`);
  });
  ctx.events.buildCancelled(buildId);
  return { ...build, status: "failed", updated_at: now, finished_at: now };
}

export async function listBuilds(ctx: Platform, appId: string): Promise<BuildRow[]> {
  return await ctx.db
    .selectFrom("builds")
    .innerJoin("accounts", "accounts.id", "builds.account_id")
    .selectAll("builds")
    .select("accounts.email")
    .where("app_id", "=", appId)
    .orderBy("builds.created_at")
    .execute();
}

/** A build of the app; refuses an unknown one. */
export async function findBuild(ctx: Platform, appId: string, id: string): Promise<BuildRow> {
  const build = isId(id) ? await buildById(ctx, id) : null;
  if (build === null || build.app_id !== appId) {
    throw notFound("build");
  }
  return build;
}

/** A build of whatever app, for rooms that know its id (git, output streams). */
export async function buildById(ctx: Platform, id: string): Promise<BuildRow | null> {
  const row = await ctx.db
    .selectFrom("builds")
    .innerJoin("accounts", "accounts.id", "builds.account_id")
    .selectAll("builds")
    .select("accounts.email")
    .where("builds.id", "=", id)
    .executeTakeFirst();
  return row ?? null;
}
