import type { Clock } from "../kernel/clock.ts";
import type { Journal } from "../kernel/journal.ts";
import type { Dynos } from "./dynos.ts";
import type { DynoFact } from "./facts.ts";
import { memoryVerdict } from "./memory-limits.ts";
import type { Driver, DynoLog } from "./ports.ts";

export interface MemoryWatchOptions {
  driver: Driver;
  dynos: Dynos;
  log: DynoLog;
  clock: Clock;
  journal: Journal;
}

/** Heroku repeats R14 about this often. */
const PERIOD_MILLISECONDS = 20_000;

/** Looks at the memory of all running dynos: R14 is said again and again, R15 ends the dyno. */
export class MemoryWatch {
  readonly #options: MemoryWatchOptions;
  readonly #ending = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(options: MemoryWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#watch();
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  async #watch(): Promise<void> {
    const { clock, dynos, journal } = this.#options;
    while (!this.#ending.signal.aborted) {
      await clock.sleep(PERIOD_MILLISECONDS, this.#ending.signal).catch(() => {});
      for (const [dynoId, fact] of dynos.facts) {
        if (this.#ending.signal.aborted) return;
        try {
          await this.#look(dynoId, fact);
        } catch (cause) {
          journal.fault("runtime.memory", cause, { dyno_id: dynoId });
        }
      }
    }
  }

  async #look(dynoId: string, fact: DynoFact): Promise<void> {
    const { driver, dynos, log } = this.#options;
    const { identity } = fact;
    if (identity === null || fact.phase !== "running" || fact.frozen || fact.killed) return;
    const usage = await driver.usage(dynoId);
    if (usage === null) return;
    const { messages, isVast } = memoryVerdict(usage, identity.quotaBytes, usage.memoryKills > 0);
    if (isVast) messages.push("Stopping process with SIGKILL");
    for (const message of messages) log.say({ appId: identity.appId, process: identity.process, message });
    if (isVast) await dynos.signal(dynoId, "SIGKILL");
  }
}
