import type { Clock } from "../kernel/clock.ts";

/** A dyno that takes longer to boot lets others begin all the same. */
const LONGEST_MILLISECONDS = 10_000;

/**
 * Lets a few dynos boot at a time, in the order in which they came: when a machine starts with many apps, all of them at once would
 * starve each other until none is up in time.
 */
export class LaunchQueue {
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(clock: Clock, most: number) {
    this.#clock = clock;
    this.#free = most;
  }

  /** Resolves when it is one's turn; the returned function lets the next one begin, at the latest it does so after 10 s. */
  async turn(): Promise<() => void> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let isOver = false;
    const end = (): void => {
      if (isOver) return;
      isOver = true;
      cancel();
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    };
    const cancel = this.#clock.after(LONGEST_MILLISECONDS, end);
    return end;
  }
}
