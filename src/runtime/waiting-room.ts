import type { Clock } from "../kernel/clock.ts";
import type { DynoRecord } from "./ports.ts";

/** How long a client that is faster than the plan is held before its secret is called unknown. */
const EARLY_MILLISECONDS = 3_000;

/** One-off dynos that wait for their client, by the digest of its secret. */
export class WaitingRoom {
  readonly #clock: Clock;
  readonly #waiting = new Map<string, DynoRecord>();
  readonly #early = new Map<string, (record: DynoRecord) => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The dyno waits from now on; false when it did already. */
  admit(record: DynoRecord): boolean {
    const key = record.attach_digest?.toString("hex");
    if (key === undefined || this.#waiting.has(key)) return false;
    const client = this.#early.get(key);
    if (client === undefined) this.#waiting.set(key, record);
    else client(record);
    return true;
  }

  /** The dyno waits no longer. */
  dismiss(record: DynoRecord): void {
    const key = record.attach_digest?.toString("hex");
    if (key !== undefined) this.#waiting.delete(key);
  }

  /** The dyno that waits for this secret; each is given out once. Null: there is none. */
  async claim(digest: Buffer): Promise<DynoRecord | null> {
    const key = digest.toString("hex");
    const record = this.#waiting.get(key);
    if (record !== undefined) {
      this.#waiting.delete(key);
      return record;
    }
    if (this.#early.has(key)) return null;
    return await new Promise((resolve) => {
      const leave = (found: DynoRecord | null): void => {
        cancel();
        this.#early.delete(key);
        resolve(found);
      };
      const cancel = this.#clock.after(EARLY_MILLISECONDS, () => leave(null));
      this.#early.set(key, leave);
    });
  }
}
