import { statfs } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../kernel/clock.ts";
import { runCommand } from "../kernel/command.ts";
import type { Journal } from "../kernel/journal.ts";
import type { Dynos } from "./dynos.ts";
import type { DynoLog } from "./ports.ts";

export interface DiskWatchOptions {
  /** The dynos' folders, by their ids. */
  folder: string;
  dynos: Pick<Dynos, "facts" | "signal">;
  log: DynoLog;
  clock: Clock;
  journal: Journal;
  disk?: Disk;
}

/** How the disk is measured, in bytes. */
export interface Disk {
  free(folder: string): Promise<number>;
  /** What lies below each of the folders; nothing for one that is gone. */
  used(folders: readonly string[]): Promise<Map<string, number>>;
}

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const PERIOD_MILLISECONDS = 1000;
/** Above what builds leave (1 GB): dynos must not be what keeps everybody from deploying. */
const RESERVE_BYTES = 1.5 * GIB;
/** Nobody is ended for less, however full the disk is. */
const LEAST_BYTES = 512 * MIB;

/**
 * A dyno may write as much as there is room for, as on Heroku; but when the disk of the installation runs full, the one that has written
 * most is ended, and with it goes what it has written.
 */
export class DiskWatch {
  readonly #options: DiskWatchOptions;
  readonly #disk: Disk;
  readonly #ending = new AbortController();
  #running: Promise<void> = Promise.resolve();
  /** The dyno that was ended last: until it is cleared away the disk is as full as before. */
  #leaving: string | null = null;

  constructor(options: DiskWatchOptions) {
    this.#options = options;
    this.#disk = options.disk ?? machineDisk;
  }

  start(): void {
    this.#running = this.#watch();
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  async #watch(): Promise<void> {
    const { clock, journal } = this.#options;
    let isFailing = false;
    while (!this.#ending.signal.aborted) {
      await clock.sleep(PERIOD_MILLISECONDS, this.#ending.signal).catch(() => {});
      if (this.#ending.signal.aborted) return;
      try {
        await this.#look();
        isFailing = false;
      } catch (cause) {
        if (!isFailing) journal.fault("runtime.disk", cause);
        isFailing = true;
      }
    }
  }

  async #look(): Promise<void> {
    const { folder, dynos, log, journal } = this.#options;
    if (this.#leaving !== null && dynos.facts.has(this.#leaving)) return;
    this.#leaving = null;
    if ((await this.#disk.free(folder)) >= RESERVE_BYTES) return;
    const running = [...dynos.facts].filter(([, { phase, killed }]) => phase === "running" && !killed);
    const used = await this.#disk.used(running.map(([dynoId]) => join(folder, dynoId)));
    const written = ([dynoId]: (typeof running)[number]): number => used.get(join(folder, dynoId)) ?? 0;
    const [largest] = running.toSorted((a, b) => written(b) - written(a));
    if (largest === undefined || written(largest) < LEAST_BYTES) return;
    const [dynoId, { identity }] = largest;
    this.#leaving = dynoId;
    const megabytes = Math.round(written(largest) / MIB);
    journal.note("runtime.disk_full", { dyno_id: dynoId, app_id: identity?.appId ?? null, megabytes });
    if (identity !== null) {
      const message = `The disk of this installation is almost full, and this dyno has written most: ${megabytes}M`;
      log.say({ appId: identity.appId, process: identity.process, message });
      log.say({ appId: identity.appId, process: identity.process, message: "Stopping process with SIGKILL" });
    }
    await dynos.signal(dynoId, "SIGKILL");
  }
}

const machineDisk: Disk = {
  async free(folder) {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  },
  async used(folders) {
    if (folders.length === 0) return new Map();
    const { stdout } = await runCommand(["du", "--summarize", "--block-size=1", "--one-file-system", "--", ...folders]);
    const lines = stdout.split("\n").map((line) => line.split("\t"));
    return new Map(lines.flatMap(([bytes, path]) => (path === undefined ? [] : [[path, Number(bytes)]])));
  },
};
