import { Refusal } from "../kernel/refusal.ts";
import type { Platform } from "./context.ts";
import { addFigure, emptyFigure, type Figure, percentile } from "./figure.ts";
import { RESOLUTIONS } from "./figure-store.ts";
import { invalid } from "./refusals.ts";

/** What is asked for: of which time, in steps of how many seconds, of which processes (a type or one dyno's name; null: all). */
export interface MetricQuery {
  from: Date;
  to: Date;
  step: number;
  process: string | null;
}

/** Named rows of values, one for each step; null: nothing was measured. */
export type Series = Record<string, (number | null)[]>;

const DAY_MILLISECONDS = 24 * 3_600_000;
const MOST_STEPS = 1_500;
const DEFAULT_STEP = "1m";
const UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 };
const MILLION = 1024 * 1024;

/** Reads `start_time`, `end_time` (ISO 8601; the last day when left out) and `step` (`1m`, `10m`, `1h`). */
export function metricQuery(
  ctx: Platform,
  given: { start_time?: string | undefined; end_time?: string | undefined; step?: string | undefined },
  process: string | null,
): MetricQuery {
  const to = timeOf("end_time", given.end_time) ?? ctx.clock.now();
  const from = timeOf("start_time", given.start_time) ?? new Date(to.getTime() - DAY_MILLISECONDS);
  const [, amount = "", unit = ""] = /^(\d{1,6})([smhd])(?:0[smh])*$/.exec(given.step ?? DEFAULT_STEP) ?? [];
  const wished = Number(amount) * (UNITS[unit] ?? 0);
  if (wished === 0) throw invalid(`"${given.step}" is no step: it must look like 1m, 10m or 1h.`);
  if (to <= from) throw invalid("end_time must be after start_time.");
  // The finest figures that go back so far and that the wished step is made of; older ones are only there in hours.
  const age = (ctx.clock.now().getTime() - from.getTime()) / 1000;
  const stored = RESOLUTIONS.find(({ step, kept }) => age <= kept + step)?.step ?? RESOLUTIONS.at(-1)!.step;
  const step = Math.ceil(Math.max(wished, stored) / stored) * stored;
  const first = Math.floor(from.getTime() / 1000 / step) * step;
  if ((to.getTime() / 1000 - first) / step > MOST_STEPS) {
    throw invalid(`That would be more than ${MOST_STEPS} steps: ask for a longer step or a shorter time.`);
  }
  return { from: new Date(first * 1000), to, step, process };
}

/** The figures of an app in each step. */
export async function readFigures(ctx: Platform, appId: string, query: MetricQuery): Promise<Figure[]> {
  const { from, to, step, process } = query;
  const stored = RESOLUTIONS.findLast((one) => step % one.step === 0 && from.getTime() >= oldest(ctx, one))?.step ?? 60;
  const steps = Math.ceil((to.getTime() - from.getTime()) / 1000 / step);
  const figures = Array.from({ length: steps }, emptyFigure);
  let rows = ctx.db
    .selectFrom("figures")
    .select(["at", "counters", "latency", "gauges"])
    .where("app_id", "=", appId)
    .where("step", "=", stored)
    .where("at", ">=", from)
    .where("at", "<", to);
  if (process !== null) {
    rows = rows.where((is) =>
      is.or([is("process", "=", process), is("process", "like", `${process.replaceAll(/[%_\\]/g, "\\$&")}.%`)]),
    );
  }
  for (const row of await rows.execute()) {
    const index = Math.floor((row.at.getTime() - from.getTime()) / 1000 / step);
    const figure = figures[index];
    if (figure !== undefined) addFigure(figure, row);
  }
  return figures;
}

/** How often the counters that match were counted. */
export function countSeries(figures: readonly Figure[], names: RegExp): Series {
  const found = new Set(figures.flatMap(({ counters }) => Object.keys(counters).filter((name) => names.test(name))));
  const series = [...found].toSorted().map((name) => [name, figures.map(({ counters }) => counters[name] ?? 0)] as const);
  return Object.fromEntries(series);
}

const PERCENTILES = { "latency.ms.p50": 0.5, "latency.ms.p95": 0.95, "latency.ms.p99": 0.99, "latency.ms.max": 1 };

/** Response times in milliseconds. */
export function latencySeries(figures: readonly Figure[]): Series {
  const series = Object.entries(PERCENTILES).map(([name, share]) => {
    const values = figures.map(({ latency }) => rounded(percentile(latency, share), 10));
    return [name, values] as const;
  });
  return Object.fromEntries(series);
}

/** Mean and greatest value of each measured thing whose name begins with `prefix`. */
export function gaugeSeries(figures: readonly Figure[], prefix: string): Series {
  const found = new Set(figures.flatMap(({ gauges }) => Object.keys(gauges).filter((name) => name.startsWith(prefix))));
  const series: Series = {};
  for (const name of [...found].toSorted()) {
    const all = figures.map(({ gauges }) => gauges[name]);
    series[`${name}.mean`] = all.map((gauge) => (gauge === undefined ? null : rounded(gauge[1] / gauge[0], MILLION)));
    series[`${name}.max`] = all.map((gauge) => (gauge === undefined ? null : rounded(gauge[2], MILLION)));
  }
  return series;
}

/** How often the app was woken in each step, and how long that took, in milliseconds. */
export async function wakeSeries(ctx: Platform, appId: string, { from, to, step }: MetricQuery): Promise<Series> {
  const rows = await ctx.db
    .selectFrom("sleeps")
    .select(["ended_at", "wake_milliseconds"])
    .where("app_id", "=", appId)
    .where("ended_at", ">=", from)
    .where("ended_at", "<", to)
    .where("wake_milliseconds", "is not", null)
    .execute();
  const steps = Math.ceil((to.getTime() - from.getTime()) / 1000 / step);
  const wakes = Array.from({ length: steps }, (): number[] => []);
  for (const { ended_at, wake_milliseconds } of rows) {
    if (ended_at !== null) wakes[Math.floor((ended_at.getTime() - from.getTime()) / 1000 / step)]?.push(wake_milliseconds ?? 0);
  }
  return {
    "wake.count": wakes.map((times) => times.length),
    "wake.ms.mean": wakes.map((times) => (times.length === 0 ? null : Math.round(times.reduce((a, b) => a + b) / times.length))),
    "wake.ms.max": wakes.map((times) => (times.length === 0 ? null : Math.max(...times))),
  };
}

/** A step as Heroku's metrics API writes it: `1h0m0s`. */
export function stepText(seconds: number): string {
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  return hours > 0 ? `${hours}h${minutes}m0s` : `${minutes}m0s`;
}

function oldest(ctx: Platform, { kept, step }: (typeof RESOLUTIONS)[number]): number {
  return ctx.clock.now().getTime() - (kept + step) * 1000;
}

function rounded(value: number | null, precision: number): number | null {
  return value === null ? null : Math.round(value * precision) / precision;
}

function timeOf(name: string, text: string | undefined): Date | null {
  if (text === undefined) return null;
  const time = new Date(text);
  if (Number.isNaN(time.getTime()))
    throw new Refusal("bad_request", `${name} is "${text}": it must be a time such as 2026-01-31T12:00:00Z.`);
  return time;
}
