import { type Static, Type } from "typebox";
import { Metric, MetricQuery } from "../../contract/metric.ts";
import { AppParams } from "../../contract/reference.ts";
import { Refusal } from "../../kernel/refusal.ts";
import { findApp } from "../../platform/access.ts";
import { listFormation } from "../../platform/formation.ts";
import {
  countSeries,
  gaugeSeries,
  latencySeries,
  metricQuery,
  readFigures,
  type Series,
  stepText,
  wakeSeries,
} from "../../platform/metric.ts";
import type { Figure } from "../../platform/figure.ts";
import type { Identity } from "../../platform/identity.ts";
import type { Api, ApiDeps } from "../api.ts";

const TypeParams = Type.Object({ ...AppParams.properties, type: Type.String({ description: "Process type." }) });

const ROUTER_METRICS: Record<string, (figures: Figure[]) => Series> = {
  errors: (figures) => countSeries(figures, /^H/),
  latency: latencySeries,
  status: (figures) => countSeries(figures, /^\d/),
};

const DYNO_METRICS: Record<string, (figures: Figure[]) => Series> = {
  errors: (figures) => countSeries(figures, /^R/),
  memory: (figures) => gaugeSeries(figures, "memory."),
  load: (figures) => gaugeSeries(figures, "load."),
  cpu: (figures) => gaugeSeries(figures, "cpu."),
};

/** Figures of apps: `heroku apps:errors` and the dashboard's graphs; and all of them at once for Prometheus. */
export function registerMetricRoutes(app: Api, deps: ApiDeps): void {
  const { platform, ports } = deps;
  const tags = ["metric"];
  const response = { "2xx": Metric };
  const read = async (
    appId: string,
    given: Static<typeof MetricQuery>,
    process: string | null,
    series: (figures: Figure[]) => Series,
  ): Promise<Static<typeof Metric>> => {
    const query = metricQuery(platform, given, given.dyno ?? process);
    return { ...headOf(query), data: series(await readFigures(platform, appId, query)) };
  };

  for (const [name, series] of Object.entries(ROUTER_METRICS)) {
    const schema = { tags, params: AppParams, querystring: MetricQuery, response };
    app.get(`/apps/:app/router-metrics/${name}`, { schema }, async ({ identity, params, query }) => {
      const found = await findApp(platform, params.app, identity);
      // The router's requests are the web dynos', and those that met none.
      const isOther = query.process_type !== undefined && query.process_type !== "web";
      return await read(found.id, query, null, isOther ? () => ({}) : series);
    });
  }
  const schema = { tags, params: TypeParams, querystring: MetricQuery, response };
  for (const [name, series] of Object.entries(DYNO_METRICS)) {
    app.get(`/apps/:app/formation/:type/metrics/${name}`, { schema }, async ({ identity, params, query }) => {
      const id = await findType(deps, params, identity);
      return await read(id, query, params.type, series);
    });
  }
  app.get("/apps/:app/formation/:type/metrics/wake", { schema }, async ({ identity, params, query }) => {
    const id = await findType(deps, params, identity);
    const wanted = metricQuery(platform, query, null);
    return { ...headOf(wanted), data: await wakeSeries(platform, id, wanted) };
  });

  app.get(
    "/metrics",
    { schema: { tags, description: "Text format of Prometheus; for administrators." }, config: { unlimited: true } },
    async (request, reply) => {
      if (!request.identity.isAdmin) throw new Refusal("forbidden", "The figures of all apps are for administrators.");
      return await reply.type("text/plain; version=0.0.4; charset=utf-8").send(await ports.exposeFigures());
    },
  );
}

/** The id of the app, which has had dynos of that type. */
async function findType({ platform }: ApiDeps, params: Static<typeof TypeParams>, identity: Identity): Promise<string> {
  const found = await findApp(platform, params.app, identity);
  const types = (await listFormation(platform.db, found.id)).map(({ type }) => type);
  if (types.includes(params.type) || ["run", "release"].includes(params.type)) return found.id;
  // The CLI knows this answer by its beginning.
  throw new Refusal("bad_request", `invalid process_type provided: ${found.name} has no "${params.type}".`);
}

function headOf({ from, to, step }: { from: Date; to: Date; step: number }): {
  start_time: string;
  end_time: string;
  step: string;
} {
  return { start_time: from.toISOString(), end_time: to.toISOString(), step: stepText(step) };
}
