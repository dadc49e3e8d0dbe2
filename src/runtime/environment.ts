import type { DesiredApp, DesiredRelease, DynoLimits, DynoRecord, DynoSpec } from "./ports.ts";

const BYTES_PER_MEGABYTE = 1024 * 1024;

/**
 * The environment of a dyno but for HOME: what every dyno has, then the config vars, then what was given to a one-off dyno, then what
 * nobody may change. https://devcenter.heroku.com/articles/dynos#local-environment-variables
 */
function environmentOf(
  record: Pick<DynoRecord, "id" | "name" | "env">,
  { config, metadata }: Pick<DesiredRelease, "config" | "metadata">,
  limits: DynoLimits,
  port: number | null,
): Record<string, string> {
  return {
    PATH: "/usr/local/bin:/usr/bin:/bin",
    LANG: "C.UTF-8",
    DYNO_RAM: String(Math.floor(limits.memoryBytes / BYTES_PER_MEGABYTE)),
    // The router is the only one who reaches a dyno: servers may trust its X-Forwarded headers.
    FORWARDED_ALLOW_IPS: "*",
    ...config,
    ...metadata,
    ...(Object.keys(metadata).length === 0 ? {} : { HEROKU_DYNO_ID: record.id }),
    ...record.env,
    ...(port === null ? {} : { PORT: String(port) }),
    DYNO: record.name,
  };
}

/** What a driver is told about one dyno. */
export function specOf(
  record: DynoRecord,
  app: DesiredApp["app"],
  release: DesiredRelease,
  own: { limits: DynoLimits; port: number | null; logPath: string },
): DynoSpec {
  return {
    dynoId: record.id,
    app,
    name: record.name,
    slugRoot: release.slugRoot,
    stack: release.stack,
    command: record.command,
    env: environmentOf(record, release, own.limits, own.port),
    port: own.port,
    size: own.limits,
    logPath: own.logPath,
  };
}

const FIRST_PORT = 3_000;
const PORTS_END = 60_000;

/** The port a web dyno is to bind: another one each time, as on Heroku, so that nobody relies on it. `random` is in [0, 1). */
export function choosePort(random: () => number): number {
  return FIRST_PORT + Math.floor(random() * (PORTS_END - FIRST_PORT));
}

/** Size of the client's terminal, from the environment that it has sent. */
export function terminalOf(env: Record<string, string>): { columns: number; rows: number } {
  return { columns: lengthOf(env["COLUMNS"], 80), rows: lengthOf(env["LINES"], 24) };
}

const MAX_TERMINAL_LENGTH = 1_000;

function lengthOf(text: string | undefined, fallback: number): number {
  const length = Number(text);
  return Number.isInteger(length) && length > 0 && length <= MAX_TERMINAL_LENGTH ? length : fallback;
}
