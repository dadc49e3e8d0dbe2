import { isId, newId } from "../kernel/ids.ts";
import { grantCapability, redeemCapability } from "./capability.ts";
import type { Platform } from "./context.ts";

/** How long the two addresses of a source work. */
const SOURCE_SECONDS = 60 * 60;
/** A build that has waited its turn may still fetch its source. */
const DAY_SECONDS = 24 * 60 * 60;

/** Where to put a source tarball and where builds get it: https://devcenter.heroku.com/articles/platform-api-reference#source */
export interface SourceBlob {
  put_url: string;
  get_url: string;
}

/** A new, empty source; the two addresses are capabilities and need no token. */
export async function createSource(ctx: Platform, accountId: string, appId: string | null): Promise<SourceBlob> {
  const id = newId();
  await ctx.db.insertInto("sources").values({ id, account_id: accountId, app_id: appId, created_at: ctx.clock.now() }).execute();
  const address = (action: "put" | "get"): string =>
    `${ctx.addresses.origin}/streams/sources/${grantCapability(ctx, `source:${action}`, { id }, SOURCE_SECONDS)}`;
  return { put_url: address("put"), get_url: address("get") };
}

/** Forgets the sources whose addresses stopped working a day ago or more; answers with their ids, for their files to be removed. */
export async function forgetOldSources(ctx: Platform): Promise<string[]> {
  const before = new Date(ctx.clock.now().getTime() - (SOURCE_SECONDS + DAY_SECONDS) * 1000);
  const rows = await ctx.db.deleteFrom("sources").where("created_at", "<", before).returning("id").execute();
  return rows.map((row) => row.id);
}

/** The id of the source that the capability allows to `put` or `get`; null when it allows nothing (any more). */
export function redeemSource(ctx: Platform, action: "put" | "get", capability: string): string | null {
  const id = redeemCapability(ctx, `source:${action}`, capability)?.["id"];
  return typeof id === "string" && isId(id) ? id : null;
}
