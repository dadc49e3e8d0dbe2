import { statfs } from "node:fs/promises";
import { Refusal } from "./refusal.ts";

/** What uploads leave on the disk: databases and dynos need it more. */
const RESERVE_BYTES = 1024 ** 3;
/** How much may arrive between two looks at the disk. */
const STEP_BYTES = 64 * 1024 ** 2;

const DISK_FULL_MESSAGE = "The disk of this installation is almost full: ask its operator to make room.";

/** Watches an upload: `take` is told of each chunk's bytes, and tells whether there is room for more. */
export class UploadRoom {
  readonly #folder: string;
  readonly #reserve: number;
  #left = 0;

  constructor(folder: string, reserveBytes = RESERVE_BYTES) {
    this.#folder = folder;
    this.#reserve = reserveBytes;
  }

  async take(bytes: number): Promise<boolean> {
    this.#left -= bytes;
    if (this.#left > 0) return true;
    this.#left = STEP_BYTES;
    const { bavail, bsize } = await statfs(this.#folder);
    return bavail * bsize >= this.#reserve;
  }

  /** Like `take`, and refuses when there is none. */
  async mustTake(bytes: number): Promise<void> {
    if (!(await this.take(bytes))) throw new Refusal("unavailable", DISK_FULL_MESSAGE);
  }
}
