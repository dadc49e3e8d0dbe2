import { sql } from "kysely";
import type { Platform } from "./context.ts";
import { addFigure, type Figure } from "./figure.ts";
import type { MinuteFigure } from "./figure-intake.ts";

/** How finely figures are kept, and for how long; seconds. */
export const RESOLUTIONS = [
  { step: 60, kept: 24 * 3600 },
  { step: 600, kept: 3 * 24 * 3600 },
  { step: 3600, kept: 30 * 24 * 3600 },
] as const;

interface Row extends Figure {
  app_id: string;
  step: number;
  at: Date;
  process: string;
}

/**
 * Adds figures to the rows of every resolution at once, so that a minute that comes late (the router's log is read on after a
 * control plane's death) is in the hours as well. Figures of apps that are gone are dropped.
 */
export async function storeFigures(ctx: Platform, figures: readonly MinuteFigure[]): Promise<void> {
  const ids = [...new Set(figures.map(({ appId }) => appId))];
  const rows = [...rolledUp(figures).values()];
  if (rows.length === 0) return;
  await ctx.db.transaction().execute(async (trx) => {
    const apps = await trx.selectFrom("apps").select("id").where("id", "in", ids).forKeyShare().execute();
    const living = new Set(apps.map(({ id }) => id));
    const kept = rows.filter((row) => living.has(row.app_id));
    const present = await sql<Row>`select f.* from figures f join unnest(
        ${kept.map((row) => row.app_id)}::uuid[], ${kept.map((row) => row.step)}::int[],
        ${kept.map((row) => row.at.toISOString())}::timestamptz[], ${kept.map((row) => row.process)}::text[]
      ) as wanted(app_id, step, at, process) using (app_id, step, at, process) for update of f`.execute(trx);
    const sums = new Map(kept.map((row) => [keyOf(row), row]));
    for (const row of present.rows) addFigure(sums.get(keyOf(row))!, row);
    await sql`insert into figures (app_id, step, at, process, counters, latency, gauges)
        select app_id, step, at, process, counters, latency, gauges from jsonb_to_recordset(${JSON.stringify(kept)}::jsonb)
          as r(app_id uuid, step int, at timestamptz, process text, counters jsonb, latency jsonb, gauges jsonb)
        on conflict (app_id, step, at, process) do update
          set counters = excluded.counters, latency = excluded.latency, gauges = excluded.gauges`.execute(trx);
  });
}

/** Deletes what is older than its resolution is kept. */
export async function expireFigures(ctx: Platform): Promise<void> {
  const now = ctx.clock.now().getTime();
  for (const { step, kept } of RESOLUTIONS) {
    await ctx.db
      .deleteFrom("figures")
      .where("step", "=", step)
      .where("at", "<", new Date(now - (kept + step) * 1000))
      .execute();
  }
}

function rolledUp(figures: readonly MinuteFigure[]): Map<string, Row> {
  const rows = new Map<string, Row>();
  for (const { appId, process, at, figure } of figures) {
    for (const { step } of RESOLUTIONS) {
      const row = {
        app_id: appId,
        step,
        at: new Date(at - (at % (step * 1000))),
        process,
        counters: {},
        latency: {},
        gauges: {},
      };
      const key = keyOf(row);
      if (!rows.has(key)) rows.set(key, row);
      addFigure(rows.get(key)!, figure);
    }
  }
  return rows;
}

function keyOf({ app_id, step, at, process }: Pick<Row, "app_id" | "step" | "at" | "process">): string {
  return `${app_id} ${step} ${at.getTime()} ${process}`;
}
