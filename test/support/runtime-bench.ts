import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/kernel/clock.ts";
import type { AppRoute, DynoLog } from "../../src/runtime/ports.ts";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import { testCertificate } from "./certificate.ts";
import { manualClock, type ManualClock } from "./clock.ts";
import { FakeDriver } from "./fake-driver.ts";
import { MemoryFormation } from "./memory-formation.ts";

/** A runtime over rows in memory and dynos that exist in memory, with a clock that the test turns. */
export class RuntimeBench {
  readonly clock: ManualClock = manualClock();
  readonly driver = new FakeDriver();
  readonly store = new MemoryFormation(this.clock);
  readonly lines: string[] = [];
  readonly published: AppRoute[] = [];
  readonly faults: string[] = [];
  readonly #listeners = new Map<string, (message: string) => void>();
  readonly #folder: string;
  readonly #certificate: { cert: string; key: string };
  runtime: Runtime;

  private constructor(folder: string, certificate: { cert: string; key: string }) {
    this.#folder = folder;
    this.#certificate = certificate;
    this.runtime = this.#create();
  }

  static async open(): Promise<RuntimeBench> {
    const { cert, key } = await testCertificate();
    const bench = new RuntimeBench(await mkdtemp(join(tmpdir(), "zarpa-runtime-")), { cert, key });
    await bench.runtime.start();
    return bench;
  }

  async close(): Promise<void> {
    await this.runtime.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Where output files of dynos lie. */
  get outputFolder(): string {
    return join(this.#folder, "output");
  }

  get appId(): string {
    return this.store.must().app.id;
  }

  get route(): string {
    const last = this.published.at(-1);
    return last === undefined
      ? "-"
      : `${last.state} ${last.backends.map(({ dyno, address }) => `${dyno}@${address}`).join(" ")}`.trim();
  }

  /** A new control plane over the same rows and processes. */
  async restart(): Promise<void> {
    await this.runtime.stop();
    this.runtime = this.#create();
    await this.runtime.start();
  }

  /** After a change of rows. */
  change(): void {
    this.runtime.appChanged(this.appId);
  }

  /** Lets things run until they are as expected. */
  async reach(actual: () => unknown, expected: unknown): Promise<void> {
    for (let tries = 0; tries < 300; tries += 1) {
      try {
        assert.deepEqual(actual(), expected);
        return;
      } catch {
        await systemClock.sleep(1);
      }
    }
    assert.deepEqual(actual(), expected);
  }

  async states(...expected: string[]): Promise<void> {
    await this.reach(() => this.store.states(), expected);
  }

  /** The dyno binds its port, and the runtime sees it. */
  async bind(name: string): Promise<void> {
    await this.reach(() => [...this.driver.dynos.values()].some(({ spec }) => spec.name === name), true);
    this.driver.find(name).listening = true;
    await systemClock.sleep(1);
    await this.clock.advance(100);
  }

  /** Web dynos that the router no longer chooses are found without connections, and stopped. */
  async windDown(): Promise<void> {
    for (let looks = 0; looks < 8; looks += 1) {
      await systemClock.sleep(1);
      await this.clock.advance(100);
    }
  }

  /** The newest dyno of that name exits. */
  exit(name: string, exitCode: number): void {
    this.driver.end(this.driver.find(name).spec.dynoId, exitCode);
  }

  say(dynoName: string, message: string): void {
    this.#listeners.get(dynoName)?.(message);
  }

  /** Log lines since the last call. */
  takeLines(): string[] {
    return this.lines.splice(0);
  }

  #create(): Runtime {
    const log: DynoLog = {
      say: ({ process, message }) => void this.lines.push(`${process}: ${message}`),
      follow: ({ process, onLine }) => void (onLine !== undefined && this.#listeners.set(process, onLine)),
      finish: async () => {},
    };
    return createRuntime({
      driver: this.driver,
      store: this.store,
      log,
      routes: { publish: (route) => void this.published.push(route), withdraw: () => void this.published.splice(0) },
      clock: this.clock,
      journal: { note: () => {}, fault: (event, cause) => void this.faults.push(`${event}: ${String(cause)}`) },
      logsFolder: this.#folder,
      rendezvous: { port: 0, ...this.#certificate },
      sleepTimes: { idle: 30 * 60_000, frozen: 120 * 60_000 },
      random: () => 0.5,
    });
  }
}
