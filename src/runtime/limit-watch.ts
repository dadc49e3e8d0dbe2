import type { Clock } from "../kernel/clock.ts";
import type { Journal } from "../kernel/journal.ts";
import type { Dynos } from "./dynos.ts";
import type { DynoStrain } from "./ports.ts";

export interface LimitWatchOptions {
  dynos: Pick<Dynos, "facts" | "sayStrain">;
  clock: Clock;
  journal: Journal;
}

const PERIOD_MILLISECONDS = 5_000;
const MIB = 1024 * 1024;
/** A file system counts as full when a program's usual write would not fit. */
const FULL_BYTES = MIB;

/** Looks whether running dynos have come up against their number of processes or their disk, and has the app's log say so. */
export class LimitWatch {
  readonly #options: LimitWatchOptions;
  readonly #ending = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(options: LimitWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#watch();
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  async #watch(): Promise<void> {
    const { clock, dynos, journal } = this.#options;
    while (!this.#ending.signal.aborted) {
      await clock.sleep(PERIOD_MILLISECONDS, this.#ending.signal).catch(() => {});
      for (const [dynoId, { phase, frozen }] of dynos.facts) {
        if (this.#ending.signal.aborted) return;
        if (phase !== "running" || frozen) continue;
        await dynos.sayStrain(dynoId).catch((cause: unknown) => journal.fault("runtime.limits", cause, { dyno_id: dynoId }));
      }
    }
  }
}

/** What the log says of the limits a dyno has come up against; `told`: refused processes that it has spoken of before. Pure. */
export function strainVerdict(strain: DynoStrain, told: number): string[] {
  const { maxProcesses, refusedProcesses, disk } = strain;
  const messages: string[] = [];
  const refused = refusedProcesses - told;
  if (maxProcesses !== null && refused > 0) {
    messages.push(`Process limit reached: ${maxProcesses} processes and threads at a time, ${refused} more were refused`);
  }
  if (disk === null) return messages;
  const full = Math.min(FULL_BYTES, disk.bytes / 100);
  if (disk.freeBytes < full) messages.push(`Disk quota exceeded: ${Math.round(disk.bytes / MIB)}M are written, no more fits`);
  if (disk.freeFiles === 0) messages.push(`Disk quota exceeded: there are ${disk.files} files, no more fit`);
  return messages;
}
