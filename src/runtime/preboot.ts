import type { DesiredApp, DynoRecord } from "./ports.ts";

const FEATURE = "preboot";
/** The boot timeout and two minutes more: https://devcenter.heroku.com/articles/preboot */
const PREBOOT_MILLISECONDS = 180_000;

export interface Preboot {
  /** Old dynos that go on serving. */
  kept: ReadonlySet<string>;
  /** New ones that are up and take no requests yet. */
  hidden: ReadonlySet<string>;
  /** When the first of them is to take over. */
  until: Date | null;
}

/**
 * With the feature `preboot`, dynos that replace others in their places wait three minutes from their start before they take requests.
 * `leaving`: those that would be stopped now.
 */
export function prebootOf(
  desired: DesiredApp | null,
  records: readonly DynoRecord[],
  leaving: ReadonlySet<string>,
  now: Date,
): Preboot {
  const kept = new Set<string>();
  const hidden = new Set<string>();
  let until: Date | null = null;
  const web =
    desired?.features.includes(FEATURE) === true
      ? records.filter(({ kind, type }) => kind === "formation" && type === "web")
      : [];
  for (const old of web) {
    if (!leaving.has(old.id) || old.state !== "up") continue;
    const successors = web.filter(({ id, name, state }) => name === old.name && state === "up" && !leaving.has(id));
    for (const { id, created_at: since } of successors) {
      const ready = new Date(since.getTime() + PREBOOT_MILLISECONDS);
      if (ready <= now) continue;
      kept.add(old.id);
      hidden.add(id);
      if (until === null || ready < until) until = ready;
    }
  }
  return { kept, hidden, until };
}
