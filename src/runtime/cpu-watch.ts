import type { Clock } from "../kernel/clock.ts";
import type { Journal } from "../kernel/journal.ts";
import type { Facts } from "./facts.ts";
import type { Driver } from "./ports.ts";

export interface CpuWatchOptions {
  driver: Pick<Driver, "cpuMilliseconds" | "setShare">;
  dynos: { readonly facts: Facts };
  clock: Clock;
  journal: Journal;
}

const PERIOD_MILLISECONDS = 1000;
/** Of one processor: above it a dyno counts as busy, and below the other no longer. */
const BUSY_PART = 0.5;
const CALM_PART = 0.25;
/** Between busy dynos the shares are as their sizes say; who only answers a request now and then goes first. */
const BUSY_FACTOR = 1 / 16;

interface Pace {
  cpuMilliseconds: number;
  at: number;
  /** Null: not known yet. */
  busy: boolean | null;
}

/**
 * Lets dynos that compute all the time stand back behind those that seldom do: with equal shares the kernel lets a waking program wait for
 * the slice of one that runs, several milliseconds at every hop of a request. Nobody computes less while nobody else wants the processor.
 */
export class CpuWatch {
  readonly #options: CpuWatchOptions;
  readonly #ending = new AbortController();
  #paces = new Map<string, Pace>();
  #running: Promise<void> = Promise.resolve();

  constructor(options: CpuWatchOptions) {
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
      const paces = new Map<string, Pace>();
      for (const [dynoId, { phase, frozen, identity }] of dynos.facts) {
        if (this.#ending.signal.aborted) return;
        if (phase !== "running" || frozen || identity === null) continue;
        try {
          const pace = await this.#look(dynoId, identity.cpuShare);
          if (pace !== null) paces.set(dynoId, pace);
        } catch (cause) {
          journal.fault("runtime.cpu", cause, { dyno_id: dynoId });
        }
      }
      this.#paces = paces;
    }
  }

  async #look(dynoId: string, share: number): Promise<Pace | null> {
    const { driver, clock } = this.#options;
    const cpuMilliseconds = await driver.cpuMilliseconds(dynoId);
    if (cpuMilliseconds === null) return null;
    const at = clock.now().getTime();
    const last = this.#paces.get(dynoId);
    // An earlier control plane may have left it with less: its share is set once it is known to be calm, or not.
    if (last === undefined) return { cpuMilliseconds, at, busy: null };
    const part = (cpuMilliseconds - last.cpuMilliseconds) / Math.max(1, at - last.at);
    const busy = part > (last.busy === true ? CALM_PART : BUSY_PART);
    if (busy !== last.busy) await driver.setShare(dynoId, busy ? share * BUSY_FACTOR : share);
    return { cpuMilliseconds, at, busy };
  }
}
