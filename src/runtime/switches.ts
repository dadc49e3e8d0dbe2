import type { Clock } from "../kernel/clock.ts";
import type { Journal } from "../kernel/journal.ts";
import type { DesiredApp, DynoLog, DynoRecord, FormationStore, SwitchProof } from "./ports.ts";

export interface SwitchesOptions {
  store: Pick<FormationStore, "recordSwitch">;
  log: DynoLog;
  clock: Clock;
  journal: Journal;
}

/** A request is in the router's log within this time after its end. */
const SETTLING_MILLISECONDS = 1_500;
const RETRY_MILLISECONDS = 1_000;

interface Switch {
  releaseId: string;
  version: number;
  /** Another release was serving before. */
  replaces: boolean;
  /** One of its own dynos has served. */
  cameUp: boolean;
  from: number;
  to: number | null;
  served: number;
  failed: number;
  socketsEnded: number;
}

/**
 * Measures each switch from one release to the next: from the start of the first new web dyno to the end of the last old one. What the
 * router served and failed meanwhile becomes the release's own proof.
 */
export class Switches {
  readonly #options: SwitchesOptions;
  /** By app id. */
  readonly #open = new Map<string, Switch>();
  /** By app id: the release whose switch is over, so that a later restart of its dynos is none. */
  readonly #settled = new Map<string, string>();
  /** Those that are over and wait for the router's last lines. */
  readonly #finishing = new Map<Switch, { appId: string; cancel: () => void }>();
  #isClosed = false;

  constructor(options: SwitchesOptions) {
    this.#options = options;
  }

  /** Looks at an app as it is now. */
  look(appId: string, desired: DesiredApp | null, records: readonly DynoRecord[]): void {
    const release = desired?.release ?? null;
    if (desired === null || release === null) return this.forget(appId);
    if (this.#settled.get(appId) === release.id) return;
    const web = records.filter(({ kind, type }) => kind === "formation" && type === "web");
    const isNew = ({ release_id }: DynoRecord): boolean => release_id === release.id;
    const quantity = desired.formation.find(({ type }) => type === "web")?.quantity ?? 0;
    const up = web.filter((record) => isNew(record) && (record.state === "up" || record.state === "idle"));
    const isOver = up.length >= quantity && web.every(isNew);
    const open = this.#openOf(appId, release, { begins: !isOver && web.some(isNew), isOver });
    if (open === null) return;
    open.replaces ||= !web.every(isNew);
    open.cameUp ||= up.length > 0;
    if (!isOver || open.to !== null) return;
    const now = this.#options.clock.now().getTime();
    open.to = now;
    this.#settled.set(appId, release.id);
    this.#finishIn(SETTLING_MILLISECONDS, appId, open);
  }

  /** The router has answered a request of the app; `failed`: it could not, for a reason that is not the client's. */
  count(appId: string, at: Date, failed: boolean): void {
    const open = this.#open.get(appId);
    const time = at.getTime();
    if (open === undefined || time < open.from || (open.to !== null && time > open.to)) return;
    if (failed) open.failed += 1;
    else open.served += 1;
  }

  /** An old dyno was told to stop while so many connections to it were open. */
  endSockets(appId: string, count: number): void {
    const open = this.#open.get(appId);
    if (open !== undefined) open.socketsEnded += count;
  }

  /** Records what has been measured, without waiting any longer. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(
      [...this.#finishing].map(async ([open, { appId, cancel }]) => {
        cancel();
        await this.#finish(appId, open);
      }),
    );
  }

  forget(appId: string): void {
    this.#open.delete(appId);
    this.#settled.delete(appId);
  }

  #openOf(
    appId: string,
    { id, version }: { id: string; version: number },
    { begins, isOver }: { begins: boolean; isOver: boolean },
  ): Switch | null {
    const known = this.#open.get(appId);
    if (known?.releaseId === id) return known;
    // What was over before this control plane looked for the first time was measured by another one.
    if (isOver) this.#settled.set(appId, id);
    if (!begins) return null;
    const from = this.#options.clock.now().getTime();
    // A release that the next one overtakes has its proof too, of the time it had.
    if (known?.cameUp === true && known.to === null) {
      known.to = from;
      this.#finishIn(SETTLING_MILLISECONDS, appId, known);
    }
    const open = {
      releaseId: id,
      version,
      replaces: false,
      cameUp: false,
      from,
      to: null,
      served: 0,
      failed: 0,
      socketsEnded: 0,
    };
    this.#open.set(appId, open);
    return open;
  }

  #finishIn(milliseconds: number, appId: string, open: Switch): void {
    if (this.#isClosed) return;
    const cancel = this.#options.clock.after(milliseconds, () => void this.#finish(appId, open));
    this.#finishing.set(open, { appId, cancel });
  }

  async #finish(appId: string, open: Switch): Promise<void> {
    this.#finishing.delete(open);
    if (this.#open.get(appId) === open) this.#open.delete(appId);
    const proof: SwitchProof = {
      requests_served: open.served,
      requests_failed: open.failed,
      sockets_ended: open.socketsEnded,
      seconds: Math.round(((open.to ?? open.from) - open.from) / 100) / 10,
    };
    const { store, log, journal } = this.#options;
    try {
      // False: an earlier control plane has measured it, and this was a restart.
      if ((await store.recordSwitch(open.releaseId, proof)) && open.replaces) {
        log.say({ appId, process: "release", message: describe(open.version, proof) });
      }
    } catch (cause) {
      journal.fault("runtime.switch", cause, { app_id: appId, release_id: open.releaseId });
      this.#finishIn(RETRY_MILLISECONDS, appId, open);
    }
  }
}

/** `Release v58: 1,243 requests served during the switch, 0 failed, 3 sockets ended, 4.1 s`. */
function describe(version: number, proof: SwitchProof): string {
  const number = (value: number): string => value.toLocaleString("en");
  const plural = (value: number, noun: string): string => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;
  return `Release v${version}: ${plural(proof.requests_served, "request")} served during the switch, ${number(proof.requests_failed)} failed, ${plural(proof.sockets_ended, "socket")} ended, ${proof.seconds.toFixed(1)} s`;
}
