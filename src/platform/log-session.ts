import { newId } from "../kernel/ids.ts";
import { grantCapability, redeemCapability } from "./capability.ts";
import type { Platform } from "./context.ts";

/** What a client wants to see of an app's log: https://devcenter.heroku.com/articles/platform-api-reference#log-session */
export interface LogWish {
  /** `app` or `heroku`; null: both. */
  source: string | null;
  /** Dyno name or process type; null: all. */
  process: string | null;
  lines: number;
  tail: boolean;
}

export interface LogSession {
  id: string;
  created_at: Date;
  logplex_url: string;
}

/** How many lines Heroku keeps: https://devcenter.heroku.com/articles/logging#log-history-limits */
const MAX_LINES = 1500;
const DEFAULT_LINES = 100;
/** A tail reconnects to its own address, so that works for a day; what only reads is done at once. */
const TAIL_SECONDS = 24 * 60 * 60;
const READ_SECONDS = 5 * 60;

/** Makes the address of a log stream. The address itself is the permission: unguessable, for a limited time. */
export function createLogSession(ctx: Platform, appId: string, wish: Partial<LogWish>): LogSession {
  const tail = wish.tail ?? false;
  const lines = Math.min(Math.max(Math.trunc(wish.lines ?? DEFAULT_LINES), 0), MAX_LINES);
  const facts = { app_id: appId, source: wish.source ?? null, process: wish.process ?? null, lines, tail };
  const capability = grantCapability(ctx, "log", facts, tail ? TAIL_SECONDS : READ_SECONDS);
  return { id: newId(), created_at: ctx.clock.now(), logplex_url: `${ctx.addresses.origin}/streams/logs/${capability}` };
}

/** The session behind a log stream's address; null when it is not ours, expired, or the app is gone. */
export async function openLogSession(ctx: Platform, capability: string): Promise<(LogWish & { appId: string }) | null> {
  const facts = redeemCapability(ctx, "log", capability);
  const appId = facts?.["app_id"];
  if (facts === null || typeof appId !== "string") return null;
  const app = await ctx.db.selectFrom("apps").select("id").where("id", "=", appId).executeTakeFirst();
  if (app === undefined) return null;
  return {
    appId,
    source: facts["source"] as string | null,
    process: facts["process"] as string | null,
    lines: Number(facts["lines"]),
    tail: facts["tail"] === true,
  };
}
