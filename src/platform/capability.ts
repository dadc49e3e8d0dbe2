import type { Platform } from "./context.ts";

/** What a capability allows: a purpose of ours and what it is about. */
type Facts = Record<string, string | number | boolean | null>;

interface Sealed {
  purpose: string;
  facts: Facts;
  /** Milliseconds since the epoch. */
  until: number;
}

/** A text for an URL that by itself allows one thing for some time, as log sessions and uploads need: nobody else can make one. */
export function grantCapability(ctx: Platform, purpose: string, facts: Facts, seconds: number): string {
  const sealed: Sealed = { purpose, facts, until: ctx.clock.now().getTime() + seconds * 1000 };
  return ctx.vault.seal(JSON.stringify(sealed)).toString("base64url");
}

/** What the capability is about; null when it is not ours, for another purpose or expired. */
export function redeemCapability(ctx: Platform, purpose: string, capability: string): Facts | null {
  let sealed: Sealed;
  try {
    sealed = JSON.parse(ctx.vault.open(Buffer.from(capability, "base64url"))) as Sealed;
  } catch {
    return null;
  }
  return sealed.purpose === purpose && sealed.until > ctx.clock.now().getTime() ? sealed.facts : null;
}
