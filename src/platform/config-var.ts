import { readRouterConfig } from "../contract/router-config.ts";
import { type Actor, changeApp } from "./change.ts";
import { type ConfigVars, openConfig } from "./config.ts";
import type { Platform } from "./context.ts";
import { addRelease } from "./release.ts";
import { invalid, notFound } from "./refusals.ts";

/** Names and values together, per app: https://devcenter.heroku.com/articles/limits#config-vars */
export const MAX_CONFIG_BYTES = 64 * 1024;

/** New values by name; null removes. */
export type ConfigChanges = Record<string, string | null>;

/** Builds get each config var as a file of its name. */
const MAX_NAME_LENGTH = 255;
const NAME = new RegExp(`^\\w{1,${MAX_NAME_LENGTH}}$`);

/** The app's config vars: https://devcenter.heroku.com/articles/config-vars */
export async function readConfigVars(ctx: Platform, appId: string): Promise<ConfigVars> {
  const row = await ctx.db.selectFrom("apps").select("config").where("id", "=", appId).executeTakeFirst();
  if (row === undefined) throw notFound("app");
  return openConfig(ctx, row.config);
}

/**
 * Merges the changes into the app's config vars and makes the release that carries them; the same values again make none. Answers
 * with all config vars.
 */
export async function updateConfigVars(ctx: Platform, appId: string, actor: Actor, changes: ConfigChanges): Promise<ConfigVars> {
  return await changeApp(ctx, appId, async (change) => {
    const before = openConfig(ctx, change.app.config);
    const { config, set, removed } = mergeConfig(before, changes);
    if (set.length === 0 && removed.length === 0) return before;
    await addRelease(ctx, change, { actor, description: describeChanges(set, removed), config });
    return config;
  });
}

/** The merged config vars and the names that really change; refuses bad names, bad values and more than fits. */
export function mergeConfig(
  before: ConfigVars,
  changes: ConfigChanges,
): { config: ConfigVars; set: string[]; removed: string[] } {
  const merged = new Map(Object.entries(before));
  const set: string[] = [];
  const removed: string[] = [];
  for (const [name, value] of Object.entries(changes)) {
    if (!NAME.test(name)) {
      throw invalid(`"${name}" is no name for a config var: use letters, digits and underscores, ${MAX_NAME_LENGTH} at most.`);
    }
    if (value === null) {
      if (merged.delete(name)) removed.push(name);
      continue;
    }
    if (value.includes("\0")) throw invalid(`The value of ${name} holds a null byte, which no program could read.`);
    if (merged.get(name) === value) continue;
    merged.set(name, value);
    set.push(name);
  }
  const config = Object.fromEntries(merged);
  const [problem] = readRouterConfig(Object.fromEntries(set.map((name) => [name, config[name] ?? ""]))).problems;
  if (problem !== undefined) throw invalid(problem);
  const bytes = configBytes(config);
  if (set.length > 0 && bytes > MAX_CONFIG_BYTES) {
    const message = `Config vars may have ${MAX_CONFIG_BYTES} bytes in all, names and values together; these would have ${bytes}.`;
    throw invalid(message);
  }
  return { config, set, removed };
}

function configBytes(config: ConfigVars): number {
  return Object.entries(config).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value), 0);
}

/** `Set A, B config vars`, `Remove X config vars`, or both. */
function describeChanges(set: readonly string[], removed: readonly string[]): string {
  const parts: string[] = [];
  if (set.length > 0) parts.push(`Set ${set.join(", ")}`);
  if (removed.length > 0) parts.push(`${set.length > 0 ? "remove" : "Remove"} ${removed.join(", ")}`);
  return `${parts.join(" and ")} config vars`;
}
