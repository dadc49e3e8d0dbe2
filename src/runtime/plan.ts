import { backOff, LAUNCH_RETRY_MILLISECONDS, STABLE_MILLISECONDS } from "./back-off.ts";
import { bootSeconds, cycleDelay } from "./life-times.ts";
import type { DynoFact, Facts } from "./facts.ts";
import type { DesiredApp, DynoRecord } from "./ports.ts";

/** Heroku's times: articles "Dynos and the Dyno Manager" and "Error codes". */
const STOP_MILLISECONDS = 30_000;
const ATTACH_MILLISECONDS = 30_000;
const RELEASE_PHASE_MILLISECONDS = 60 * 60_000;
const DAY_MILLISECONDS = 24 * 60 * 60_000;

/** A place in the formation: `web.1`. */
export interface Slot {
  type: string;
  name: string;
  size: string;
  command: string;
}

export type Action =
  /** A new instance for a slot; `after` is the one that it follows: crashed, restarted, or up for a day. */
  | { do: "start"; slot: Slot; crashes: number; after: DynoRecord | null }
  /** A detached one-off dyno that waits to be started. */
  | { do: "launch"; record: DynoRecord }
  | { do: "await-client"; record: DynoRecord }
  /** R13. */
  | { do: "expire"; record: DynoRecord }
  | { do: "up"; record: DynoRecord }
  /** R10. */
  | { do: "boot-timeout"; record: DynoRecord; seconds: number }
  /** `crashed`: back-off fields; `down`: it has ended as it should. */
  | { do: "exited"; record: DynoRecord; exitCode: number; next: Ending }
  /** R99: it could not be launched. */
  | { do: "failed"; record: DynoRecord; next: Ending }
  /** Its process is gone without a word, as after a restart of the machine. Or it is not needed: a crashed one, or never begun. */
  | { do: "retire"; record: DynoRecord }
  | { do: "stop"; record: DynoRecord; isCycling?: boolean }
  /** Nobody has asked for the app in a long time: it is to sleep. */
  | { do: "sleep"; web: DynoRecord[] }
  /** Somebody has asked for it, and only the router knows. */
  | { do: "wake" }
  /** The app sleeps: this dyno is frozen, or stopped where that cannot be. */
  | { do: "idle"; record: DynoRecord }
  /** It has been frozen for long: its processes end, and it goes on sleeping without any. */
  | { do: "hibernate"; record: DynoRecord; step: "SIGTERM" | "SIGKILL" }
  /** The processes of a sleeping dyno have ended. */
  | { do: "hibernated"; record: DynoRecord; exitCode: number | null }
  /** It was frozen and runs again. */
  | { do: "rise"; record: DynoRecord }
  /** R12. */
  | { do: "kill"; record: DynoRecord }
  /** A process without a row. */
  | { do: "abandon"; dynoId: string; step: "SIGTERM" | "SIGKILL" | "remove" };

/** What becomes of a dyno that has ended. */
export type Ending = { state: "down" } | { state: "crashed"; crashes: number; restartAt: Date };

export interface Plan {
  actions: Action[];
  /** When to look again even if nothing happens. */
  wakeAt: Date | null;
}

/** When apps sleep, in milliseconds. */
export interface SleepTimes {
  /** Without a request for this long, an app of a size that sleeps is frozen; null: never. */
  idle: number | null;
  /** A dyno that has been frozen for this long is stopped. */
  frozen: number;
}

/** What is known of the requests to an app. */
export interface Attention {
  /** When somebody asked for it last, as far as is known. */
  asked: Date | null;
  /** Since when that would be known. */
  watchedSince: Date;
  times: SleepTimes;
}

