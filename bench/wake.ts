import { cp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { TestPlatform } from "../test/acceptance/support/platform.ts";
import { processesOf } from "../test/acceptance/support/processes.ts";
import { requestPage } from "../test/acceptance/support/user.ts";
import { createApp, WorkingCopy } from "./client.ts";
import type { Report } from "./figure.ts";
import { end, type HandRoot } from "./hand-root.ts";
import { median, spread, until } from "./measure.ts";
import { memoryOf } from "./memory.ts";
import { openHandRoot, type WorkPlace } from "./work-place.ts";

const APP = "bench-wake";
const ROUNDS = 7;
const FIRST_PORT = 23_000;
const IDLE_SECONDS = 2;
const FROZEN_SECONDS = 5;
/** A frozen dyno is left alone for a moment: its memory is given back meanwhile. */
const REST_MS = 1000;
const MOST_FROZEN_MS = 50;
const MOST_TIMES_OWN_BOOT = 1.3;
const MOST_MEGABYTES_A_DYNO = 2;
/** What the Python buildpack sets for a dyno of the smallest size. */
const GUNICORN_ENV = {
  WEB_CONCURRENCY: "2",
  GUNICORN_CMD_ARGS: "--access-logfile -",
  PYTHONUNBUFFERED: "true",
  PYTHONPATH: "/app",
};

/** The first request to an app that sleeps: frozen, and stopped, beside the app's own boot to its first page. */
export async function benchWake(place: WorkPlace): Promise<Report> {
  await using closing = new AsyncDisposableStack();
  const root = await openHandRoot(place);
  closing.defer(async () => await root.close());
  const platform = await TestPlatform.start({
    ZARPA_IDLE_SECONDS: String(IDLE_SECONDS),
    ZARPA_FROZEN_SECONDS: String(FROZEN_SECONDS),
  });
  closing.defer(async () => await platform.close());
  const copy = await WorkingCopy.make(await platform.clientEnvironment());
  closing.defer(async () => await copy.remove());
  await cp(copy.folder, root.app, { recursive: true });
  await root.install();
  const { remote, token } = await createApp(platform, APP);
  await copy.git(["push", "--quiet", remote, "main"]);
  const found = { frozen: [] as number[], stopped: [] as number[], boot: [] as number[], megabytes: [] as number[] };
  for (let round = 0; round <= ROUNDS; round += 1) {
    await until(async () => (await stateOf(platform, token)) === "idle", "the sleep", 50);
    await delay(REST_MS);
    found.megabytes.push(helpersOf(platform));
    found.frozen.push(await visit(platform));
    await until(async () => (await readdir(join(platform.home, "dynos", "live"))).length === 0, "the end of the frozen dyno", 50);
    found.stopped.push(await visit(platform));
    found.boot.push(await bootByHand(root, FIRST_PORT + round));
  }
  // The first round warms up.
  for (const values of Object.values(found)) values.shift();
  return {
    figures: [
      figure("wake from frozen, to the page", median(found.frozen), "ms", MOST_FROZEN_MS),
      {
        name: "wake from stopped, to the page",
        ours: median(found.stopped),
        peer: { what: "the app's own boot", value: median(found.boot) },
        unit: "ms",
        compared: "ratio",
        bound: "at most",
        limit: MOST_TIMES_OWN_BOOT,
      },
      figure("memory of the platform for an idle dyno", median(found.megabytes), "MB", MOST_MEGABYTES_A_DYNO),
    ],
    notes: [
      `wake, fastest / median / slowest of ${ROUNDS}: frozen ${spread(found.frozen)} ms; stopped ${spread(found.stopped)} ms; own boot ${spread(found.boot)} ms`,
      "wake: memory is the PSS of the dyno's monitor (conmon) and init (tini); the app's own is not the platform's",
    ],
  };
}

function figure(name: string, ours: number, unit: "ms" | "MB", limit: number): Report["figures"][number] {
  return { name, ours, peer: null, unit, compared: "value", bound: "at most", limit };
}

async function stateOf(platform: TestPlatform, token: string): Promise<string | undefined> {
  const headers = { accept: "application/vnd.heroku+json; version=3", authorization: `Bearer ${token}` };
  const response = await fetch(`${platform.origin}/apps/${APP}/dynos`, { headers });
  return ((await response.json()) as { state: string }[])[0]?.state;
}

async function visit(platform: TestPlatform): Promise<number> {
  const from = performance.now();
  const { status, body } = await requestPage(platform.port, `${APP}.localhost`, "/");
  if (status !== 200) throw new Error(`the page answers ${status}: ${body}`);
  return performance.now() - from;
}

/** gunicorn as the dyno runs it, without the platform, to its first page. */
async function bootByHand(root: HandRoot, port: number): Promise<number> {
  const from = performance.now();
  const program = root.start(["gunicorn", "main:app"], { ...GUNICORN_ENV, PORT: String(port) });
  const answers = async (): Promise<boolean> =>
    await requestPage(port, "localhost", "/").then(
      ({ status }) => status === 200,
      () => false,
    );
  await until(answers, "gunicorn by hand");
  const milliseconds = performance.now() - from;
  await end(program);
  return milliseconds;
}

/** Megabytes that the platform's own processes around a dyno hold. */
function helpersOf(platform: TestPlatform): number {
  let sum = 0;
  for (const pid of processesOf(platform.home)) {
    const [program = ""] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    if (/(^|\/)(conmon|tini)$/.test(program)) sum += memoryOf(pid)?.pss ?? 0;
  }
  return sum;
}
