import type { Clock } from "../kernel/clock.ts";
import { Refusal } from "../kernel/refusal.ts";

const WINDOW_MILLISECONDS = 15 * 60 * 1000;
/** Wrong passwords in the window: by one address for one account, by one address, and for one account from anywhere. */
const MAX_PER_PAIR = 10;
const MAX_PER_ADDRESS = 50;
const MAX_PER_ACCOUNT = 200;
const MANY_KEYS = 10_000;

/** Slows down the guessing of passwords. Every attempt counts until it succeeds, so that parallel ones cannot slip through. */
export class LoginThrottle {
  readonly #clock: Clock;
  readonly #counts = new Map<string, { count: number; since: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts an attempt; refuses when there were too many. */
  attempt(address: string, email: string): void {
    const limits = limitsOf(address, email);
    if (limits.some(([key, max]) => this.#count(key) >= max)) {
      throw new Refusal("rate_limit", "Too many login attempts. Please wait 15 minutes before trying again.");
    }
    for (const [key] of limits) this.#add(key);
  }

  /** The attempt was right: it does not count. */
  succeeded(address: string, email: string): void {
    for (const [key] of limitsOf(address, email)) {
      const entry = this.#counts.get(key);
      if (entry !== undefined) entry.count -= 1;
    }
  }

  #count(key: string): number {
    const entry = this.#counts.get(key);
    if (entry === undefined) return 0;
    if (this.#clock.now().getTime() - entry.since < WINDOW_MILLISECONDS) return entry.count;
    this.#counts.delete(key);
    return 0;
  }

  #add(key: string): void {
    const count = this.#count(key);
    const entry = this.#counts.get(key);
    this.#counts.set(key, { count: count + 1, since: entry?.since ?? this.#clock.now().getTime() });
    if (this.#counts.size > MANY_KEYS) for (const other of this.#counts.keys()) this.#count(other);
  }
}

function limitsOf(address: string, email: string): [key: string, max: number][] {
  const account = email.trim().toLowerCase();
  return [
    [`pair ${address} ${account}`, MAX_PER_PAIR],
    [`address ${address}`, MAX_PER_ADDRESS],
    [`account ${account}`, MAX_PER_ACCOUNT],
  ];
}
