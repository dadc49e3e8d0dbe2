import { mkdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Clock } from "../kernel/clock.ts";
import type { Journal } from "../kernel/journal.ts";
import { Dynos } from "./dynos.ts";
import { terminalOf } from "./environment.ts";
import { Life, newRecord } from "./life.ts";
import { DiskWatch } from "./disk-watch.ts";
import { CpuWatch } from "./cpu-watch.ts";
import { LimitWatch } from "./limit-watch.ts";
import { Insides, type InsideSession } from "./insides.ts";
import { MemoryWatch } from "./memory-watch.ts";
import type { SleepTimes } from "./plan.ts";
import type { AttachedDyno, Driver, DynoLog, DynoRecord, FormationStore, RoutePublisher } from "./ports.ts";
import { Reconciler } from "./reconcile.ts";
import { type Attachable, openRendezvous } from "./rendezvous.ts";
import { Switches } from "./switches.ts";
import { WaitingRoom } from "./waiting-room.ts";
import { WindDown } from "./wind-down.ts";

export interface RuntimeOptions {
  driver: Driver;
  store: FormationStore;
  log: DynoLog;
  routes: RoutePublisher;
  clock: Clock;
  journal: Journal;
  /** Output of dynos is kept in `output/` below this folder until it is read. */
  logsFolder: string;
  /** Where `heroku run` connects to: TCP port, certificate and key as PEM. */
  rendezvous: { port: number; cert: string; key: string };
  sleepTimes: SleepTimes;
  /** How many dynos may boot at a time; by default by the machine's processors. */
  launchesAtOnce?: number;
  /** In [0, 1). */
  random?: () => number;
}

/** A release phase: a command that runs with a pending release. */
export interface ReleasePhase {
  appId: string;
  releaseId: string;
  command: string;
  /** Is given the output line by line, each with its newline. */
  onOutput: (text: string) => void;
}

export interface Runtime {
  /** Takes over the dynos that run, opens the rendezvous server and begins to reconcile every app. */
  start(): Promise<void>;
  /** Ends the control plane's part; the dynos go on running. */
  stop(): Promise<void>;
  /** Something about the app has changed: rows are compared with processes soon. Returns at once, never throws. */
  appChanged(appId: string): void;
  /** The router has served a request of the app, or `failed` to for a reason that is not the client's. */
  requestServed(appId: string, at: Date, failed: boolean): void;
  /** A request waits for the sleeping app. */
  wake(appId: string): void;
  /** Like `appChanged`, and resolves when what can be done now is done: dynos begin to start, and the router knows. */
  reconciled(appId: string): Promise<void>;
  /** A program of a running dyno's own for the client that comes with the secret of this digest within 30 s (`heroku run:inside`). */
  runInside(order: InsideSession): void;
  /** Resolves when no process of an app that is gone is left. */
  appDestroyed(appId: string): Promise<void>;
  /** Rejects when the platform cannot run it. https://devcenter.heroku.com/articles/release-phase */
  runRelease(phase: ReleasePhase): Promise<{ exitCode: number }>;
  /** TCP port of the rendezvous server, after `start`. */
  readonly rendezvousPort: number;
}

/** Every app is looked at this often, whatever was said about it; with many apps the looking never takes more than a twentieth of the time. */
const FULL_PASS_MILLISECONDS = 5_000;
const FULL_PASS_SHARE = 20;
const LAUNCHES_PER_PROCESSOR = 2;
const LEAST_LAUNCHES = 4;
const RELEASE_TYPE = "release";
const FIRST_NUMBER = 1_000;
const NUMBERS = 9_000;
/** For a release phase of an app that has no formation yet. */
const SMALLEST_SIZE = "Eco";

export function createRuntime(options: RuntimeOptions): Runtime {
  return new ReconcilingRuntime(options);
}

class ReconcilingRuntime implements Runtime {
  readonly #options: RuntimeOptions;
  readonly #random: () => number;
  readonly #dynos: Dynos;
  readonly #life: Life;
  readonly #reconciler: Reconciler;
  readonly #waitingRoom: WaitingRoom;
  readonly #memoryWatch: MemoryWatch;
  readonly #cpuWatch: CpuWatch;
  readonly #limitWatch: LimitWatch;
  readonly #insides: Insides;
  readonly #diskWatch: DiskWatch;
  readonly #switches: Switches;
  readonly #releases = new Map<string, PromiseWithResolvers<{ exitCode: number }>>();
  /** When somebody asked for an app last. Those of before this start are not known: apps sleep that much later. */
  readonly #asked = new Map<string, Date>();
  readonly #startedAt: Date;
  readonly #emptied = new Map<string, PromiseWithResolvers<void>>();
  readonly #ended = new AbortController();
  #rendezvous: Awaited<ReturnType<typeof openRendezvous>> | null = null;
  #fullPasses: Promise<void> = Promise.resolve();

