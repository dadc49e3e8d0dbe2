const MINUTE = 60_000;

/**
 * How long a slot rests before it is started again, by the crashes before: at once after the first one, then 10 minutes and twice as long
 * each time, up to 320 minutes (https://devcenter.heroku.com/articles/dynos#dyno-crash-restart-policy). A release or a restart begins
 * from the top.
 */
const BACK_OFF_MILLISECONDS: readonly number[] = [0, 10, 20, 40, 80, 160, 320].map((minutes) => minutes * MINUTE);

/** A dyno that was up this long before it crashed counts as crashing for the first time. */
export const STABLE_MILLISECONDS = 10 * MINUTE;

/** When a launch failed for a reason of the platform's, the app is not to blame: it is tried again soon, and not counted. */
export const LAUNCH_RETRY_MILLISECONDS = 10_000;

/** The rest after a crash; `crashes` is the number of consecutive ones before it. */
export function backOff(crashes: number): number {
  return BACK_OFF_MILLISECONDS[Math.max(0, Math.min(crashes, BACK_OFF_MILLISECONDS.length - 1))]!;
}
