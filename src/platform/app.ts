import { sql, type Transaction } from "kysely";
import type { App } from "../contract/app.ts";
import { newId } from "../kernel/ids.ts";
import { type FoundApp, formationSizes } from "./access.ts";
import { checkAppName, randomAppName } from "./app-name.ts";
import { changeApp } from "./change.ts";
import { sealConfig } from "./config.ts";
import type { Platform } from "./context.ts";
import type { Tables } from "./database/tables.ts";
import { defaultHostname } from "./domain.ts";
import type { Identity } from "./identity.ts";
import { chooseRegion, findRegion } from "./region.ts";
import { invalid, isDuplicate } from "./refusals.ts";
import { createInitialReleases } from "./release.ts";
import { CEDAR, chooseStack, findStack } from "./stack.ts";

/** Heroku's limit for a verified account: https://devcenter.heroku.com/articles/limits#apps-per-account */
const MAX_APPS_PER_ACCOUNT = 100;
const MAX_NAME_TRIES = 10;

/** The app as the API shows it. */
export function appResource(ctx: Platform, app: FoundApp): App {
  const named = ({ id, name }: { id: string; name: string }): { id: string; name: string } => ({ id, name });
  return {
    acm: app.acm,
    archived_at: null,
    buildpack_provided_description: app.buildpack_provided_description,
    build_stack: named(findStack(app.build_stack)),
    created_at: app.created_at.toISOString(),
    generation: named(CEDAR),
    git_url: `${ctx.addresses.gitOrigin}${app.name}.git`,
    id: app.id,
    internal_routing: false,
    maintenance: app.maintenance,
    name: app.name,
    organization: null,
    owner: { id: app.owner_id, email: app.owner_email },
    process_tier: ctx.sizes.processTier(app.sizes),
    region: named(findRegion(app.region)),
    released_at: app.released_at?.toISOString() ?? null,
    repo_size: app.repo_size,
    slug_size: app.slug_size,
    space: null,
    stack: named(findStack(app.stack)),
    team: null,
    updated_at: app.updated_at.toISOString(),
    web_url: webUrl(ctx, app.name),
  };
}

/** `http://NAME.localhost:8080/`; the port is left out when it is the usual one. */
export function webUrl(ctx: Platform, name: string): string {
  const { port } = ctx.addresses;
  return `http://${defaultHostname(ctx, name)}${port === 80 ? "" : `:${port}`}/`;
}

/** Makes an app with its default domain and its first two releases. Without a name it gets a random one. */
export async function createApp(
  ctx: Platform,
  identity: Identity,
  wish: { name?: string | undefined; region?: string | undefined; stack?: string | undefined },
): Promise<FoundApp> {
  const region = chooseRegion(wish.region);
  const stack = chooseStack(wish.stack);
  if (wish.name !== undefined) checkAppName(wish.name);
  for (let tries = 0; ; tries += 1) {
    const name = wish.name ?? randomAppName();
    try {
      const app = await ctx.db
        .transaction()
        .execute(async (trx) => await insertApp(ctx, trx, identity, { name, region: region.name, stack: stack.name }));
      ctx.events.routesChanged(app.id);
      return app;
    } catch (error) {
      if (!isDuplicate(error)) throw error;
      if (wish.name !== undefined || tries === MAX_NAME_TRIES) throw nameTaken();
    }
  }
}