  constructor(options: RuntimeOptions) {
    const { store, log, clock, journal, routes, driver } = options;
    const outputFolder = join(options.logsFolder, "output");
    const random = options.random ?? Math.random;
    this.#options = options;
    this.#random = random;
    this.#startedAt = clock.now();
    const changed = (appId: string): void => this.appChanged(appId);
    this.#dynos = new Dynos({
      driver,
      store,
      log,
      clock,
      journal,
      random,
      outputFolder,
      changed,
      launchesAtOnce: options.launchesAtOnce ?? Math.max(LEAST_LAUNCHES, LAUNCHES_PER_PROCESSOR * availableParallelism()),
    });
    this.#waitingRoom = new WaitingRoom(clock);
    this.#insides = new Insides({ driver, log, clock, journal });
    this.#memoryWatch = new MemoryWatch({ driver, dynos: this.#dynos, log, clock, journal });
    this.#cpuWatch = new CpuWatch({ driver, dynos: this.#dynos, clock, journal });
    this.#limitWatch = new LimitWatch({ dynos: this.#dynos, clock, journal });
    this.#diskWatch = new DiskWatch({ folder: join(options.logsFolder, "live"), dynos: this.#dynos, log, clock, journal });
    const ended = (dynoId: string, exitCode: number | null): void => this.#oneEnded(dynoId, exitCode);
    const asked = (appId: string): void => this.#noteAsked(appId, clock.now());
    this.#life = new Life({ store, log, clock, dynos: this.#dynos, waitingRoom: this.#waitingRoom, asked, ended });
    this.#switches = new Switches({ store, log, clock, journal });
    this.#reconciler = new Reconciler({
      windDown: new WindDown({ driver, facts: this.#dynos.facts, clock, journal, changed }),
      switches: this.#switches,
      store,
      routes,
      dynos: this.#dynos,
      life: this.#life,
      clock,
      journal,
      attention: (appId) => ({
        // Who works in a dyno does not want it to fall asleep.
        asked: this.#insides.areIn(appId) ? clock.now() : (this.#asked.get(appId) ?? null),
        watchedSince: this.#startedAt,
        times: options.sleepTimes,
      }),
    });
  }

  get rendezvousPort(): number {
    return this.#rendezvous?.port ?? this.#options.rendezvous.port;
  }

  async start(): Promise<void> {
    const { clock, journal, logsFolder, rendezvous } = this.#options;
    await mkdir(join(logsFolder, "output"), { recursive: true, mode: 0o700 });
    await this.#dynos.open();
    this.#rendezvous = await openRendezvous({
      ...rendezvous,
      clock,
      journal,
      claim: async (digest) => await this.#claim(digest),
    });
    this.#fullPasses = this.#passForEver();
    this.#memoryWatch.start();
    this.#cpuWatch.start();
    this.#limitWatch.start();
    this.#diskWatch.start();
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#rendezvous?.close();
    await this.#reconciler.close();
    await this.#fullPasses;
    await this.#switches.close();
    await this.#memoryWatch.stop();
    await this.#cpuWatch.stop();
    await this.#limitWatch.stop();
    await this.#diskWatch.stop();
    await this.#dynos.close();
    for (const { reject } of this.#releases.values()) reject(new Error("the control plane stops"));
  }

  appChanged(appId: string): void {
    void this.#runPass(appId);
  }

  requestServed(appId: string, at: Date, failed: boolean): void {
    this.#switches.count(appId, at, failed);
    this.#noteAsked(appId, at);
  }

  #noteAsked(appId: string, at: Date): void {
    const last = this.#asked.get(appId);
    if (last === undefined || last < at) this.#asked.set(appId, at);
  }

  wake(appId: string): void {
    const { store, journal, clock } = this.#options;
    this.#noteAsked(appId, clock.now());
    store
      .wake(appId)
      // Also when it was awake: then the router has to be told.
      .then(() => this.appChanged(appId))
      .catch((cause: unknown) => journal.fault("runtime.wake", cause, { app_id: appId }));
  }

  async reconciled(appId: string): Promise<void> {
    await this.#runPass(appId);
  }

  runInside(order: InsideSession): void {
    this.#insides.expect(order);
  }

  async appDestroyed(appId: string): Promise<void> {
    const waiting = this.#emptied.get(appId) ?? Promise.withResolvers<void>();
    this.#emptied.set(appId, waiting);
    this.appChanged(appId);
    await waiting.promise;
  }

  async runRelease({ appId, releaseId, command, onOutput }: ReleasePhase): Promise<{ exitCode: number }> {
    const { store, clock } = this.#options;
    const [desired, release] = await Promise.all([store.desired(appId), store.release(releaseId)]);
    if (desired === null || release === null) throw new Error(`release ${releaseId} is gone`);
    const sizes = desired.formation;
    const size = (sizes.find(({ type }) => type === "web") ?? sizes[0])?.size ?? SMALLEST_SIZE;
    const name = `${RELEASE_TYPE}.${FIRST_NUMBER + Math.floor(this.#random() * NUMBERS)}`;
    const slot = { type: RELEASE_TYPE, name, size, command };
    const record = newRecord(slot, { kind: "release", appId, releaseId, now: clock.now() });
    const ended = Promise.withResolvers<{ exitCode: number }>();
    // Before the row: a plan that finds it must not take it for one whose process is lost.
    this.#dynos.reserve(record);
    try {
      await store.insert(record);
    } catch (cause) {
      this.#dynos.remove(record.id);
      throw cause;
    }
    this.#releases.set(record.id, ended);
    try {
      this.#life.announce(record);
      this.#dynos.launch(record, desired.app, release, (line) => onOutput(`${line}\n`));
      return await ended.promise;
    } finally {
      this.#releases.delete(record.id);
    }
  }

  async #runPass(appId: string): Promise<boolean> {
    const isDone = await this.#reconciler.run(appId);
    const waiting = this.#emptied.get(appId);
    if (!isDone || waiting === undefined) return isDone;
    if ([...this.#dynos.facts.values()].some((fact) => fact.appId === appId)) return isDone;
    this.#emptied.delete(appId);
    this.#asked.delete(appId);
    waiting.resolve();
    return isDone;
  }

  #oneEnded(dynoId: string, exitCode: number | null): void {
    const waiting = this.#releases.get(dynoId);
    if (exitCode === null) waiting?.reject(new Error("the release phase could not be run"));
    else waiting?.resolve({ exitCode });
  }

  async #passForEver(): Promise<void> {
    const { clock, journal, store } = this.#options;
    let isFailing = false;
    while (!this.#ended.signal.aborted) {
      const began = clock.now().getTime();
      try {
        let isWhole = true;
        for (const appId of await store.appIds()) {
          if (this.#ended.signal.aborted) return;
          isWhole = (await this.#runPass(appId)) && isWhole;
        }
        // An app whose rows could not be read has not claimed its dynos yet.
        if (isWhole) await this.#clearStrays();
        isFailing = false;
      } catch (cause) {
        if (!isFailing) journal.fault("runtime.full_pass", cause);
        isFailing = true;
      }
      const pause = Math.max(FULL_PASS_MILLISECONDS, (clock.now().getTime() - began) * FULL_PASS_SHARE);
      await clock.sleep(pause, this.#ended.signal).catch(() => {});
    }
  }

  /** Processes that were found at the start and that no app's rows have claimed are stopped and removed. */
  async #clearStrays(): Promise<void> {
    for (const [dynoId, fact] of this.#dynos.facts) {
      if (fact.appId !== null) continue;
      if (fact.phase === "exited") this.#dynos.remove(dynoId);
      else await this.#dynos.signal(dynoId, fact.abandonedAt === null ? "SIGTERM" : "SIGKILL");
      fact.abandonedAt ??= this.#options.clock.now();
    }
  }

  async #claim(digest: Buffer): Promise<Attachable | null> {
    const inside = this.#insides.claim(digest);
    if (inside !== null) return inside;
    const record = await this.#waitingRoom.claim(digest);
    if (record === null) return null;
    this.#dynos.reserve(record);
    const { log } = this.#options;
    return {
      hasTerminal: !record.force_no_tty,
      attach: async () => await this.#attach(record),
      onDetached: () => {
        const message =
          "Error R16 (Detached) -> An attached process is not responding to SIGHUP after its external connection was closed.";
        log.say({ appId: record.app_id, process: record.name, message });
      },
    };
  }

  async #attach(record: DynoRecord): Promise<AttachedDyno | null> {
    const { store } = this.#options;
    try {
      const desired = await store.desired(record.app_id);
      const release = desired === null ? null : await this.#life.releaseOf(record, desired);
      if (desired === null || release === null) throw new Error("the app or its release is gone");
      await store.update(record.id, { state: "starting" });
      this.#life.announce(record);
      return await this.#dynos.attach(record, desired.app, release, record.force_no_tty ? null : terminalOf(record.env));
    } catch (cause) {
      this.#dynos.giveUp(record, cause);
      return null;
    }
  }
}
