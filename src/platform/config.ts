import type { Platform } from "./context.ts";

/** Config vars by name, in the order in which they were first set. */
export type ConfigVars = Record<string, string>;

/** What is stored of config vars: sealed JSON, for apps and for the snapshot in each release. */
export function sealConfig(ctx: Platform, config: ConfigVars): Buffer {
  return ctx.vault.seal(JSON.stringify(config));
}

export function openConfig(ctx: Platform, sealed: Buffer): ConfigVars {
  return JSON.parse(ctx.vault.open(sealed)) as ConfigVars;
}
