/** One holder at a time per key; the others wait in the order of their asking. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /** Resolves with the function that gives the turn back. `waiting` is called first when somebody else has it. */
  async take(key: string, waiting: () => Promise<void>): Promise<() => void> {
    const before = this.#last.get(key);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last.set(key, promise);
    const release = (): void => {
      if (this.#last.get(key) === promise) this.#last.delete(key);
      resolve();
    };
    if (before === undefined) return release;
    try {
      await waiting();
    } finally {
      await before;
    }
    return release;
  }
}
