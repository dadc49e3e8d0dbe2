/** How long a web dyno may take to bind its port: 60 seconds, and more when the app says so. */
const BOOT_SECONDS = 60;
const MAX_BOOT_SECONDS = 180;
/** Heroku has a page for it; here it is a config var, in seconds. */
const BOOT_VARIABLE = "ZARPA_BOOT_TIMEOUT";

/** The app's boot timeout: https://devcenter.heroku.com/articles/limits#boot-timeout. What is no number, or out of range, is as near as can be. */
export function bootSeconds(config: Record<string, string>): number {
  const wish = Number(config[BOOT_VARIABLE]);
  return Number.isFinite(wish) ? Math.min(Math.max(Math.floor(wish), BOOT_SECONDS), MAX_BOOT_SECONDS) : BOOT_SECONDS;
}

/** Up to 216 minutes: https://devcenter.heroku.com/articles/dynos#automatic-dyno-restarts */
const MAX_CYCLE_DELAY_MILLISECONDS = 216 * 60_000;
const UUID_DIGITS = 8;

/** How much more than a day a dyno lives: random among dynos, and the same whenever it is asked for. `id`: a random UUID. */
export function cycleDelay(id: string): number {
  const digits = id.replaceAll("-", "").slice(-UUID_DIGITS);
  const part = Number.parseInt(digits, 16) / 16 ** UUID_DIGITS;
  return Number.isNaN(part) ? 0 : Math.floor(part * MAX_CYCLE_DELAY_MILLISECONDS);
}
