import type { Clock } from "../kernel/clock.ts";
import type { Journal } from "../kernel/journal.ts";
import { Refusal } from "../kernel/refusal.ts";
import { terminalOf } from "./environment.ts";
import type { AttachedDyno, Driver, DynoLog, InsideOrder } from "./ports.ts";
import type { Attachable } from "./rendezvous.ts";

/** A client of `heroku run:inside` that is expected. */
export interface InsideSession extends InsideOrder {
  appId: string;
  /** The account that the app belongs to. */
  ownerId: string;
  dynoId: string;
  /** Where the log speaks of it: `web.1`. */
  process: string;
  hasTerminal: boolean;
  /** SHA-256 of the client's secret. */
  digest: Buffer;
}

export interface InsidesOptions {
  driver: Pick<Driver, "inside">;
  log: Pick<DynoLog, "say">;
  clock: Clock;
  journal: Journal;
}

/** Heroku's time for a client to attach. */
const ATTACH_MILLISECONDS = 30_000;
/** Each takes ten megabytes of the machine's memory, outside of the dyno's, and a connection that others' `heroku run` may want. */
const MAX_SESSIONS_PER_ACCOUNT = 25;

/** The sessions in running dynos: they have no rows, and end with the control plane or with their dyno. */
export class Insides {
  readonly #options: InsidesOptions;
  readonly #expected = new Map<string, InsideSession>();
  readonly #open = new Set<InsideSession>();

  constructor(options: InsidesOptions) {
    this.#options = options;
  }

  /** Throws a Refusal when the account has too many of them already. */
  expect(session: InsideSession): void {
    const own = [...this.#expected.values(), ...this.#open].filter(({ ownerId }) => ownerId === session.ownerId);
    if (own.length >= MAX_SESSIONS_PER_ACCOUNT) {
      const message = `Only ${MAX_SESSIONS_PER_ACCOUNT} programs may run inside the dynos of an account at once: end some of them first.`;
      throw new Refusal("rate_limit", message);
    }
    const key = session.digest.toString("hex");
    this.#expected.set(key, session);
    this.#options.clock.after(ATTACH_MILLISECONDS, () => {
      if (this.#expected.delete(key)) this.#say(session, "Error R13 (Attach error) -> Failed to attach to process");
    });
  }

  /** Whether somebody is in a dyno of the app. */
  areIn(appId: string): boolean {
    return [...this.#open].some((session) => session.appId === appId);
  }

  /** The session that waits for this secret; each is given out once. */
  claim(digest: Buffer): Attachable | null {
    const key = digest.toString("hex");
    const session = this.#expected.get(key);
    if (session === undefined) return null;
    this.#expected.delete(key);
    return {
      hasTerminal: session.hasTerminal,
      attach: async () => await this.#attach(session),
      onDetached: () =>
        this.#say(
          session,
          "Error R16 (Detached) -> An attached process is not responding to SIGHUP after its external connection was closed.",
        ),
    };
  }

  async #attach(session: InsideSession): Promise<AttachedDyno | null> {
    const { driver, journal } = this.#options;
    const { appId, dynoId } = session;
    this.#open.add(session);
    const leave = (): boolean => this.#open.delete(session);
    try {
      const attached = await driver.inside(dynoId, session, session.hasTerminal ? terminalOf(session.env) : null);
      attached.exited.then(leave, leave);
      return attached;
    } catch (cause) {
      leave();
      journal.fault("runtime.inside", cause, { app_id: appId, dyno_id: dynoId });
      this.#say(session, "Error R99 (Platform error) -> Failed to run inside the dyno");
      return null;
    }
  }

  #say({ appId, process }: InsideSession, message: string): void {
    this.#options.log.say({ appId, process, message });
  }
}
