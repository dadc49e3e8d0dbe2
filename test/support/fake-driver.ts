import type {
  AttachedDyno,
  Driver,
  DynoSpec,
  DynoStrain,
  DynoUsage,
  InsideOrder,
  ObservedDyno,
  StartedDyno,
} from "../../src/runtime/ports.ts";

interface FakeDyno {
  spec: DynoSpec;
  started: StartedDyno;
  listening: boolean;
  frozen: boolean;
  exitCode: number | null;
}

/** A driver whose dynos exist in memory only, for tests that turn the clock: the test binds their ports and ends them. */
export class FakeDriver implements Driver {
  readonly name = "process";
  readonly warning = null;
  readonly logFormat = "plain";
  readonly dynos = new Map<string, FakeDyno>();
  readonly signals: string[] = [];
  readonly removed: string[] = [];
  /** Dynos of these names ignore SIGTERM. */
  readonly stubborn = new Set<string>();
  /** Launches of these names fail. */
  readonly broken = new Set<string>();
  readonly attached: { spec: DynoSpec; terminal: { columns: number; rows: number } | null; dyno: FakeAttached }[] = [];
  readonly #watchers = new Set<(exit: { dynoId: string; exitCode: number }) => void>();

  async start(spec: DynoSpec): Promise<StartedDyno> {
    if (this.broken.has(spec.name)) throw new Error(`${spec.name} cannot be started`);
    const usual = { address: `10.0.0.${this.dynos.size + 1}`, port: spec.port };
    const started = { dynoId: spec.dynoId, ...usual, ...this.at, pid: 1_000 };
    this.dynos.set(spec.dynoId, { spec, started, listening: false, frozen: false, exitCode: null });
    return started;
  }

  async signal(dynoId: string, signal: "SIGTERM" | "SIGKILL" | "SIGHUP"): Promise<void> {
    const dyno = this.dynos.get(dynoId);
    if (dyno === undefined || dyno.exitCode !== null) return;
    this.signals.push(`${signal} ${dyno.spec.name}`);
    if (signal === "SIGKILL") this.end(dynoId, 137);
    else if (!this.stubborn.has(dyno.spec.name)) this.end(dynoId, 143);
  }

  async isListening({ dynoId }: StartedDyno): Promise<boolean> {
    return this.dynos.get(dynoId)?.listening ?? false;
  }

  /** Where every web dyno is reached, when something real listens there. */
  at: { address: string; port: number } | null = null;
  /** Open connections of every dyno. */
  busy = 0;
  /** Whether this machine can freeze. */
  freezes = true;

  async connections(): Promise<number> {
    return this.busy;
  }

  async freeze(dynoId: string): Promise<boolean> {
    const dyno = this.dynos.get(dynoId);
    if (dyno === undefined || !this.freezes) return false;
    dyno.frozen = true;
    return true;
  }

  async thaw(dynoId: string): Promise<void> {
    const dyno = this.dynos.get(dynoId);
    if (dyno !== undefined) dyno.frozen = false;
  }

  async isFrozen(dynoId: string): Promise<boolean> {
    return this.dynos.get(dynoId)?.frozen ?? false;
  }

  thawFiles(dynoId: string): string[] {
    return this.freezes && this.dynos.has(dynoId) ? [`/groups/${dynoId}/cgroup.freeze`] : [];
  }

  async list(): Promise<ObservedDyno[]> {
    return [...this.dynos].map(([dynoId, { exitCode, started }]) => ({ dynoId, running: exitCode === null, exitCode, started }));
  }

  /** What every dyno uses. */
  used: DynoUsage | null = null;

  async usage(): Promise<DynoUsage | null> {
    return this.used;
  }

  /** Processor time of every dyno, and the shares that were set. */
  cpu: number | null = null;
  readonly shares: number[] = [];

  async cpuMilliseconds(): Promise<number | null> {
    return this.cpu;
  }

  async setShare(_: string, share: number): Promise<void> {
    this.shares.push(share);
  }

  /** The limits that every dyno has come up against. */
  strained: DynoStrain = { maxProcesses: null, refusedProcesses: 0, disk: null };

  async strain(): Promise<DynoStrain> {
    return this.strained;
  }

  watch(onExit: (exit: { dynoId: string; exitCode: number }) => void): () => void {
    this.#watchers.add(onExit);
    return () => this.#watchers.delete(onExit);
  }

  async remove(dynoId: string): Promise<void> {
    this.dynos.delete(dynoId);
    this.removed.push(dynoId);
  }

  async attach(spec: DynoSpec, terminal: { columns: number; rows: number } | null): Promise<AttachedDyno> {
    const dyno = new FakeAttached();
    this.attached.push({ spec, terminal, dyno });
    return dyno;
  }

  async inside(dynoId: string, { command }: InsideOrder): Promise<AttachedDyno> {
    const running = this.dynos.get(dynoId);
    if (running === undefined) throw new Error(`${dynoId} does not run`);
    const dyno = new FakeAttached();
    this.attached.push({ spec: { ...running.spec, command }, terminal: null, dyno });
    return dyno;
  }

  /** The newest living dyno of that name. */
  find(name: string): FakeDyno {
    const found = [...this.dynos.values()].findLast(({ spec, exitCode }) => spec.name === name && exitCode === null);
    if (found === undefined) throw new Error(`no ${name} runs`);
    return found;
  }

  end(dynoId: string, exitCode: number): void {
    const dyno = this.dynos.get(dynoId);
    if (dyno === undefined) return;
    dyno.exitCode = exitCode;
    for (const tell of this.#watchers) tell({ dynoId, exitCode });
  }
}

/** An attached program that the test speaks for. */
export class FakeAttached implements AttachedDyno {
  readonly input: Buffer[] = [];
  readonly signals: string[] = [];
  inputEnded = false;
  isPaused = false;
  /** What the program leaves unread of its input. */
  left = 0;
  readonly #exit = Promise.withResolvers<{ exitCode: number }>();
  readonly exited = this.#exit.promise;
  #early: Buffer[] = [];
  #listener: (chunk: Buffer) => void = (chunk) => void this.#early.push(chunk);

  onOutput(listener: (chunk: Buffer) => void): void {
    this.#listener = listener;
    for (const chunk of this.#early.splice(0)) listener(chunk);
  }

  unread(): number {
    return this.left;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  write(chunk: Buffer): void {
    this.input.push(Buffer.from(chunk));
  }

  end(): void {
    this.inputEnded = true;
  }

  async signal(signal: "SIGHUP" | "SIGTERM" | "SIGKILL"): Promise<void> {
    this.signals.push(signal);
    if (signal === "SIGKILL") this.exit(137);
  }

  say(chunk: Buffer | string): void {
    this.#listener(Buffer.from(chunk));
  }

  exit(exitCode: number): void {
    this.#exit.resolve({ exitCode });
  }
}
