import {
  BUILDPACK_URN,
  type BuildpackInstallation,
  BUILT_IN_BUILDPACKS,
  type RegisteredBuildpack,
} from "../contract/buildpack.ts";
import type { FoundApp } from "./access.ts";
import { changeApp } from "./change.ts";
import type { Platform } from "./context.ts";
import { invalid, notFound } from "./refusals.ts";

interface Buildpack {
  url: string;
  name: string;
}

const MAX_BUILDPACKS = 20;
const MAX_URL_LENGTH = 2000;

/** The buildpacks that the user has set, in order; empty: each build detects its own. */
export async function listBuildpackInstallations(ctx: Platform, appId: string): Promise<BuildpackInstallation[]> {
  const rows = await ctx.db
    .selectFrom("buildpack_installations")
    .selectAll()
    .where("app_id", "=", appId)
    .orderBy("ordinal")
    .execute();
  return rows.map(({ ordinal, name, url }) => ({ buildpack: { name, url }, ordinal }));
}

/** Replaces the whole list; the next build uses it. */
export async function setBuildpackInstallations(
  ctx: Platform,
  app: FoundApp,
  wishes: readonly { buildpack?: string | undefined }[],
): Promise<BuildpackInstallation[]> {
  if (wishes.length > MAX_BUILDPACKS) throw invalid(`An app may have ${MAX_BUILDPACKS} buildpacks at most.`);
  const buildpacks = wishes.map(({ buildpack }) => resolveBuildpack(buildpack ?? ""));
  await changeApp(ctx, app.id, async ({ trx }) => {
    await trx.deleteFrom("buildpack_installations").where("app_id", "=", app.id).execute();
    if (buildpacks.length === 0) return;
    const rows = buildpacks.map((buildpack, ordinal) => ({ app_id: app.id, ordinal, ...buildpack }));
    await trx.insertInto("buildpack_installations").values(rows).execute();
  });
  return buildpacks.map(({ name, url }, ordinal) => ({ buildpack: { name, url }, ordinal }));
}

/**
 * What the user may write: `heroku/python` or its URN for ours, or the HTTPS URL of a Git repository or of a tarball. Anything else
 * would fail at the next build, so it is refused now.
 */
export function resolveBuildpack(text: string): Buildpack {
  const name = text.startsWith(BUILDPACK_URN) ? text.slice(BUILDPACK_URN.length) : text;
  if (BUILT_IN_BUILDPACKS.some((buildpack) => buildpack.name === name)) return { name, url: `${BUILDPACK_URN}${name}` };
  if (text.length <= MAX_URL_LENGTH && /^https:\/\/[^\s/]+\/\S+$/.test(text)) return { name: text, url: text };
  const known = BUILT_IN_BUILDPACKS.map((buildpack) => buildpack.name).join(", ");
  const problem = name === "" ? "That buildpack is not in the buildpack registry." : `Couldn't find the buildpack ${name}.`;
  throw invalid(`${problem} Use one of ${known}, or the https:// URL of a Git repository or a tarball.`);
}

/** The registry's entries whose namespace or name is among the given, or whose description contains the text. */
export function searchBuildpacks(query: {
  namespace: string[];
  name: string[];
  description: string | null;
}): RegisteredBuildpack[] {
  return BUILT_IN_BUILDPACKS.map(registered).filter((entry) => {
    if (query.namespace.length > 0 && !query.namespace.includes(entry.namespace)) return false;
    if (query.name.length > 0 && !query.name.includes(entry.name)) return false;
    return query.description === null || entry.description.toLowerCase().includes(query.description.toLowerCase());
  });
}

export function findRegisteredBuildpack(name: string): RegisteredBuildpack {
  const buildpack = BUILT_IN_BUILDPACKS.find((each) => each.name === name);
  if (buildpack === undefined) throw notFound("buildpack");
  return registered(buildpack);
}

function registered({ name: full, description }: { name: string; description: string }): RegisteredBuildpack {
  const [namespace = "", name = ""] = full.split("/");
  return {
    blob_url: `${BUILDPACK_URN}${full}`,
    category: "languages",
    description,
    name,
    namespace,
    source: { type: "built-in" },
    support: { method: "website", address: "the operator of this platform" },
    two_factor_authentication: false,
  };
}
