import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Load } from "../test/acceptance/support/load.ts";
import { TestPlatform } from "../test/acceptance/support/platform.ts";
import { processesOf } from "../test/acceptance/support/processes.ts";
import { requestPage } from "../test/acceptance/support/user.ts";
import { ask, createApp, WorkingCopy } from "./client.ts";
import type { Report } from "./figure.ts";
import { end } from "./hand-root.ts";
import { median, spread, until } from "./measure.ts";

const APP = "bench-deploys";
const DEPLOYS = 50;
/** Of ten deploys one is a push and two are rollbacks; the others are new config vars. */
const ROUND = 10;
const CRASHES = 5;
const PEER_PORT = 24_000;
const PROGRAM = join(import.meta.dirname, "..", "test", "apps", "abrupt", "main.py");
const TELL_TALE = "bench-crash-marker";

/** Requests that fail in 50 deploys under load, and from a crash to the next page beside Debian's supervisor. */
export async function benchDeploys(): Promise<Report> {
  await using closing = new AsyncDisposableStack();
  const platform = await TestPlatform.start();
  closing.defer(async () => await platform.close());
  const { requests, failures, seconds } = await deployUnderLoad(platform, closing);
  const crash = await crashes(platform, closing);
  return {
    figures: [
      {
        name: `failed requests in ${DEPLOYS} deploys under load`,
        ours: failures.length,
        peer: null,
        unit: "requests",
        compared: "value",
        bound: "at most",
        limit: 0,
      },
      {
        name: "crash to serving again",
        ours: median(crash.ours),
        peer: { what: "supervisor", value: median(crash.peer) },
        unit: "ms",
        compared: "ratio",
        bound: "at most",
        limit: 1,
      },
    ],
    notes: [
      `deploys: ${requests} requests in ${seconds.toFixed(0)} s, from visitors that keep their connection and visitors that do not, every third a POST`,
      ...failures.slice(0, 5).map((failure) => `deploys: failed: ${failure}`),
      `crash, fastest / median / slowest of ${CRASHES}: ${spread(crash.ours)} ms; supervisor ${spread(crash.peer)} ms`,
    ],
  };
}

async function deployUnderLoad(
  platform: TestPlatform,
  closing: AsyncDisposableStack,
): Promise<{ requests: number; failures: string[]; seconds: number }> {
  const copy = await WorkingCopy.make(await platform.clientEnvironment());
  closing.defer(async () => await copy.remove());
  const { remote, token } = await createApp(platform, APP);
  const first = await copy.greet("at first");
  await copy.git(["push", "--quiet", remote, "main"]);
  const shows = async (text: string): Promise<void> => {
    const host = `${APP}.localhost`;
    await until(
      async () => (await requestPage(platform.port, host, "/").catch(() => null))?.body.includes(text) === true,
      text,
      50,
    );
  };
  await shows(first);
  const from = performance.now();
  const load = Load.start({ port: platform.port, host: `${APP}.localhost`, kept: 6, fresh: 4, pauseMs: 20 });
  for (let deploy = 0; deploy < DEPLOYS; deploy += 1) {
    const turn = deploy % ROUND;
    if (turn === 0) {
      // The page shows the config var, if there is one.
      await ask(platform, `/apps/${APP}/config-vars`, `Bearer ${token}`, { GREETING: null }, "PATCH");
      const text = await copy.greet(`push ${deploy}`);
      await copy.git(["push", "--quiet", remote, "main"]);
      await shows(text);
    } else if (turn === 4 || turn === 8) {
      const releases = (await ask(platform, `/apps/${APP}/releases`, `Bearer ${token}`, undefined, "GET")) as {
        version: number;
      }[];
      const version = Math.max(...releases.map((release) => release.version));
      await ask(platform, `/apps/${APP}/releases`, `Bearer ${token}`, { release: version - 1 }, "POST");
      await shows(`turn ${deploy - 2}`);
    } else {
      await ask(platform, `/apps/${APP}/config-vars`, `Bearer ${token}`, { GREETING: `turn ${deploy}` }, "PATCH");
      await shows(`turn ${deploy}`);
    }
  }
  const result = await load.stop();
  await ask(platform, `/apps/${APP}`, `Bearer ${token}`, undefined, "DELETE");
  return { ...result, seconds: (performance.now() - from) / 1000 };
}

