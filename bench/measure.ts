import { setTimeout as delay } from "node:timers/promises";

/** The middle one; of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) / 2;
}

/** Smallest, median and largest, for the notes. */
export function spread(values: readonly number[]): string {
  return [Math.min(...values), median(values), Math.max(...values)].map((value) => value.toFixed(0)).join(" / ");
}

/**
 * Measures two things in turns, so that whatever else the machine does meets both. The first round warms up and does not count. `restMs`: a
 * pause before each turn, in which what the turn before has left to do is done.
 */
export async function alternate(
  rounds: number,
  ours: (round: number) => Promise<number>,
  peer: (round: number) => Promise<number>,
  restMs = 0,
): Promise<{ ours: number[]; peer: number[] }> {
  const found: { ours: number[]; peer: number[] } = { ours: [], peer: [] };
  for (let round = 0; round <= rounds; round += 1) {
    for (const [who, turn] of [["ours", ours] as const, ["peer", peer] as const]) {
      await delay(restMs);
      const value = await turn(round);
      if (round > 0) found[who].push(value);
    }
  }
  return found;
}

/** Asks again and again, with a pause that leaves the processors to what is measured, until the answer is yes. */
export async function until(isDone: () => Promise<boolean>, what: string, pauseMs = 5, timeoutMs = 60_000): Promise<void> {
  const from = performance.now();
  while (!(await isDone())) {
    if (performance.now() - from > timeoutMs) throw new Error(`${what}: not within ${timeoutMs / 1000} s`);
    await delay(pauseMs);
  }
}

/** Measures several things in turns; the first round warms up and does not count. */
export async function inTurns<Value>(
  rounds: number,
  things: Record<string, () => Promise<Value>>,
): Promise<Record<string, Value[]>> {
  const found: Record<string, Value[]> = Object.fromEntries(Object.keys(things).map((name) => [name, []]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const [name, measure] of Object.entries(things)) {
      const value = await measure();
      if (round > 0) found[name]?.push(value);
    }
  }
  return found;
}
