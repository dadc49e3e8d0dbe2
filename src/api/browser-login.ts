import { equalInConstantTime, newToken } from "../kernel/ids.ts";
import type { Clock } from "../kernel/clock.ts";
import { Refusal } from "../kernel/refusal.ts";

/** The CLI gives up after ten minutes. */
const LOGIN_MILLISECONDS = 10 * 60 * 1000;
/** The CLI hangs up after 60 s without a byte; spaces before JSON are harmless. */
const DRIBBLE_MILLISECONDS = 20 * 1000;
const MAX_PENDING = 1000;
const MAX_PENDING_PER_ADDRESS = 30;
const MAX_DESCRIPTION_LENGTH = 200;

/** What the waiting CLI is told in the end. */
export type LoginResult = { access_token: string } | { error: string };

/** A login that a CLI has begun and a person finishes in the browser. */
export interface PendingLogin {
  id: string;
  description: string;
  /** Address of the machine that runs the CLI, shown to the person. */
  address: string;
  /** Comes back with the form. */
  formToken: string;
  result: LoginResult | null;
}

interface Entry extends PendingLogin {
  pollToken: string;
  finished: Promise<void>;
  finish: (result: LoginResult) => void;
}

/** Browser logins under way, in memory: a restart of the platform makes the CLI ask again. */
export class BrowserLogins {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Begins one; the poll token is the CLI's secret. */
  begin(description: string, address: string): { id: string; pollToken: string } {
    const mine = [...this.#entries.values()].filter((entry) => entry.address === address).length;
    if (this.#entries.size >= MAX_PENDING || mine >= MAX_PENDING_PER_ADDRESS) {
      throw new Refusal("rate_limit", "Too many logins are under way. Please try again in ten minutes.");
    }
    const id = newToken();
    const pollToken = newToken();
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancelTimer = this.#clock.after(LOGIN_MILLISECONDS, () => {
      entry.finish({ error: "The login was not finished within ten minutes." });
      this.#entries.delete(id);
    });
    const entry: Entry = {
      id,
      pollToken,
      description: description.slice(0, MAX_DESCRIPTION_LENGTH),
      address,
      formToken: newToken(),
      result: null,
      finished: promise,
      finish: (result) => {
        cancelTimer();
        entry.result ??= result;
        resolve();
      },
    };
    this.#entries.set(id, entry);
    return { id, pollToken };
  }

  /** The login of that id while it waits for its person; null when there is none or it is decided. */
  find(id: string): PendingLogin | null {
    const entry = this.#entries.get(id);
    return entry === undefined || entry.result !== null ? null : entry;
  }

  /** Decides it: the CLI gets the result at once. Only the first decision counts. */
  finish(id: string, result: LoginResult): void {
    this.#entries.get(id)?.finish(result);
    // If the CLI has gone meanwhile, nobody will fetch the token: forget it.
    this.#clock.after(DRIBBLE_MILLISECONDS * 2, () => this.#entries.delete(id));
  }

  /** The CLI's long poll: spaces while it waits, then one JSON document. Null when id or token are wrong. */
  wait(id: string, pollToken: string): AsyncGenerator<string> | null {
    const entry = this.#entries.get(id);
    if (entry === undefined || !equalInConstantTime(entry.pollToken, pollToken)) return null;
    return this.#dribble(entry);
  }

  async *#dribble(entry: Entry): AsyncGenerator<string> {
    while (entry.result === null) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const cancel = this.#clock.after(DRIBBLE_MILLISECONDS, resolve);
      await Promise.race([entry.finished, promise]);
      cancel();
      if (entry.result === null) yield " ";
    }
    this.#entries.delete(entry.id);
    yield JSON.stringify(entry.result);
  }
}
