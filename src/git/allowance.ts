import type { Clock } from "../kernel/clock.ts";

/** Heroku allows 75 git requests an hour for an app and user; a machine of one's own need not be that strict. */
export const GIT_REQUESTS_PER_HOUR = 750;

const HOUR_MILLISECONDS = 3_600_000;
const SWEEP_ABOVE_KEYS = 1000;

/** A bucket of tokens per key that refills evenly over the hour. */
export class Allowance {
  readonly #perHour: number;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(perHour: number, clock: Clock) {
    this.#perHour = perHour;
    this.#clock = clock;
  }

  /** Takes one request from the key's bucket: 0, or the seconds until there is one again. */
  spend(key: string): number {
    const now = this.#clock.now().getTime();
    if (this.#buckets.size > SWEEP_ABOVE_KEYS) this.#sweep(now);
    const tokens = this.#tokens(key, now);
    if (tokens < 1) return Math.ceil(((1 - tokens) * HOUR_MILLISECONDS) / this.#perHour / 1000);
    this.#buckets.set(key, { tokens: tokens - 1, at: now });
    return 0;
  }

  #tokens(key: string, now: number): number {
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return this.#perHour;
    return Math.min(this.#perHour, bucket.tokens + ((now - bucket.at) * this.#perHour) / HOUR_MILLISECONDS);
  }

  #sweep(now: number): void {
    for (const key of this.#buckets.keys()) {
      if (this.#tokens(key, now) >= this.#perHour) this.#buckets.delete(key);
    }
  }
}