/** Compares what should run with what does. `desired` null: the app is gone. Pure: the same input gives the same plan. */
export function plan(
  desired: DesiredApp | null,
  records: readonly DynoRecord[],
  facts: Facts,
  now: Date,
  attention: Attention,
): Plan {
  const { asked, watchedSince, times } = attention;
  const planner = new Planner(facts, now, bootSeconds(desired?.release?.config ?? {}));
  const rest: DynoRecord[] = [];
  for (const record of records) {
    if (!planner.follow(record, desired)) rest.push(record);
  }
  // The formation is judged when its instances have taken their steps: the executor plans again after them.
  if (planner.actions.some(isFormationStep)) return { actions: planner.actions, wakeAt: planner.wakeAt };
  const since = desired?.sleep.since ?? null;
  const frozenUntil = since === null ? null : new Date(since.getTime() + times.frozen);
  planner.form(slotsOf(desired), desired?.release?.id ?? null, rest, frozenUntil);
  // A size that does not sleep, or no web dyno any more: only a worker, which never sleeps alone.
  const isAsked = since !== null && ((asked ?? since) > since || desired?.sleep.may !== true);
  if (isAsked) planner.actions.push({ do: "wake" });
  else if (since === null && desired?.sleep.may === true && times.idle !== null && planner.actions.length === 0) {
    planner.tire(rest, asked ?? watchedSince, times.idle);
  }
  return { actions: planner.actions, wakeAt: planner.wakeAt };
}

/** Processes of an app that no row speaks of. `candidates` were known before the rows were read. */
export function planAbandoned(candidates: Iterable<string>, records: readonly DynoRecord[], facts: Facts, now: Date): Plan {
  const planner = new Planner(facts, now, bootSeconds({}));
  const rows = new Set(records.map(({ id }) => id));
  for (const dynoId of candidates) if (!rows.has(dynoId)) planner.abandon(dynoId);
  return { actions: planner.actions, wakeAt: planner.wakeAt };
}

function isFormationStep(action: Action): boolean {
  return "record" in action && action.record.kind === "formation" && action.do !== "kill";
}

/** The places that the formation has: none before the first release with a slug. */
function slotsOf(desired: DesiredApp | null): Slot[] {
  if (desired === null || desired.release === null || desired.sleep.exhausted) return [];
  return desired.formation.flatMap(({ type, quantity, size, command }) =>
    Array.from({ length: quantity }, (_, index) => ({ type, name: `${type}.${index + 1}`, size, command })),
  );
}

class Planner {
  readonly actions: Action[] = [];
  wakeAt: Date | null = null;
  readonly #facts: Facts;
  readonly #now: Date;
  readonly #bootSeconds: number;

  constructor(facts: Facts, now: Date, bootSeconds: number) {
    this.#facts = facts;
    this.#now = now;
    this.#bootSeconds = bootSeconds;
  }

