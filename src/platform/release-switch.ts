import type { ReleaseSwitch } from "../contract/release.ts";
import type { Platform } from "./context.ts";

/** What a release's switch from the one before has cost. */
export type SwitchProof = ReleaseSwitch;

/** Keeps the proof with the release; false: it has one already, or is gone. */
export async function recordSwitch(ctx: Platform, releaseId: string, proof: SwitchProof): Promise<boolean> {
  const { numUpdatedRows } = await ctx.db
    .updateTable("releases")
    .set({ switch: JSON.stringify(proof) })
    .where("id", "=", releaseId)
    .where("switch", "is", null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}