async function insertApp(
  ctx: Platform,
  trx: Transaction<Tables>,
  identity: Identity,
  app: { name: string; region: string; stack: string },
): Promise<FoundApp> {
  // The lock makes two requests at the limit wait for each other.
  await trx.selectFrom("accounts").select("id").where("id", "=", identity.accountId).forUpdate().executeTakeFirstOrThrow();
  const { count } = await trx
    .selectFrom("apps")
    .select((select) => select.fn.countAll<number>().as("count"))
    .where("owner_id", "=", identity.accountId)
    .executeTakeFirstOrThrow();
  if (count >= MAX_APPS_PER_ACCOUNT) {
    throw invalid(`You've reached the limit of ${MAX_APPS_PER_ACCOUNT} apps for your account. Destroy one to make room.`);
  }
  const now = ctx.clock.now();
  const stamps = { created_at: now, updated_at: now };
  const row = await trx
    .insertInto("apps")
    .values({
      id: newId(),
      name: app.name,
      owner_id: identity.accountId,
      region: app.region,
      stack: app.stack,
      build_stack: app.stack,
      buildpack_provided_description: null,
      repo_size: null,
      slug_size: null,
      config: sealConfig(ctx, {}),
      released_at: now,
      maintenance: false,
      ...stamps,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  const hostname = defaultHostname(ctx, app.name);
  await trx
    .insertInto("domains")
    .values({ id: newId(), app_id: row.id, hostname, kind: "heroku", ...stamps })
    .execute();
  const owner = { id: newId(), app_id: row.id, account_id: identity.accountId, role: "owner" };
  await trx
    .insertInto("collaborators")
    .values({ ...owner, ...stamps })
    .execute();
  await createInitialReleases(trx, ctx, row.id, identity.accountId);
  return { ...row, owner_email: identity.email, sizes: [] };
}

/** Changes name (the default domain follows), maintenance mode or the stack of the next build. */
export async function updateApp(
  ctx: Platform,
  identity: Identity,
  app: FoundApp,
  change: { name?: string | undefined; maintenance?: boolean | undefined; build_stack?: string | undefined },
): Promise<FoundApp> {
  const { name, maintenance } = change;
  if (name !== undefined && name !== app.name) checkAppName(name);
  const stack = change.build_stack === undefined ? undefined : chooseStack(change.build_stack).name;
  try {
    const row = await changeApp(ctx, app.id, async ({ trx, app: before, say }) => {
      const now = ctx.clock.now();
      if (name !== undefined && name !== before.name) {
        await trx
          .updateTable("domains")
          .set({ hostname: defaultHostname(ctx, name), updated_at: now })
          .where("app_id", "=", app.id)
          .where("kind", "=", "heroku")
          .execute();
      }
      if (maintenance !== undefined && maintenance !== before.maintenance) {
        say(`Maintenance mode ${maintenance ? "enabled" : "disabled"} by user ${identity.email}`);
      }
      return await trx
        .updateTable("apps")
        .set({
          updated_at: now,
          ...(name === undefined ? {} : { name }),
          ...(maintenance === undefined ? {} : { maintenance }),
          ...(stack === undefined ? {} : { build_stack: stack }),
        })
        .where("id", "=", app.id)
        .returningAll()
        .executeTakeFirstOrThrow();
    });
    ctx.events.routesChanged(app.id);
    return { ...row, owner_email: app.owner_email, sizes: app.sizes };
  } catch (error) {
    throw isDuplicate(error) ? nameTaken() : error;
  }
}

/** Removes the app and everything it has; the other rooms clean up after the commit. */
export async function deleteApp(ctx: Platform, app: FoundApp): Promise<void> {
  const left = await ctx.db.transaction().execute(async (trx) => {
    // The lock keeps builds from being added meanwhile.
    await trx.selectFrom("apps").select("id").where("id", "=", app.id).forUpdate().executeTakeFirst();
    const builds = await trx.selectFrom("builds").select(["id", "status"]).where("app_id", "=", app.id).execute();
    const releases = await trx.selectFrom("releases").select("id").where("app_id", "=", app.id).execute();
    const slugs = await trx
      .selectFrom("slugs")
      .select("tree")
      .where("tree", "<>", "")
      .groupBy("tree")
      // Not those that another app has too.
      .having(sql<boolean>`bool_and(app_id = ${app.id})`)
      .execute();
    await trx.deleteFrom("features").where("owner_id", "=", app.id).execute();
    await trx.deleteFrom("sources").where("app_id", "=", app.id).execute();
    await trx.deleteFrom("apps").where("id", "=", app.id).execute();
    return { builds, releases, slugs };
  });
  for (const { id, status } of left.builds) if (status === "pending") ctx.events.buildCancelled(id);
  ctx.events.appDestroyed({
    id: app.id,
    name: app.name,
    trees: left.slugs.map(({ tree }) => tree),
    builds: left.builds.map(({ id }) => id),
    releases: left.releases.map(({ id }) => id),
  });
}

/** Apps by name: those the account owns, or with `all` also those it may use (an admin: every app). */
export async function listApps(ctx: Platform, identity: Identity, which: "own" | "all"): Promise<FoundApp[]> {
  let query = ctx.db
    .selectFrom("apps")
    .innerJoin("accounts", "accounts.id", "apps.owner_id")
    .selectAll("apps")
    .select(["accounts.email as owner_email", formationSizes])
    .orderBy("apps.name");
  if (which === "own") query = query.where("owner_id", "=", identity.accountId);
  else if (!identity.isAdmin) {
    query = query.where("apps.id", "in", (select) =>
      select.selectFrom("collaborators").select("app_id").where("account_id", "=", identity.accountId),
    );
  }
  return await query.execute();
}

function nameTaken(): Error {
  return invalid("Name is already taken");
}
