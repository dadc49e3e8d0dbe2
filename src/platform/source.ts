import { isId, newId } from "../kernel/ids.ts";
import { grantCapability, redeemCapability } from "./capability.ts";
import type { Platform } from "./context.ts";

/** How long the two addresses of a source work. */
const SOURCE_SECONDS = 60 * 60;

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

/** The id of the source that the capability allows to `put` or `get`; null when it allows nothing (any more). */
export function redeemSource(ctx: Platform, action: "put" | "get", capability: string): string | null {
  const id = redeemCapability(ctx, `source:${action}`, capability)?.["id"];
  return typeof id === "string" && isId(id) ? id : null;
}