  /** What the life of one instance asks for next. True when that is all there is to say about it at present. */
  follow(record: DynoRecord, desired: DesiredApp | null): boolean {
    const fact = this.#facts.get(record.id);
    if (record.state === "crashed") return false;
    if (record.state === "idle") {
      const isEnded = fact?.phase === "exited" || fact?.phase === "failed";
      return isEnded && this.#add({ do: "hibernated", record, exitCode: fact.exitCode });
    }
    if (record.state === "created" && fact === undefined && record.kind !== "formation") {
      this.#begin(record, desired);
      return true;
    }
    if (fact === undefined) return this.#add({ do: "retire", record });
    if (fact.phase === "failed") return this.#add({ do: "failed", record, next: this.#failure(record) });
    if (fact.phase === "exited") {
      return this.#add({ do: "exited", record, exitCode: fact.exitCode ?? 0, next: this.#ending(record) });
    }
    if (fact.phase === "launching") return record.kind !== "formation";
    if (record.state === "stopping") {
      if (!fact.killed && this.#isDue(record.updated_at, STOP_MILLISECONDS)) this.#add({ do: "kill", record });
      return true;
    }
    if (record.state === "starting" || record.state === "created") return this.#boot(record, fact);
    if (record.kind === "formation") return false;
    if (record.stop_requested || desired === null || this.#isOverdue(record, fact)) this.#add({ do: "stop", record });
    else if (this.#hasExpired(record)) this.#add({ do: "stop", record, isCycling: true });
    return true;
  }

  /** Fills the slots with the instances that are right, and ends the others. `frozenUntil`: the app sleeps, and until then in place. */
  form(slots: readonly Slot[], releaseId: string | null, records: readonly DynoRecord[], frozenUntil: Date | null): void {
    const formation = records.filter(({ kind, state }) => kind === "formation" && state !== "stopping");
    const isAsleep = frozenUntil !== null;
    const wanted = new Set(slots.map(({ name }) => name));
    for (const record of formation) if (!wanted.has(record.name)) this.#end(record);
    for (const slot of slots) {
      const own = formation.filter(({ name }) => name === slot.name);
      const right = own.findLast(
        (record) =>
          record.release_id === releaseId &&
          record.size === slot.size &&
          record.command === slot.command &&
          !record.stop_requested &&
          (isAsleep || !this.#isOld(record)),
      );
      this.#fill(slot, right ?? null, own, frozenUntil);
    }
  }

  /** An app that is up and quiet sleeps when nobody has asked for it in `idle` milliseconds; a dyno that came up counts as a request. */
  tire(records: readonly DynoRecord[], asked: Date, idle: number): void {
    const formation = records.filter(({ kind, state }) => kind === "formation" && state !== "crashed");
    const web = formation.filter(({ type }) => type === "web");
    if (web.length === 0 || formation.some(({ state }) => state !== "up")) return;
    const last = Math.max(asked.getTime(), ...web.map(({ updated_at: since }) => since.getTime()));
    if (this.#isDue(new Date(last), idle)) this.#add({ do: "sleep", web });
  }

  abandon(dynoId: string): void {
    const fact = this.#facts.get(dynoId);
    if (fact === undefined || fact.phase === "launching") return;
    if (fact.phase !== "running") this.#add({ do: "abandon", dynoId, step: "remove" });
    else if (fact.abandonedAt === null) this.#add({ do: "abandon", dynoId, step: "SIGTERM" });
    else if (!fact.killed && this.#isDue(fact.abandonedAt, STOP_MILLISECONDS)) {
      this.#add({ do: "abandon", dynoId, step: "SIGKILL" });
    }
  }

  #begin(record: DynoRecord, desired: DesiredApp | null): void {
    if (record.stop_requested || desired === null) this.#add({ do: "retire", record });
    else if (!record.attach) this.#add({ do: "launch", record });
    else if (this.#isDue(record.created_at, ATTACH_MILLISECONDS)) this.#add({ do: "expire", record });
    else this.#add({ do: "await-client", record });
  }

  #boot(record: DynoRecord, fact: DynoFact): boolean {
    const mustBind = record.kind === "formation" && record.type === "web";
    if (!mustBind || fact.listening) return this.#add({ do: "up", record });
    if (fact.killed) return false;
    const seconds = this.#bootSeconds;
    if (this.#isDue(fact.startedAt ?? record.created_at, seconds * 1000))
      return this.#add({ do: "boot-timeout", record, seconds });
    return false;
  }

  /** A release phase ends within an hour, and with the control plane that waits for it. */
  #isOverdue(record: DynoRecord, fact: DynoFact): boolean {
    return record.kind === "release" && (fact.adopted || this.#isDue(record.created_at, RELEASE_PHASE_MILLISECONDS));
  }

  /** One-off dynos end after a day, or when their order says so. */
  #hasExpired(record: DynoRecord): boolean {
    if (record.kind !== "one-off") return false;
    if (record.time_to_live !== null) return this.#isDue(record.created_at, record.time_to_live * 1000);
    return this.#now.getTime() - record.created_at.getTime() >= DAY_MILLISECONDS;
  }

  /** Dynos of the formation are replaced after a day, each at a time of its own. The full pass sees it soon enough. */
  #isOld(record: DynoRecord): boolean {
    const age = this.#now.getTime() - record.created_at.getTime();
    return record.state === "up" && age >= DAY_MILLISECONDS + cycleDelay(record.id);
  }

  #fill(slot: Slot, right: DynoRecord | null, own: readonly DynoRecord[], frozenUntil: Date | null): void {
    const others = own.filter((record) => record !== right);
    if (right === null) {
      const after = others.findLast((one) => one.stop_requested || one.state === "crashed" || this.#isOld(one)) ?? null;
      this.#add({ do: "start", slot, crashes: 0, after });
      for (const record of others) if (record.state === "crashed") this.#add({ do: "retire", record });
      return;
    }
    // The last one that came up: others, of releases before it, are on their way out and must not come back.
    const serving = others.findLast(({ state }) => state === "up") ?? null;
    for (const record of others) {
      const isUp = record.state === "up" ? record === serving : record.state !== "crashed" && record.state !== "starting";
      const keepsServing = isUp && right.state !== "up" && right.state !== "idle";
      // One that was told to stop and whose successor does not come up stops all the same.
      const mayServe = keepsServing && !(record.stop_requested && right.state === "crashed");
      const isFrozen = record.state === "idle" && this.#facts.get(record.id)?.frozen === true;
      if (mayServe && isFrozen) this.#add({ do: "rise", record });
      else if (!mayServe || record.state === "idle") this.#end(record);
    }
    if (right.state === "idle") {
      if (frozenUntil === null) this.#rise(slot, right);
      else this.#doze(right, frozenUntil);
      return;
    }
    if (frozenUntil !== null) {
      if (right.state === "up") this.#add({ do: "idle", record: right });
      return;
    }
    if (right.state !== "crashed") return;
    if (right.restart_at !== null && right.restart_at > this.#now) {
      this.#wake(right.restart_at);
      return;
    }
    this.#add({ do: "start", slot, crashes: right.crashes + 1, after: right });
    this.#add({ do: "retire", record: right });
  }

  #rise(slot: Slot, record: DynoRecord): void {
    const fact = this.#facts.get(record.id);
    if (fact !== undefined && fact.hibernatingAt === null) this.#add({ do: "rise", record });
    else {
      this.#add({ do: "start", slot, crashes: 0, after: record });
      if (fact === undefined) this.#add({ do: "retire", record });
    }
  }

  #doze(record: DynoRecord, frozenUntil: Date): void {
    const fact = this.#facts.get(record.id);
    if (fact === undefined) return;
    if (fact.hibernatingAt !== null) {
      if (!fact.killed && this.#isDue(fact.hibernatingAt, STOP_MILLISECONDS)) {
        this.#add({ do: "hibernate", record, step: "SIGKILL" });
      }
    } else if (fact.adopted && !fact.frozen) this.#add({ do: "wake" });
    else if (this.#isDue(frozenUntil, 0)) this.#add({ do: "hibernate", record, step: "SIGTERM" });
  }

  #end(record: DynoRecord): void {
    const fact = this.#facts.get(record.id);
    if (record.state === "crashed" || (record.state === "idle" && fact === undefined)) this.#add({ do: "retire", record });
    // What is being launched can be stopped in a moment.
    else if (fact?.phase === "running") this.#add({ do: "stop", record });
  }

  #ending(record: DynoRecord): Ending {
    if (record.kind !== "formation" || record.state === "stopping") return { state: "down" };
    const wasStable = record.state === "up" && this.#now.getTime() - record.updated_at.getTime() >= STABLE_MILLISECONDS;
    const crashes = wasStable ? 0 : record.crashes;
    return { state: "crashed", crashes, restartAt: new Date(this.#now.getTime() + backOff(crashes)) };
  }

  #failure(record: DynoRecord): Ending {
    if (record.kind !== "formation" || record.state === "stopping") return { state: "down" };
    const restartAt = new Date(this.#now.getTime() + LAUNCH_RETRY_MILLISECONDS);
    return { state: "crashed", crashes: record.crashes - 1, restartAt };
  }

  #add(action: Action): true {
    this.actions.push(action);
    return true;
  }

  /** Whether `milliseconds` have gone by since then; if not, that is a time to look again. */
  #isDue(since: Date, milliseconds: number): boolean {
    const due = new Date(since.getTime() + milliseconds);
    if (due <= this.#now) return true;
    this.#wake(due);
    return false;
  }

  #wake(at: Date): void {
    if (this.wakeAt === null || at < this.wakeAt) this.wakeAt = at;
  }
}
