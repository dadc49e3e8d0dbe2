import { join } from "node:path";
import { readRouterConfig } from "../contract/router-config.ts";
import type { AppRoute, DesiredApp, DynoRecord, RouteOptions } from "./ports.ts";

/**
 * What the router is to do for an app. `leaving`: ids of dynos that are about to be stopped and take no requests any more. `thawFiles`: by
 * which a dyno is thawed, none when it has no process or cannot be frozen.
 */
export function routeOf(
  desired: DesiredApp,
  records: readonly DynoRecord[],
  leaving: ReadonlySet<string>,
  thawFiles: (dynoId: string) => string[],
): AppRoute {
  const formation = records.filter(({ id, kind }) => kind === "formation" && !leaving.has(id));
  const web = formation.filter(({ type }) => type === "web");
  const { id, name } = desired.app;
  const options = optionsOf(desired);
  const route = { app: { id, name }, hosts: desired.hosts, ...(options === null ? {} : { options }) };
  const up = web.flatMap((record) => (record.state === "up" ? backendOf(record) : []));
  const state = stateOf(desired, web, up.length > 0);
  if (state !== "asleep") return { ...route, state, backends: up };
  // A dyno may still be up while the router learns that it is about to be frozen.
  const sleepers = formation.filter((record) => record.state === "idle" || record.state === "up");
  const backends = web.flatMap((record) =>
    sleepers.includes(record) && thawFiles(record.id).length > 0 ? backendOf(record) : [],
  );
  return { ...route, state, backends, thaw: sleepers.flatMap((record) => thawFiles(record.id)) };
}

function backendOf({ name, address, port }: DynoRecord): AppRoute["backends"] {
  return address === null || port === null ? [] : [{ dyno: name, address, port }];
}

function stateOf(desired: DesiredApp, web: readonly DynoRecord[], hasBackends: boolean): AppRoute["state"] {
  if (desired.maintenance) return "maintenance";
  if (desired.release === null) return "blank";
  if (!desired.formation.some(({ type, quantity }) => type === "web" && quantity > 0)) return "none";
  if (desired.sleep.exhausted) return "exhausted";
  if (desired.sleep.since !== null) return "asleep";
  if (hasBackends) return "up";
  const mayComeUp = web.some(({ state }) => state === "starting" || state === "created" || state === "idle");
  return !mayComeUp && web.some(({ state }) => state === "crashed") ? "crashed" : "booting";
}

/** https://devcenter.heroku.com/articles/session-affinity */
const AFFINITY = "http-session-affinity";

/** What the app wishes beyond the usual, by its features and config vars; null: nothing. */
function optionsOf({ release, features }: DesiredApp): RouteOptions | null {
  const { folders, ...wishes } = readRouterConfig(release?.config ?? {}).wishes;
  const options: RouteOptions = { ...wishes };
  if (features.includes(AFFINITY)) options.affinity = true;
  if (folders.length > 0 && release?.slugRoot) options.files = { root: join(release.slugRoot, "app"), folders };
  return Object.keys(options).length === 0 ? null : options;
}
