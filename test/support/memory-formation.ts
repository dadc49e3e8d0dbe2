import { newId } from "../../src/kernel/ids.ts";
import type { Clock } from "../../src/kernel/clock.ts";
import type { DesiredApp, DesiredRelease, DynoLimits, DynoRecord, FormationStore, SwitchProof } from "../../src/runtime/ports.ts";

/** Rows of one app in memory, changed by the test, for the runtime. */
export class MemoryFormation implements FormationStore {
  readonly rows: (DynoRecord & { exit_code?: number })[] = [];
  readonly releases = new Map<string, DesiredRelease>();
  app: DesiredApp | null;
  readonly #clock: Clock;
  /** When set, every query fails with it. */
  failure: Error | null = null;
  readonly proofs = new Map<string, SwitchProof>();
  /** How often a web dyno came back from a sleep. */
  wakes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    const app = { id: newId(), name: "sample", uid: 200_001 };
    this.app = {
      app,
      maintenance: false,
      hosts: ["sample.localhost"],
      release: null,
      formation: [],
      sleep: { may: false, since: null, exhausted: false },
      features: [],
    };
  }

  /** Makes a new release current. */
  deploy(config: Record<string, string> = {}): DesiredRelease {
    const version = this.releases.size + 1;
    const release = { id: newId(), version, slugRoot: null, stack: "heroku-24", config, metadata: {} };
    this.releases.set(release.id, release);
    this.must().release = release;
    return release;
  }

  scale(type: string, quantity: number, command = `run ${type}`): void {
    const { formation } = this.must();
    const row = formation.find((one) => one.type === type);
    if (row === undefined) formation.push({ type, quantity, size: "Standard-1X", command });
    else row.quantity = quantity;
  }

  must(): DesiredApp {
    if (this.app === null) throw new Error("the app is gone");
    return this.app;
  }

  /** `web.1:up` for each living row. */
  states(): string[] {
    return this.rows.filter(({ state }) => state !== "down").map(({ name, state }) => `${name}:${state}`);
  }

  async appIds(): Promise<string[]> {
    this.#check();
    return this.app === null ? [] : [this.app.app.id];
  }

  async desired(appId: string): Promise<DesiredApp | null> {
    this.#check();
    return this.app?.app.id === appId ? structuredClone(this.app) : null;
  }

  async dynos(appId: string): Promise<DynoRecord[]> {
    this.#check();
    return this.rows.filter((row) => row.app_id === appId && row.state !== "down").map((row) => ({ ...row }));
  }

  async release(releaseId: string): Promise<DesiredRelease | null> {
    return this.releases.get(releaseId) ?? null;
  }

  async insert(dyno: DynoRecord): Promise<void> {
    this.#check();
    this.rows.push({ ...dyno });
  }

  async update(dynoId: string, patch: Partial<DynoRecord> & { exit_code?: number }): Promise<void> {
    this.#check();
    const row = this.rows.find(({ id }) => id === dynoId);
    if (row !== undefined) Object.assign(row, patch, patch.state === undefined ? {} : { updated_at: this.#clock.now() });
  }

  async sleep(): Promise<void> {
    this.#check();
    this.must().sleep.since ??= this.#clock.now();
  }

  async wake(): Promise<boolean> {
    this.#check();
    const { sleep } = this.must();
    const slept = sleep.since !== null;
    sleep.since = null;
    return slept;
  }

  async woken(): Promise<void> {
    this.wakes += 1;
  }

  async recordSwitch(releaseId: string, proof: SwitchProof): Promise<boolean> {
    this.#check();
    if (this.proofs.has(releaseId)) return false;
    this.proofs.set(releaseId, proof);
    return true;
  }

  limits(): DynoLimits {
    return { memoryBytes: 512 * 1024 * 1024, cpuShare: 1, maxProcesses: 256 };
  }

  #check(): void {
    if (this.failure !== null) throw this.failure;
  }
}
