import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../kernel/clock.ts";
import type { Journal } from "../kernel/journal.ts";
import { choosePort, specOf } from "./environment.ts";
import { type DynoFact, type Facts, launchingFact } from "./facts.ts";
import { healthCheckOf } from "./health-check.ts";
import { probeHealth } from "./health-probe.ts";
import { LaunchQueue } from "./launch-queue.ts";
import { bootSeconds } from "./life-times.ts";
import { strainVerdict } from "./limit-watch.ts";
import { memoryVerdict } from "./memory-limits.ts";
import type {
  AttachedDyno,
  DesiredApp,
  DesiredRelease,
  Driver,
  DynoLog,
  DynoRecord,
  DynoSpec,
  FormationStore,
  StartedDyno,
} from "./ports.ts";

export interface DynosOptions {
  driver: Driver;
  store: FormationStore;
  log: DynoLog;
  clock: Clock;
  journal: Journal;
  /** How many dynos may boot at a time. */
  launchesAtOnce: number;
  /** In [0, 1). */
  random: () => number;
  /** Output files of dynos until logplex has read them. */
  outputFolder: string;
  /** Something about a dyno of this app has changed: plan again. */
  changed(appId: string): void;
}

/** A bound port is looked for often at first, since every moment counts for the deploy, then less. */
const PROBE_MILLISECONDS = 4;
const EAGER_PROBES = 1000;
const PATIENT_PROBE_MILLISECONDS = 100;

const STRAIN_PAUSE_MILLISECONDS = 20_000;

/** A health check ends before the boot time does, so that one line says why the dyno did not come up. */
const BOOT_MARGIN_MILLISECONDS = 500;

/** The processes behind the rows: starts them, watches them, and keeps the facts that plans are made of. */
export class Dynos {
  readonly #options: DynosOptions;
  readonly #facts = new Map<string, DynoFact>();
  readonly #ended = new AbortController();
  readonly #removals = new Set<Promise<void>>();
  readonly #queue: LaunchQueue;
  #unwatch = (): void => {};

  constructor(options: DynosOptions) {
    this.#options = options;
    this.#queue = new LaunchQueue(options.clock, options.launchesAtOnce);
  }

  get facts(): Facts {
    return this.#facts;
  }

  /** Finds what an earlier control plane has left running, and begins to hear of exits. */
  async open(): Promise<void> {
    const { driver } = this.#options;
    for (const { dynoId, running, exitCode, started } of await driver.list()) {
      const phase = running ? "running" : "exited";
      const frozen = running && (await driver.isFrozen(dynoId));
      this.#facts.set(dynoId, { ...launchingFact(""), appId: null, phase, exitCode, started, adopted: true, frozen });
    }
    this.#unwatch = driver.watch(({ dynoId, exitCode }) => this.#exited(dynoId, exitCode));
    await this.#sweepOutput();
  }

  /** Output of dynos that are gone: nobody can say any more whose it was. */
  async #sweepOutput(): Promise<void> {
    const { outputFolder } = this.#options;
    for (const name of await readdir(outputFolder)) {
      const [dynoId = ""] = name.split(".");
      if (!this.#facts.has(dynoId)) await rm(join(outputFolder, name), { force: true });
    }
  }

