import type { Clock } from "../kernel/clock.ts";
import type { Journal } from "../kernel/journal.ts";
import type { DynoFact, Facts } from "./facts.ts";
import type { Driver, DynoRecord, StartedDyno } from "./ports.ts";

export interface WindDownOptions {
  driver: Pick<Driver, "connections">;
  facts: Facts;
  clock: Clock;
  journal: Journal;
  /** A dyno of this app may be stopped now. */
  changed(appId: string): void;
}

/** As long as Heroku gives a process after SIGTERM: article "Dynos and the Dyno Manager". */
const LONGEST_MILLISECONDS = 30_000;
/** The kernel walks its whole table for each look. */
const LOOK_MILLISECONDS = 250;
/** What has not ended by then is a long download or a WebSocket, and is looked for less often. */
const PATIENT_AFTER_MILLISECONDS = 5_000;
const PATIENT_LOOK_MILLISECONDS = 1_000;
/**
 * A request may have chosen the dyno just before the routes changed and be about to connect; and the router's snapshot of its routes, from
 * which it would start again, is written within this time.
 */
const SHORTEST_MILLISECONDS = 500;

interface Leaving {
  appId: string;
  /** Connections that are still open when it is over; null before. */
  open: number | null;
  abort: AbortController;
}

/**
 * Web dynos that the router no longer chooses finish what they have: they are told to stop when nobody is connected to them any more, or
 * after 30 s. The kernel's own table of connections tells; it knows WebSockets, and requests of a router that was killed or reloaded.
 */
export class WindDown {
  readonly #options: WindDownOptions;
  readonly #leaving = new Map<string, Leaving>();

  constructor(options: WindDownOptions) {
    this.#options = options;
  }

  /**
   * To be called when the router knows that these dynos of the app, and no others, are leaving. Answers those that may be stopped now,
   * each with the number of connections that this ends.
   */
  sift(appId: string, records: readonly DynoRecord[]): { record: DynoRecord; open: number }[] {
    const wanted = new Set(records.map(({ id }) => id));
    for (const [dynoId, { appId: other }] of this.#leaving) {
      if (other === appId && !wanted.has(dynoId)) this.#forget(dynoId);
    }
    return records.flatMap((record) => {
      const open = this.#openOf(record);
      if (open === null) return [];
      this.#forget(record.id);
      return [{ record, open }];
    });
  }

  close(): void {
    for (const dynoId of this.#leaving.keys()) this.#forget(dynoId);
  }

  /** Null: it is to be waited for. */
  #openOf(record: DynoRecord): number | null {
    const known = this.#leaving.get(record.id);
    if (known !== undefined) return known.open;
    const started = servingOf(record, this.#options.facts.get(record.id));
    if (started === null) return 0;
    const leaving: Leaving = { appId: record.app_id, open: null, abort: new AbortController() };
    this.#leaving.set(record.id, leaving);
    void this.#watch(leaving, started.dyno, started.port);
    return null;
  }

  async #watch(leaving: Leaving, dyno: StartedDyno, port: number): Promise<void> {
    const { driver, clock, journal, changed } = this.#options;
    const { signal } = leaving.abort;
    let open = 0;
    try {
      const began = clock.now().getTime();
      await clock.sleep(SHORTEST_MILLISECONDS, signal);
      for (;;) {
        open = await driver.connections(dyno, port);
        const waited = clock.now().getTime() - began;
        if (open === 0 || waited >= LONGEST_MILLISECONDS) break;
        await clock.sleep(waited < PATIENT_AFTER_MILLISECONDS ? LOOK_MILLISECONDS : PATIENT_LOOK_MILLISECONDS, signal);
      }
    } catch (cause) {
      if (signal.aborted) return;
      journal.fault("runtime.wind_down", cause, { dyno_id: dyno.dynoId });
    }
    leaving.open = open;
    changed(leaving.appId);
  }

  #forget(dynoId: string): void {
    this.#leaving.get(dynoId)?.abort.abort();
    this.#leaving.delete(dynoId);
  }
}

/** Only what was up and reachable can have requests. */
function servingOf(record: DynoRecord, fact: DynoFact | undefined): { dyno: StartedDyno; port: number } | null {
  if (record.kind !== "formation" || record.type !== "web" || record.state !== "up") return null;
  if (fact === undefined || fact.phase !== "running" || fact.started === null || fact.started.port === null) return null;
  return { dyno: fact.started, port: fact.started.port };
}
