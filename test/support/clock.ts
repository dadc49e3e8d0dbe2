import type { Clock } from "../../src/kernel/clock.ts";

interface Alarm {
  at: number;
  ring: () => void;
}

/** A clock whose hands the test turns: `advance` runs everything that comes due on the way, in order. */
export interface ManualClock extends Clock {
  /** Moves on by `milliseconds` and lets what was waiting go on. */
  advance(milliseconds: number): Promise<void>;
}

/** A clock that stands still at `start` until it is advanced. */
export function manualClock(start = new Date("2026-01-01T00:00:00Z")): ManualClock {
  let time = start.getTime();
  const alarms = new Set<Alarm>();
  const after = (milliseconds: number, action: () => void): (() => void) => {
    const alarm: Alarm = { at: time + milliseconds, ring: action };
    alarms.add(alarm);
    return () => alarms.delete(alarm);
  };
  return {
    now: () => new Date(time),
    after,
    sleep: async (milliseconds, signal) => {
      await new Promise<void>((resolve, reject) => {
        signal?.throwIfAborted();
        const cancel = after(milliseconds, resolve);
        signal?.addEventListener("abort", () => {
          cancel();
          reject(signal.reason as Error);
        });
      });
    },
    advance: async (milliseconds) => {
      const end = time + milliseconds;
      for (;;) {
        const next = [...alarms].filter((alarm) => alarm.at <= end).toSorted((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        alarms.delete(next);
        time = Math.max(time, next.at);
        next.ring();
        await settle();
      }
      time = end;
      await settle();
    },
  };
}

/** Lets promise chains that are ready run to their next real wait. */
async function settle(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}
