import type { Clock } from "../../src/kernel/clock.ts";
import type { Journal } from "../../src/kernel/journal.ts";
import type { Drains } from "../../src/logplex/drains.ts";
import type { Logplex } from "../../src/logplex/logplex.ts";
import type { Platform } from "../../src/platform/context.ts";
import { DynoSampler, runtimeMetricsLines, sampledDynos, sampleValues } from "../../src/platform/dyno-sample.ts";
import { FigureIntake } from "../../src/platform/figure-intake.ts";
import { expireFigures, storeFigures } from "../../src/platform/figure-store.ts";
import { listLogDrains } from "../../src/platform/log-drain.ts";
import { Totals } from "../../src/platform/prometheus.ts";
import type { RequestLine } from "../../src/router/request-line.ts";
import type { DynoUsage } from "../../src/runtime/ports.ts";

/** https://devcenter.heroku.com/articles/log-runtime-metrics: a sample every 20 seconds or so. */
const SAMPLE_MILLISECONDS = 20_000;
const EXPIRE_MILLISECONDS = 3_600_000;
/** Stored in one transaction, which holds up changes of the apps that it is about for some milliseconds. */
const BATCH_FIGURES = 500;

export interface FigureParts {
  platform: Platform;
  logplex: Logplex;
  usage: (dynoId: string) => Promise<DynoUsage | null>;
  clock: Clock;
  journal: Journal;
}

/** Counts requests and codes, measures dynos, and takes the figures to the database every 20 seconds. */
export class Figures {
  readonly #parts: FigureParts;
  readonly #intake = new FigureIntake();
  readonly #sampler = new DynoSampler();
  readonly #totals = new Totals();
  readonly #ended = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #expiredAt = 0;

  constructor(parts: FigureParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Stores what was gathered, and ends. */
  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#running;
  }

  requests(lines: readonly RequestLine[]): void {
    for (const line of lines) this.#intake.request(line);
  }

  /** A line about a dyno, on its way to the app's log. */
  say(line: { appId: string; process: string; message: string }): void {
    this.#parts.logplex.say(line);
    this.#intake.line({ ...line, at: this.#parts.clock.now() });
  }

  /** Prometheus' page. */
  async expose(drains: Drains): Promise<string> {
    const counts = (await listLogDrains(this.#parts.platform, null)).map(({ id, app_id, token }) => {
      const { delivered, dropped } = drains.status(id) ?? { delivered: 0, dropped: 0 };
      return { app_id, token, delivered, dropped };
    });
    return await this.#totals.expose(this.#parts.platform, counts);
  }

  async #run(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#ended;
    while (!signal.aborted) {
      await clock.sleep(SAMPLE_MILLISECONDS, signal).catch(() => {});
      // The last time, only what was gathered is stored: the database may be about to end.
      if (!signal.aborted) await this.#guarded("figures.sample", async () => await this.#sample());
      await this.#guarded("figures.store", async () => await this.#store());
    }
  }

  async #sample(): Promise<void> {
    const { platform, usage, clock, logplex } = this.#parts;
    const dynos = await sampledDynos(platform);
    const samples: { appId: string; process: string; values: Record<string, number> }[] = [];
    for (const dyno of dynos) {
      const use = await usage(dyno.id);
      if (use === null) continue;
      const at = clock.now();
      const sample = this.#sampler.add(dyno.id, use, at);
      const values = sampleValues(sample, dyno.memoryBytes);
      this.#intake.sample(dyno.app_id, dyno.name, at, values);
      samples.push({ appId: dyno.app_id, process: dyno.name, values });
      if (!dyno.isLogged) continue;
      for (const message of runtimeMetricsLines(dyno, sample)) logplex.say({ appId: dyno.app_id, process: dyno.name, message });
    }
    this.#totals.sampled(samples);
    this.#sampler.keep(new Set(dynos.map(({ id }) => id)));
  }

  async #store(): Promise<void> {
    const { platform, clock, journal } = this.#parts;
    const taken = this.#intake.take();
    for (let start = 0; start < taken.length; start += BATCH_FIGURES) {
      const batch = taken.slice(start, start + BATCH_FIGURES);
      try {
        await storeFigures(platform, batch);
        this.#totals.add(batch);
      } catch (cause) {
        const lost = this.#intake.giveBack(taken.slice(start));
        if (lost > 0) journal.note("figures.dropped", { minutes: lost });
        throw cause;
      }
    }
    if (clock.now().getTime() - this.#expiredAt < EXPIRE_MILLISECONDS) return;
    await expireFigures(platform);
    this.#expiredAt = clock.now().getTime();
  }

  async #guarded(event: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (cause) {
      this.#parts.journal.fault(event, cause);
    }
  }
}