  /** Ends the watching; the dynos go on. */
  async close(): Promise<void> {
    this.#ended.abort();
    this.#unwatch();
    await Promise.all(this.#removals);
  }

  /** Takes over a process that was found at the start, now that its row is known. */
  adopt(record: DynoRecord): void {
    const fact = this.#facts.get(record.id);
    if (fact === undefined || fact.appId !== null) return;
    fact.appId = record.app_id;
    fact.identity = this.#identify(record);
    this.#follow(record);
    if (fact.phase === "running" && record.state === "starting") void this.#awaitPort(record, fact);
  }

  /** Starts the program of a row in the background. Its end, its port and its failure are told as facts. */
  launch(record: DynoRecord, app: DesiredApp["app"], release: DesiredRelease, onLine?: (message: string) => void): void {
    const fact = this.#begin(record);
    const port = isWeb(record) ? choosePort(this.#options.random) : null;
    this.#follow(record, onLine);
    void this.#start(record, fact, this.#spec(record, app, release, port));
  }

  /** A client is there for this row: it is no longer to be waited for. */
  reserve(record: DynoRecord): void {
    this.#begin(record);
  }

  /** Runs the program of a reserved row for its client. Rejects when it cannot be started. */
  async attach(
    record: DynoRecord,
    app: DesiredApp["app"],
    release: DesiredRelease,
    terminal: { columns: number; rows: number } | null,
  ): Promise<AttachedDyno> {
    const { driver, changed } = this.#options;
    const fact = this.#facts.get(record.id) ?? this.#begin(record);
    try {
      const attached = await driver.attach(this.#spec(record, app, release, null), terminal);
      fact.phase = "running";
      attached.exited.then(
        ({ exitCode }) => this.#exited(record.id, exitCode),
        (cause: unknown) => this.#failed(record, fact, cause),
      );
      changed(record.app_id);
      return attached;
    } catch (cause) {
      this.#failed(record, fact, cause);
      throw cause;
    }
  }

  /** A reserved row cannot be run. */
  giveUp(record: DynoRecord, cause: unknown): void {
    const fact = this.#facts.get(record.id);
    if (fact !== undefined) this.#failed(record, fact, cause);
  }

  /** A failure is journalled: the next plan finds the dyno as it is. */
  async signal(dynoId: string, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const fact = this.#facts.get(dynoId);
    if (signal === "SIGKILL" && fact !== undefined) fact.killed = true;
    try {
      await this.#options.driver.signal(dynoId, signal);
    } catch (cause) {
      this.#options.journal.fault("runtime.signal", cause, { dyno_id: dynoId, signal });
    }
  }

  /** Stops the dyno in place. False: it runs on, and the journal says why if the reason is a fault. */
  async freeze(dynoId: string): Promise<boolean> {
    const fact = this.#facts.get(dynoId);
    try {
      const isFrozen = await this.#options.driver.freeze(dynoId);
      if (fact !== undefined) fact.frozen = isFrozen;
      return isFrozen;
    } catch (cause) {
      this.#options.journal.fault("runtime.freeze", cause, { dyno_id: dynoId });
      return false;
    }
  }

  async thaw(dynoId: string): Promise<void> {
    const fact = this.#facts.get(dynoId);
    if (fact !== undefined) fact.frozen = false;
    await this.#options.driver.thaw(dynoId);
  }

  /** Tells the processes of a sleeping dyno to end. */
  async hibernate(dynoId: string, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const fact = this.#facts.get(dynoId);
    if (fact !== undefined) fact.hibernatingAt ??= this.#options.clock.now();
    await this.signal(dynoId, signal);
  }

  /** Whether somebody is connected to one of these web dynos. */
  async areBusy(records: readonly DynoRecord[]): Promise<boolean> {
    const counts = records.map(async ({ id }) => {
      const started = this.#facts.get(id)?.started ?? null;
      return started === null || started.port === null ? 0 : await this.#options.driver.connections(started, started.port);
    });
    return (await Promise.all(counts)).some((count) => count > 0);
  }

  /** What the kernel's end of a dyno for want of memory is called in the log; none when it ended otherwise. */
  async lastMemoryWords(dynoId: string): Promise<string[]> {
    const fact = this.#facts.get(dynoId);
    if (fact === undefined || fact.identity === null || fact.killed) return [];
    const usage = await this.#options.driver.usage(dynoId);
    if (usage === null || usage.memoryKills === 0) return [];
    return memoryVerdict(usage, fact.identity.quotaBytes, true).messages;
  }

  /** Has the log say what limits the dyno has come up against since it last did; not oftener than Heroku repeats R14, but at its end. */
  async sayStrain(dynoId: string, isEnd = false): Promise<void> {
    const { driver, clock, log } = this.#options;
    const fact = this.#facts.get(dynoId);
    if (fact === undefined || fact.identity === null || fact.started === null) return;
    const now = clock.now();
    if (!isEnd && fact.strainedAt !== null && now.getTime() - fact.strainedAt.getTime() < STRAIN_PAUSE_MILLISECONDS) return;
    const strain = await driver.strain(fact.started);
    const messages = strainVerdict(strain, fact.refusedProcesses);
    if (messages.length === 0) return;
    fact.strainedAt = now;
    fact.refusedProcesses = strain.refusedProcesses;
    for (const message of messages) log.say({ appId: fact.identity.appId, process: fact.identity.process, message });
  }

  /** The files by which the router can thaw a dyno; none for one that does not run, or is about to end. */
  thawFiles(dynoId: string): string[] {
    const fact = this.#facts.get(dynoId);
    return fact?.phase === "running" && fact.hibernatingAt === null ? this.#options.driver.thawFiles(dynoId) : [];
  }

  /** Tells a process without a row to stop. */
  async abandon(dynoId: string): Promise<void> {
    const fact = this.#facts.get(dynoId);
    if (fact !== undefined) fact.abandonedAt = this.#options.clock.now();
    await this.signal(dynoId, "SIGTERM");
  }

  /** Forgets a dyno that has ended and clears away what is left of it. */
  remove(dynoId: string): void {
    const { driver, log, journal } = this.#options;
    this.#facts.delete(dynoId);
    const removal = log
      .finish(dynoId)
      .then(async () => await driver.remove(dynoId))
      .catch((cause: unknown) => journal.fault("runtime.remove", cause, { dyno_id: dynoId }))
      .finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }

  #identify(record: DynoRecord): NonNullable<DynoFact["identity"]> {
    const { memoryBytes: quotaBytes, cpuShare } = this.#options.store.limits(record.size);
    return { appId: record.app_id, process: record.name, quotaBytes, cpuShare };
  }

  #begin(record: DynoRecord): DynoFact {
    const fact = { ...launchingFact(record.app_id), identity: this.#identify(record) };
    this.#facts.set(record.id, fact);
    return fact;
  }

  #follow(record: DynoRecord, onLine?: (message: string) => void): void {
    const { driver, log } = this.#options;
    log.follow({
      dynoId: record.id,
      appId: record.app_id,
      process: record.name,
      path: this.#logPath(record.id),
      format: driver.logFormat,
      ...(onLine === undefined ? {} : { onLine }),
    });
  }

  #spec(record: DynoRecord, app: DesiredApp["app"], release: DesiredRelease, port: number | null): DynoSpec {
    const limits = this.#options.store.limits(record.size);
    return specOf(record, app, release, { limits, port, logPath: this.#logPath(record.id) });
  }

  #logPath(dynoId: string): string {
    return join(this.#options.outputFolder, `${dynoId}.log`);
  }

  async #start(record: DynoRecord, fact: DynoFact, spec: DynoSpec): Promise<void> {
    const endTurn = await this.#queue.turn();
    // The next control plane finds a row without a process, and starts it anew.
    if (this.#ended.signal.aborted) return;
    try {
      fact.started = await this.#options.driver.start(spec);
      fact.startedAt = this.#options.clock.now();
    } catch (cause) {
      endTurn();
      this.#failed(record, fact, cause);
      return;
    }
    // Its exit may be known before its start has returned.
    if (fact.phase === "launching") fact.phase = "running";
    void this.#awaitPort(record, fact).then(endTurn);
    this.#options.changed(record.app_id);
  }

  async #awaitPort(record: DynoRecord, fact: DynoFact): Promise<void> {
    const { started } = fact;
    if (!isWeb(record) || started === null || started.port === null) return;
    await this.#probe(record, fact, started, started.port);
  }

  async #probe(record: DynoRecord, fact: DynoFact, started: StartedDyno, port: number): Promise<void> {
    const { driver, clock, journal, changed } = this.#options;
    try {
      for (let probes = 0; fact.phase === "running" && !fact.killed; probes += 1) {
        if (await driver.isListening(started, port)) {
          fact.listening = await this.#isHealthy(record, fact, { address: started.address, port });
          changed(record.app_id);
          return;
        }
        await clock.sleep(probes < EAGER_PROBES ? PROBE_MILLISECONDS : PATIENT_PROBE_MILLISECONDS, this.#ended.signal);
      }
    } catch (cause) {
      if (!this.#ended.signal.aborted) journal.fault("runtime.probe", cause, { dyno_id: started.dynoId });
    }
  }

  /** Whether the dyno passes the health check of its release, if that has one; if not, the app's log says why, and the dyno is killed. */
  async #isHealthy(record: DynoRecord, fact: DynoFact, target: { address: string; port: number }): Promise<boolean> {
    const { store, clock, log } = this.#options;
    const say = (message: string): void => log.say({ appId: record.app_id, process: record.name, message });
    const release = await store.release(record.release_id);
    if (release === null) return true;
    const { check, problem } = await healthCheckOf(release);
    if (problem !== null) say(`The health check is not used: ${problem}`);
    if (check === null) return true;
    const bootMilliseconds = bootSeconds(release.config) * 1000 - BOOT_MARGIN_MILLISECONDS;
    const failure = await probeHealth({
      ...target,
      check,
      host: (await store.desired(record.app_id))?.hosts[0] ?? target.address,
      clock,
      deadline: new Date((fact.startedAt ?? record.created_at).getTime() + bootMilliseconds),
      signal: this.#ended.signal,
      isWanted: () => fact.phase === "running" && !fact.killed,
    });
    if (failure === null) return true;
    say(failure);
    say("Stopping process with SIGKILL");
    await this.signal(record.id, "SIGKILL");
    return false;
  }

  #exited(dynoId: string, exitCode: number): void {
    const fact = this.#facts.get(dynoId);
    if (fact === undefined || fact.phase === "exited") return;
    fact.phase = "exited";
    fact.exitCode = exitCode;
    if (fact.appId !== null) this.#options.changed(fact.appId);
  }

  #failed(record: DynoRecord, fact: DynoFact, cause: unknown): void {
    const { journal, changed } = this.#options;
    journal.fault("runtime.launch", cause, { app_id: record.app_id, dyno: record.name });
    // One that has ended before its launch was complete has been launched.
    if (fact.phase !== "exited") fact.phase = "failed";
    changed(record.app_id);
  }
}

function isWeb(record: DynoRecord): boolean {
  return record.kind === "formation" && record.type === "web";
}