/** SIGKILL to a server of the standard library's; milliseconds to the next page. */
async function crashes(platform: TestPlatform, closing: AsyncDisposableStack): Promise<{ ours: number[]; peer: number[] }> {
  const app = "bench-crash";
  const { remote, token } = await createApp(platform, app);
  const copy = await WorkingCopy.make(await platform.clientEnvironment());
  closing.defer(async () => await copy.remove());
  await copy.git(["rm", "--quiet", "-r", "."]);
  await writeFile(join(copy.folder, "Procfile"), `web: exec python -u main.py ${TELL_TALE}\n`);
  await writeFile(join(copy.folder, "requirements.txt"), "# none\n");
  await writeFile(join(copy.folder, "main.py"), readFileSync(PROGRAM));
  await copy.commit();
  await copy.git(["push", "--quiet", remote, "main"]);
  const peer = await superviseByHand(closing);
  const found: { ours: number[]; peer: number[] } = { ours: [], peer: [] };
  for (let round = 0; round <= CRASHES; round += 1) {
    // A release of its own for each crash: a second crash in a row would rest for ten minutes, as on Heroku.
    await ask(platform, `/apps/${app}/config-vars`, `Bearer ${token}`, { GREETING: `round ${round}` }, "PATCH");
    const host = `${app}.localhost`;
    await until(async () => (await pageOf(platform.port, host)) === `round ${round}`, "the next round", 50);
    await until(async () => serversOf(platform).length === 1, "the end of the old dyno", 100);
    const ours = await crash(serversOf(platform)[0]!, async () => (await pageOf(platform.port, host)) !== null);
    const theirs = await crash(await peer(), async () => (await pageOf(PEER_PORT, "localhost")) !== null);
    if (round === 0) continue;
    found.ours.push(ours);
    found.peer.push(theirs);
  }
  return found;
}

async function crash(pid: number, serves: () => Promise<boolean>): Promise<number> {
  process.kill(pid, "SIGKILL");
  // A request that a dead server has left behind must not be taken for an answer.
  await until(async () => !isAlive(pid), "the end of the server", 1);
  const from = performance.now();
  await until(serves, "the server", 2);
  return performance.now() - from;
}

async function pageOf(port: number, host: string): Promise<string | null> {
  const page = await requestPage(port, host, "/").catch(() => null);
  return page?.status === 200 ? page.body : null;
}

/** The web servers of our dynos: not the shells and inits around them. */
function serversOf(platform: TestPlatform): number[] {
  return processesOf(platform.home).filter((pid) => commandLine(pid).startsWith("python\0-u\0main.py\0"));
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

function isAlive(pid: number): boolean {
  return commandLine(pid) !== "";
}

/** Debian's supervisor with the same program; the function answers the program's process id. */
async function superviseByHand(closing: AsyncDisposableStack): Promise<() => Promise<number>> {
  const folder = await mkdtemp(join(tmpdir(), "zarpa-bench-supervisor-"));
  closing.defer(async () => await rm(folder, { recursive: true, force: true }));
  const configuration = join(folder, "supervisord.conf");
  const log = join(folder, "supervisord.log");
  await writeFile(
    configuration,
    `[supervisord]
nodaemon=true
logfile=${log}
pidfile=${join(folder, "supervisord.pid")}
[program:web]
command=/usr/bin/python3 -u ${PROGRAM}
environment=PORT="${PEER_PORT}"
autorestart=true
`,
  );
  const supervisor: ChildProcess = spawn("supervisord", ["-c", configuration], { stdio: "ignore" });
  closing.defer(async () => await end(supervisor));
  await until(async () => (await pageOf(PEER_PORT, "localhost")) !== null, "supervisor's server", 20);
  return async () => {
    const children = readFileSync(`/proc/${supervisor.pid}/task/${supervisor.pid}/children`, "utf8").trim().split(" ");
    return Number(children[0]);
  };
}
