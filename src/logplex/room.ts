import { statfs } from "node:fs/promises";
import type { Clock } from "../kernel/clock.ts";
import type { Journal } from "../kernel/journal.ts";

export interface Reserve {
  bytes: number;
  /** Of the file system, for small ones. */
  share: number;
}

/**
 * What logs leave to others on the disk. Builds are refused below 1 GiB (`src/builder/limits.ts`), logs are shed below this; what is left
 * then is the databases' and the dynos'.
 */
const RESERVE: Reserve = { bytes: 256 * 1024 * 1024, share: 0.05 };
const LOOK_MILLISECONDS = 1_000;

/** Whether the disk still has room for logs; looked at once a second at most. */
export class Room {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #reserve: Reserve;
  #lookedAt = -Infinity;
  #isFull = false;

  constructor(options: { folder: string; clock: Clock; journal: Journal; reserve?: Reserve }) {
    this.#folder = options.folder;
    this.#clock = options.clock;
    this.#journal = options.journal;
    this.#reserve = options.reserve ?? RESERVE;
  }

  async isFull(): Promise<boolean> {
    const now = this.#clock.now().getTime();
    if (now - this.#lookedAt < LOOK_MILLISECONDS) return this.#isFull;
    this.#lookedAt = now;
    const disk = await statfs(this.#folder).catch(() => null);
    if (disk === null) return this.#isFull;
    const free = disk.bavail * disk.bsize;
    const isFull = free < Math.min(this.#reserve.bytes, disk.blocks * disk.bsize * this.#reserve.share);
    if (isFull !== this.#isFull) {
      this.#journal.note(isFull ? "the disk is almost full: log lines are dropped" : "log lines are kept again", { free });
    }
    this.#isFull = isFull;
    return isFull;
  }
}
