import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { DesiredRelease } from "./ports.ts";

/** How a web dyno shows that it can take requests, beyond having bound its port. */
export interface HealthCheck {
  path: string;
  /** Failures in a row after which the dyno is given up; Infinity: until its boot time is over. */
  attempts: number;
  timeoutMilliseconds: number;
  waitMilliseconds: number;
  initialDelayMilliseconds: number;
  /** The answer's body must hold it; null: whatever. */
  content: string | null;
}

const PATH_VARIABLE = "HEALTH_CHECK_PATH";
const APP_JSON = "app.json";
const MAX_APP_JSON_BYTES = 1024 * 1024;
/** Dokku's defaults: https://dokku.com/docs/deployment/zero-downtime-deploys/ */
const ATTEMPTS = 3;
const SECONDS = 5;
const MAX_SECONDS = 180;
/** A config var says nothing of attempts: the dyno is asked each second of its boot time. */
const VARIABLE_WAIT_MILLISECONDS = 1_000;
const MILLISECONDS = 1_000;

/**
 * The check that the release asks for: the path in the config var `HEALTH_CHECK_PATH`, else the first startup check with a path for `web`
 * in `app.json`, in Dokku's form. `problem`: why what is written there cannot be used.
 */
export async function healthCheckOf(
  release: Pick<DesiredRelease, "slugRoot" | "config">,
): Promise<{ check: HealthCheck | null; problem: string | null }> {
  const path = release.config[PATH_VARIABLE];
  if (path !== undefined && path !== "") {
    if (!isPath(path)) return { check: null, problem: `${PATH_VARIABLE} is not a path like /health` };
    const wait = { waitMilliseconds: VARIABLE_WAIT_MILLISECONDS, initialDelayMilliseconds: 0 };
    return {
      check: { path, attempts: Infinity, timeoutMilliseconds: SECONDS * MILLISECONDS, ...wait, content: null },
      problem: null,
    };
  }
  const text = release.slugRoot === null ? null : await readAppJson(join(release.slugRoot, "app", APP_JSON));
  if (text === null) return { check: null, problem: null };
  try {
    return { check: parseAppJson(text), problem: null };
  } catch (cause) {
    return { check: null, problem: `app.json: ${(cause as Error).message}` };
  }
}

/** Throws in words for the app's author. Other parts of app.json are not judged. */
export function parseAppJson(text: string): HealthCheck | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new Error("it is not JSON");
  }
  const web = memberOf(memberOf(parsed, "healthchecks"), "web");
  if (web === undefined) return null;
  if (!Array.isArray(web)) throw new Error("healthchecks.web is not a list");
  const index = web.findIndex((one) => memberOf(one, "type") === "startup" && memberOf(one, "path") !== undefined);
  if (index === -1) return null;
  const place = `healthchecks.web[${index}]`;
  const path = memberOf(web[index], "path");
  if (typeof path !== "string" || !isPath(path)) throw new Error(`${place}.path is not a path like /health`);
  const content = memberOf(web[index], "content") ?? null;
  if (content !== null && typeof content !== "string") throw new Error(`${place}.content is not a text`);
  const number = (name: string, fallback: number, from: number): number => {
    const value = memberOf(web[index], name) ?? fallback;
    if (typeof value === "number" && value >= from && value <= MAX_SECONDS) return value;
    throw new Error(`${place}.${name} is not a number from ${from} to ${MAX_SECONDS}`);
  };
  return {
    path,
    attempts: number("attempts", ATTEMPTS, 1),
    timeoutMilliseconds: number("timeout", SECONDS, 1) * MILLISECONDS,
    waitMilliseconds: number("wait", SECONDS, 0) * MILLISECONDS,
    initialDelayMilliseconds: number("initialDelay", 0, 0) * MILLISECONDS,
    content,
  };
}

function isPath(text: string): boolean {
  return /^\/[\x21-\x7e]*$/.test(text);
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}

/** The file is the app's: a link that leads elsewhere, a pipe or a huge one is not read. */
async function readAppJson(path: string): Promise<string | null> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(() => null);
  if (file === null) return null;
  try {
    const about = await file.stat();
    return about.isFile() && about.size <= MAX_APP_JSON_BYTES ? await file.readFile("utf8") : null;
  } finally {
    await file.close();
  }
}
