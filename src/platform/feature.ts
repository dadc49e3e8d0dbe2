import type { Feature } from "../contract/feature.ts";
import { isId } from "../kernel/ids.ts";
import type { Platform } from "./context.ts";
import { DYNO_METADATA } from "./dyno-metadata.ts";
import { notFound } from "./refusals.ts";

interface KnownFeature {
  id: string;
  name: string;
  display_name: string;
  description: string;
  /** `general` shows in `heroku features`, anything else in `heroku labs`. */
  state: "general" | "beta";
  article: string;
}

/** What can be switched on for an app. */
const APP_FEATURES: readonly KnownFeature[] = [
  {
    id: "0b1c9a52-5d55-4a3e-9c66-2b6f9f3d0a01",
    name: "http-session-affinity",
    display_name: "Session affinity",
    description: "Send all requests of one browser to the same web dyno",
    state: "general",
    article: "session-affinity",
  },
  {
    id: "0b1c9a52-5d55-4a3e-9c66-2b6f9f3d0a02",
    name: "log-runtime-metrics",
    display_name: "Log runtime metrics",
    description: "Write each dyno's memory and load to the app's log",
    state: "beta",
    article: "log-runtime-metrics",
  },
  {
    id: "0b1c9a52-5d55-4a3e-9c66-2b6f9f3d0a03",
    name: "preboot",
    display_name: "Preboot",
    description: "Let new web dynos run for three minutes before they take over from the old ones",
    state: "general",
    article: "preboot",
  },
  {
    id: "0b1c9a52-5d55-4a3e-9c66-2b6f9f3d0a04",
    name: DYNO_METADATA,
    display_name: "Dyno metadata",
    description: "Give dynos HEROKU_APP_NAME, HEROKU_RELEASE_VERSION and the like in their environment",
    state: "beta",
    article: "dyno-metadata",
  },
];

/** Heroku's account features are switches of its dashboard; there are none here yet. */
const ACCOUNT_FEATURES: readonly KnownFeature[] = [];

const SINCE = "2026-11-20T00:00:00.000Z";

/** Whose features: an app's or an account's, by its id. */
export interface FeatureOwner {
  kind: "app" | "account";
  id: string;
}

/** All features there are for the owner, each with its present state, by name. */
export async function listFeatures(ctx: Platform, owner: FeatureOwner): Promise<Feature[]> {
  const rows = await ctx.db.selectFrom("features").selectAll().where("owner_id", "=", owner.id).execute();
  return knownFeatures(owner).map((known) => {
    const row = rows.find(({ name }) => name === known.name);
    return {
      created_at: row?.created_at.toISOString() ?? SINCE,
      description: known.description,
      display_name: known.display_name,
      doc_url: `https://devcenter.heroku.com/articles/${known.article}`,
      enabled: row?.enabled ?? false,
      feedback_email: "",
      id: known.id,
      name: known.name,
      state: known.state,
      updated_at: row?.updated_at.toISOString() ?? SINCE,
    };
  });
}

/** Names of the features that are switched on for an app. */
export async function enabledFeatures(ctx: Platform, appId: string): Promise<string[]> {
  const rows = await ctx.db
    .selectFrom("features")
    .select("name")
    .where("owner_id", "=", appId)
    .where("enabled", "=", true)
    .orderBy("name")
    .execute();
  return rows.map((row) => row.name);
}

export async function findFeature(ctx: Platform, owner: FeatureOwner, nameOrId: string): Promise<Feature> {
  const feature = (await listFeatures(ctx, owner)).find(({ id, name }) => (isId(nameOrId) ? id : name) === nameOrId);
  if (feature === undefined) throw notFound("feature");
  return feature;
}

/** Switches it on or off; an app's dynos see it after their next start. */
export async function setFeature(ctx: Platform, owner: FeatureOwner, nameOrId: string, enabled: boolean): Promise<Feature> {
  const { name } = await findFeature(ctx, owner, nameOrId);
  const now = ctx.clock.now();
  await ctx.db
    .insertInto("features")
    .values({ owner_id: owner.id, name, enabled, created_at: now, updated_at: now })
    .onConflict((conflict) => conflict.columns(["owner_id", "name"]).doUpdateSet({ enabled, updated_at: now }))
    .execute();
  if (owner.kind === "app") ctx.events.appChanged(owner.id);
  return await findFeature(ctx, owner, nameOrId);
}

function knownFeatures(owner: FeatureOwner): readonly KnownFeature[] {
  return owner.kind === "app" ? APP_FEATURES : ACCOUNT_FEATURES;
}
