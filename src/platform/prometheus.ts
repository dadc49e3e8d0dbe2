import type { Platform } from "./context.ts";
import { addFigure, boundOf, emptyFigure, type Figure } from "./figure.ts";
import type { MinuteFigure } from "./figure-intake.ts";

/** Upper bounds of the response-time histogram, in seconds, as Prometheus' own clients have them, and a minute. */
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

const LATEST = {
  "memory.rss.bytes": ["zarpa_dyno_memory_rss_bytes", "Memory of the dyno's programs."],
  "memory.cache.bytes": ["zarpa_dyno_memory_cache_bytes", "File pages in memory."],
  "memory.swap.bytes": ["zarpa_dyno_memory_swap_bytes", "Memory in swap."],
  "memory.quota.bytes": ["zarpa_dyno_memory_quota_bytes", "Memory of the dyno's size."],
  "load.avg-1m": ["zarpa_dyno_load_average_1m", "Threads that run or wait for a processor or a disk, over a minute."],
  "cpu.processors": ["zarpa_dyno_processors_used", "Processors in use."],
} as const;

/** A drain's counts, from the log plane. */
export interface DrainCounts {
  app_id: string;
  token: string;
  delivered: number;
  dropped: number;
}

/** Figures since the control plane's start, for Prometheus, which keeps its own history. */
export class Totals {
  readonly #figures = new Map<string, Map<string, Figure>>();
  readonly #latest = new Map<string, Map<string, Record<string, number>>>();

  add(figures: readonly MinuteFigure[]): void {
    for (const { appId, process, figure } of figures) {
      // Every one-off dyno is measured: only what has something to count is kept.
      if (Object.keys(figure.counters).length === 0) continue;
      const app = this.#figures.get(appId) ?? new Map<string, Figure>();
      this.#figures.set(appId, app);
      const total = app.get(process) ?? emptyFigure();
      app.set(process, total);
      addFigure(total, { ...figure, gauges: {} });
    }
  }

  /** Replaces the last samples: what is not among them has ended. */
  sampled(samples: readonly { appId: string; process: string; values: Record<string, number> }[]): void {
    this.#latest.clear();
    for (const { appId, process, values } of samples) {
      const app = this.#latest.get(appId) ?? new Map<string, Record<string, number>>();
      this.#latest.set(appId, app.set(process, values));
    }
  }

  /** The text exposition format, version 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/ */
  async expose(ctx: Platform, drains: readonly DrainCounts[]): Promise<string> {
    const apps = await ctx.db.selectFrom("apps").select(["id", "name"]).orderBy("name").execute();
    const names = new Map(apps.map(({ id, name }) => [id, name]));
    for (const id of this.#figures.keys()) if (!names.has(id)) this.#figures.delete(id);
    const states = await ctx.db
      .selectFrom("dynos")
      .select((is) => ["app_id", "type", "state", is.fn.countAll<number>().as("count")])
      .where("state", "<>", "down")
      .groupBy(["app_id", "type", "state"])
      .execute();
    const wakes = await ctx.db
      .selectFrom("sleeps")
      .select((is) => [
        "app_id",
        is.fn.count<number>("wake_milliseconds").as("count"),
        is.fn.sum<number>("wake_milliseconds").as("sum"),
      ])
      .where("wake_milliseconds", "is not", null)
      .groupBy("app_id")
      .execute();
    const page = new Page(names);
    page.family("zarpa_dynos", "gauge", "Dynos by state.");
    for (const { app_id, type, state, count } of states) page.value("zarpa_dynos", app_id, { type, state }, Number(count));
    this.#exposeFigures(page);
    page.family("zarpa_wake_seconds", "summary", "Time from the request to the dyno that could answer it, of sleeping apps.");
    for (const { app_id, count, sum } of wakes) {
      page.value("zarpa_wake_seconds_sum", app_id, {}, Number(sum) / 1000);
      page.value("zarpa_wake_seconds_count", app_id, {}, Number(count));
    }
    for (const [name, [metric, help]] of Object.entries(LATEST)) {
      page.family(metric, "gauge", help);
      for (const [appId, processes] of this.#latest) {
        for (const [dyno, values] of processes) {
          const value = values[name];
          if (value !== undefined) page.value(metric, appId, { dyno }, value);
        }
      }
    }
    page.family("zarpa_drain_lines_total", "counter", "Log lines that drains have delivered or dropped.");
    for (const { app_id, token, delivered, dropped } of drains) {
      page.value("zarpa_drain_lines_total", app_id, { drain: token, outcome: "delivered" }, delivered);
      page.value("zarpa_drain_lines_total", app_id, { drain: token, outcome: "dropped" }, dropped);
    }
    return page.text;
  }

  #exposeFigures(page: Page): void {
    page.family("zarpa_requests_total", "counter", "Answers by status.");
    this.#counters(page, "zarpa_requests_total", /^\d+$/, "status");
    page.family("zarpa_errors_total", "counter", "Router (H) and dyno (R) errors by code.");
    this.#counters(page, "zarpa_errors_total", /^[HR]/, "code");
    page.family("zarpa_response_seconds", "histogram", "Time from the connection to the dyno until its answer was complete.");
    for (const [appId, processes] of this.#figures) {
      const sum = emptyFigure();
      for (const figure of processes.values()) addFigure(sum, figure);
      exposeHistogram(page, appId, sum.latency);
    }
  }

  #counters(page: Page, metric: string, names: RegExp, label: string): void {
    for (const [appId, processes] of this.#figures) {
      for (const [dyno, { counters }] of processes) {
        for (const [name, times] of Object.entries(counters)) {
          if (names.test(name)) page.value(metric, appId, { dyno, [label]: name }, times);
        }
      }
    }
  }
}

function exposeHistogram(page: Page, appId: string, latency: Figure["latency"]): void {
  const buckets = Object.entries(latency).map(([bucket, times]) => ({ seconds: boundOf(Number(bucket)) / 1000, times }));
  const total = buckets.reduce((sum, { times }) => sum + times, 0);
  if (total === 0) return;
  for (const bound of BOUNDS) {
    const within = buckets.filter(({ seconds }) => seconds <= bound * 1.001).reduce((sum, { times }) => sum + times, 0);
    page.value("zarpa_response_seconds_bucket", appId, { le: String(bound) }, within);
  }
  page.value("zarpa_response_seconds_bucket", appId, { le: "+Inf" }, total);
  const sum = buckets.reduce((sum, { seconds, times }) => sum + seconds * times, 0);
  page.value("zarpa_response_seconds_sum", appId, {}, sum);
  page.value("zarpa_response_seconds_count", appId, {}, total);
}

class Page {
  readonly #names: ReadonlyMap<string, string>;
  text = "";

  constructor(names: ReadonlyMap<string, string>) {
    this.#names = names;
  }

  family(name: string, type: string, help: string): void {
    this.text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  }

  /** Nothing, when the app is gone. */
  value(name: string, appId: string, labels: Record<string, string>, value: number): void {
    const app = this.#names.get(appId);
    if (app === undefined) return;
    const all = Object.entries({ app, ...labels }).map(([key, text]) => `${key}="${text.replaceAll(/[\\"\n]/g, "\\$&")}"`);
    this.text += `${name}{${all.join(",")}} ${value}\n`;
  }
}
