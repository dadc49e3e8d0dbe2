import type { Clock } from "../kernel/clock.ts";
import { Refusal } from "../kernel/refusal.ts";
import type { Api, ApiDeps } from "./api.ts";

/** Heroku's limit: https://devcenter.heroku.com/articles/platform-api-reference#rate-limits */
const REQUESTS_PER_HOUR = 4500;
const MILLISECONDS_PER_TOKEN = 3_600_000 / REQUESTS_PER_HOUR;
/** Full buckets are forgotten when so many are kept. */
const MANY_BUCKETS = 1000;

/** One token bucket an account: it holds 4500 requests and refills at 75 a minute. */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes one token; tells how many are left, or null when there was none. */
  take(accountId: string): number | null {
    const tokens = this.#tokens(accountId);
    if (tokens < 1) return null;
    this.#buckets.set(accountId, { tokens: tokens - 1, at: this.#clock.now().getTime() });
    if (this.#buckets.size > MANY_BUCKETS) this.#forgetFull();
    return Math.floor(tokens - 1);
  }

  /** How many requests the account has left. */
  remaining(accountId: string): number {
    return Math.floor(this.#tokens(accountId));
  }

  #tokens(accountId: string): number {
    const bucket = this.#buckets.get(accountId);
    if (bucket === undefined) return REQUESTS_PER_HOUR;
    const elapsed = Math.max(this.#clock.now().getTime() - bucket.at, 0);
    return Math.min(bucket.tokens + elapsed / MILLISECONDS_PER_TOKEN, REQUESTS_PER_HOUR);
  }

  #forgetFull(): void {
    for (const accountId of this.#buckets.keys()) {
      if (this.#tokens(accountId) >= REQUESTS_PER_HOUR) this.#buckets.delete(accountId);
    }
  }
}

/** Counts every authenticated request and refuses those beyond the limit with 429. */
export function installRateLimit(app: Api, deps: ApiDeps): RateLimiter {
  const limiter = new RateLimiter(deps.platform.clock);
  app.addHook("onRequest", async (request, reply) => {
    const { config } = request.routeOptions;
    if (request.is404 || config.open === true) return;
    const { accountId } = request.identity;
    const remaining = config.unlimited === true ? limiter.remaining(accountId) : limiter.take(accountId);
    void reply.header("ratelimit-remaining", String(remaining ?? 0));
    if (remaining === null) {
      const message = "Your account reached the API rate limit. Please wait a few minutes before making new requests.";
      throw new Refusal("rate_limit", message);
    }
  });
  return limiter;
}
