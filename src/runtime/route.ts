import type { AppRoute, DesiredApp, DynoRecord } from "./ports.ts";

/** What the router is to do for an app. `leaving`: ids of dynos that are about to be stopped and take no requests any more. */
export function routeOf(desired: DesiredApp, records: readonly DynoRecord[], leaving: ReadonlySet<string>): AppRoute {
  const web = records.filter(({ id, kind, type }) => kind === "formation" && type === "web" && !leaving.has(id));
  const backends = web.flatMap(({ name, state, address, port }) =>
    (state === "up" || state === "idle") && address !== null && port !== null ? [{ dyno: name, address, port }] : [],
  );
  const { id, name } = desired.app;
  return { app: { id, name }, hosts: desired.hosts, state: stateOf(desired, web, backends.length > 0), backends };
}

function stateOf(desired: DesiredApp, web: readonly DynoRecord[], hasBackends: boolean): AppRoute["state"] {
  if (desired.maintenance) return "maintenance";
  if (desired.release === null) return "blank";
  if (!desired.formation.some(({ type, quantity }) => type === "web" && quantity > 0)) return "none";
  if (hasBackends) return "up";
  const mayComeUp = web.some(({ state }) => state === "starting" || state === "created");
  return !mayComeUp && web.some(({ state }) => state === "crashed") ? "crashed" : "booting";
}
