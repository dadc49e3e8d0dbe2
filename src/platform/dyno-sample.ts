import type { Platform } from "./context.ts";

/** A dyno whose use is measured. */
export interface SampledDyno {
  id: string;
  app_id: string;
  /** The app's number, which stands in the lines' `dyno=heroku.<number>.<id>`. */
  number: number;
  name: string;
  memoryBytes: number;
  /** The app has switched `log-runtime-metrics` on. */
  isLogged: boolean;
}

/** The shape of `DynoUsage` in src/runtime/ports.ts, which this room may not import. */
export interface DynoUse {
  rssBytes: number;
  cacheBytes: number;
  swapBytes: number;
  pagesIn: number | null;
  pagesOut: number | null;
  cpuMilliseconds: number;
  runnable: number;
}

export interface DynoSample {
  use: DynoUse;
  /** Load averages over 1, 5 and 15 minutes. */
  load: [number, number, number];
  /** Processors used since the last sample: 0.5 is half of one; null at the first. */
  processors: number | null;
}

const BYTES_PER_MEGABYTE = 1024 * 1024;
const LOAD_SECONDS = [60, 300, 900] as const;

/** Every dyno that runs. Frozen ones use nothing but memory, and are left alone. */
export async function sampledDynos(ctx: Platform): Promise<SampledDyno[]> {
  const rows = await ctx.db
    .selectFrom("dynos")
    .innerJoin("apps", "apps.id", "dynos.app_id")
    .leftJoin("features", (join) =>
      join
        .onRef("features.owner_id", "=", "apps.id")
        .on("features.name", "=", "log-runtime-metrics")
        .on("features.enabled", "=", true),
    )
    .select(["dynos.id", "dynos.app_id", "apps.number", "dynos.name", "dynos.size", "features.name as feature"])
    .where("dynos.state", "in", ["starting", "up"])
    .execute();
  return rows.map(({ size, feature, ...row }) => ({
    ...row,
    memoryBytes: ctx.sizes.limits(size).memoryBytes,
    isLogged: feature !== null,
  }));
}

/** Turns single looks at dynos into averages; knows every dyno from its last look. */
export class DynoSampler {
  readonly #former = new Map<string, { at: number; sample: DynoSample }>();

  /** The load average falls and rises like the kernel's: exponentially, from nought. */
  add(dynoId: string, use: DynoUse, at: Date): DynoSample {
    const now = at.getTime();
    const former = this.#former.get(dynoId);
    const seconds = former === undefined ? 0 : (now - former.at) / 1000;
    const load = LOAD_SECONDS.map((span, index) => {
      const before = former?.sample.load[index] ?? use.runnable;
      return use.runnable + (before - use.runnable) * Math.exp(-seconds / span);
    }) as [number, number, number];
    const spent = former === undefined ? 0 : use.cpuMilliseconds - former.sample.use.cpuMilliseconds;
    const sample = { use, load, processors: seconds > 0 && spent >= 0 ? spent / 1000 / seconds : null };
    this.#former.set(dynoId, { at: now, sample });
    return sample;
  }

  /** Forgets all dynos but these. */
  keep(dynoIds: ReadonlySet<string>): void {
    for (const id of this.#former.keys()) if (!dynoIds.has(id)) this.#former.delete(id);
  }
}

/** The sample's values by their names in the metrics API; bytes, and processors. */
export function sampleValues({ use, load, processors }: DynoSample, memoryBytes: number): Record<string, number> {
  const { rssBytes, cacheBytes, swapBytes } = use;
  return {
    "memory.total.bytes": rssBytes + cacheBytes + swapBytes,
    "memory.swap-plus-rss.bytes": rssBytes + swapBytes,
    "memory.rss.bytes": rssBytes,
    "memory.cache.bytes": cacheBytes,
    "memory.swap.bytes": swapBytes,
    "memory.quota.bytes": memoryBytes,
    "load.avg-1m": load[0],
    ...(processors === null ? {} : { "cpu.processors": processors }),
  };
}

/** The lines of the feature `log-runtime-metrics`: https://devcenter.heroku.com/articles/log-runtime-metrics */
export function runtimeMetricsLines(dyno: SampledDyno, { use, load }: DynoSample): string[] {
  const { rssBytes, cacheBytes, swapBytes, pagesIn, pagesOut } = use;
  const source = `source=${dyno.name} dyno=heroku.${dyno.number}.${dyno.id}`;
  const averages = ["1m", "5m", "15m"].map((span, index) => `sample#load_avg_${span}=${load[index]!.toFixed(2)}`);
  const megabytes = (name: string, bytes: number): string => `sample#memory_${name}=${(bytes / BYTES_PER_MEGABYTE).toFixed(2)}MB`;
  const memory = [
    megabytes("total", rssBytes + cacheBytes + swapBytes),
    megabytes("rss", rssBytes),
    megabytes("cache", cacheBytes),
    megabytes("swap", swapBytes),
    ...(pagesIn === null ? [] : [`sample#memory_pgpgin=${pagesIn}pages`]),
    ...(pagesOut === null ? [] : [`sample#memory_pgpgout=${pagesOut}pages`]),
    megabytes("quota", dyno.memoryBytes),
  ];
  return [`${source} ${averages.join(" ")}`, `${source} ${memory.join(" ")}`];
}
