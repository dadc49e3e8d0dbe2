import { join } from "node:path";
import { mustRun } from "../src/kernel/command.ts";
import { TestPlatform } from "../test/acceptance/support/platform.ts";
import type { Figure, Report } from "./figure.ts";
import { median, spread } from "./measure.ts";

const ROUNDS = 3;
const MOST_MILLISECONDS = 3000;
const ROOT = join(import.meta.dirname, "..");

/** `npm start` on a home that has been set up: with everything stopped before, and with router, dynos and database still running. */
export async function benchStart(): Promise<Report> {
  const platform = await TestPlatform.start();
  try {
    const taken: number[] = [];
    const whole: number[] = [];
    const env: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      await platform.signal("SIGTERM");
      taken.push(await platform.boot());
      await platform.stop();
      whole.push(await platform.boot());
      const from = performance.now();
      await mustRun(["npx", "zarpa", "env"], { cwd: ROOT, env: platform.environment });
      env.push(performance.now() - from);
    }
    const figure = (name: string, values: number[]): Figure => ({
      name,
      ours: median(values),
      peer: null,
      unit: "ms",
      compared: "value",
      bound: "at most",
      limit: MOST_MILLISECONDS,
    });
    return {
      figures: [figure("second start, everything stopped before", whole), figure("second start, taking over", taken)],
      notes: [`npx zarpa env, fastest / median / slowest of ${ROUNDS}: ${spread(env)} ms`],
    };
  } finally {
    await platform.close();
  }
}
