import { once } from "node:events";
import { readFileSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { request } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { ensureAuthority } from "../src/kernel/authority.ts";
import { systemClock } from "../src/kernel/clock.ts";
import { mustRun } from "../src/kernel/command.ts";
import { newId } from "../src/kernel/ids.ts";
import { pathsUnder } from "../src/kernel/paths.ts";
import { findNginx, workerAccount } from "../src/router/installation.ts";
import type { Route } from "../src/router/route-line.ts";
import { createRouter, type Router } from "../src/router/router.ts";
import type { Figure, Report } from "./figure.ts";
import { inTurns, median, spread, until } from "./measure.ts";
import { type PeerPlace, startCaddy, startDyno, startHaproxy, startStaticNginx, workersOf } from "./router-peers.ts";

const FEW_APPS = 10;
const MANY_APPS = 10_000;
const ROUNDS = 7;
const SECONDS = 2;
const CONNECTIONS = 64;
const CHANGES = 50;
const MOST_CHANGE_MS = 20;
/** Servers share one processor, each alone in its turn; client and dyno have the others. */
const ROUTER_CORE = "0";
const OTHER_CORES = availableParallelism() > 1 ? `1-${availableParallelism() - 1}` : "0";

interface Load {
  perSecond: number;
  /** Milliseconds. */
  p99: number;
  /** Microseconds of processor a request. */
  cost: number;
}

/**
 * Requests per second and the 99th percentile through the router, with 10 and with 10,000 apps, beside a static nginx configuration
 * written by hand, HAProxy and Caddy, in turns on one processor; and how long a change of a route takes to be live.
 */
export async function benchRouter(): Promise<Report> {
  const folder = await mkdtemp(join(tmpdir(), "zarpa-bench-router-"));
  await chmod(folder, 0o711);
  await using ending = new AsyncDisposableStack();
  ending.defer(async () => await rm(folder, { recursive: true, force: true }));
  const worker = workerAccount(await readFile("/etc/passwd", "utf8"), await readFile("/etc/group", "utf8"));
  const dynoPort = await freePort();
  const host = "app-5.localhost";
  const place = async (): Promise<PeerPlace> => ({ folder, host, port: await freePort(), dynoPort, worker });
  const dyno = await startDyno(await place());
  ending.defer(dyno.end);
  await pin(dyno.pids, OTHER_CORES);

  const servers: Record<string, { port: number; pids: number[] }> = {};
  const peers = { "static nginx": startStaticNginx, HAProxy: startHaproxy, Caddy: startCaddy };
  for (const [name, start] of Object.entries(peers)) {
    const at = await place();
    const peer = await start(at);
    ending.defer(peer.end);
    servers[name] = { port: at.port, pids: peer.pids };
  }
  const routers: Router[] = [];
  for (const count of [FEW_APPS, MANY_APPS]) {
    const { router, port } = await startRouter(join(folder, String(count)));
    ending.defer(async () => await router.stop());
    await router.replaceAll(Array.from({ length: count }, (_, index) => routeOf(`app-${index}`, dynoPort)));
    servers[String(count)] = { port, pids: workersOf(router.pid()) };
    routers.push(router);
  }
  for (const { port, pids } of Object.values(servers)) {
    await pin(pids, ROUTER_CORE);
    await until(async () => (await statusOf(host, port)) === 200, "a server answers");
  }
  const found = await inTurns(
    ROUNDS,
    Object.fromEntries(Object.entries(servers).map(([name, server]) => [name, async () => await load(host, server)])),
  );
  const changes = await changesOf(routers.at(-1)!, servers[String(MANY_APPS)]!.port, dynoPort);
  const of = (name: string, member: keyof Load): number => median((found[name] ?? []).map((each) => each[member]));
  const [few, many] = [String(FEW_APPS), String(MANY_APPS)];
  const beside = (name: string, limit: number, apps = many): Figure => ({
    name: `router, ${Number(apps).toLocaleString("en")} apps`,
    ours: of(apps, "perSecond"),
    peer: { what: name, value: of(name, "perSecond") },
    unit: "req/s",
    compared: "ratio",
    bound: "at least",
    limit,
  });
  const table: Figure = { ...beside(few, 0.95), peer: { what: `${few} apps`, value: of(few, "perSecond") } };
  const live: Figure = {
    name: "route change live",
    ours: median(changes),
    peer: null,
    unit: "ms",
    compared: "value",
    bound: "at most",
    limit: MOST_CHANGE_MS,
  };
  const note = (name: string): string => {
    const rates = spread((found[name] ?? []).map(({ perSecond }) => perSecond));
    return `  ${name}: req/s ${rates}; p99 ${of(name, "p99").toFixed(1)} ms; ${of(name, "cost").toFixed(1)} µs of processor a request`;
  };
  return {
    figures: [
      beside("static nginx", 0.85, few),
      beside("static nginx", 0.85),
      beside("HAProxy", 1),
      beside("Caddy", 1),
      table,
      ...["static nginx", "HAProxy", "Caddy"].map((name) => slowest(name, of(many, "p99"), of(name, "p99"))),
      live,
    ],
    notes: [
      "router, each alone on one processor (ours by number of apps):",
      ...Object.keys(servers).map(note),
      `  route changes with ${many} apps, ms: ${changes
        .map((ms) => ms.toFixed(0))
        .sort((a, b) => Number(a) - Number(b))
        .join(" ")}`,
    ],
  };
}

/** The 99th percentile at full load goes with the throughput: against nginx the same share is allowed. */
function slowest(name: string, ours: number, peer: number): Figure {
  const limit = name === "static nginx" ? 1 / 0.85 : 1;
  return { name: "router, p99", ours, peer: { what: name, value: peer }, unit: "ms", compared: "ratio", bound: "at most", limit };
}

async function startRouter(home: string): Promise<{ router: Router; port: number }> {
  const paths = pathsUnder(home);
  const [port, tlsPort] = [await freePort(), await freePort()];
  const router = createRouter({
    paths,
    port,
    tlsPort,
    domain: "localhost",
    certificate: await ensureAuthority({ folder: paths.authority, names: ["localhost"], hostBundle: null, clock: systemClock }),
    nginx: await findNginx(),
    worker: workerAccount(await readFile("/etc/passwd", "utf8"), await readFile("/etc/group", "utf8")),
    workers: 1,
    journal: { note: () => {}, fault: (event, cause) => void process.stderr.write(`${event}: ${String(cause)}\n`) },
    clock: systemClock,
  });
  await router.ensureRunning();
  return { router, port };
}

function routeOf(name: string, port: number): Route {
  const backends = [{ dyno: "web.1", address: "127.0.0.1", port }];
  return { app: { id: newId(), name }, hosts: [`${name}.localhost`], state: "up", backends };
}

/** Milliseconds from each order to the first answer that follows it. */
async function changesOf(router: Router, port: number, dynoPort: number): Promise<number[]> {
  const up = routeOf("changing", dynoPort);
  const times: number[] = [];
  for (let index = 0; index < CHANGES; index += 1) {
    const route: Route = index % 2 === 0 ? up : { ...up, state: "none", backends: [] };
    const from = performance.now();
    void router.publish(route);
    await until(async () => (await statusOf(up.hosts[0]!, port)) === (index % 2 === 0 ? 200 : 503), "a change is live", 0);
    times.push(performance.now() - from);
  }
  return times;
}

async function statusOf(host: string, port: number): Promise<number | undefined> {
  const asked = request({ host: "127.0.0.1", port, headers: { host }, agent: false });
  asked.end();
  try {
    const [answer] = (await once(asked, "response")) as [{ statusCode?: number; resume(): void }];
    answer.resume();
    return answer.statusCode;
  } catch {
    return undefined;
  }
}

async function load(host: string, { port, pids }: { port: number; pids: readonly number[] }): Promise<Load> {
  const before = processorTime(pids);
  const client = [
    "wrk",
    "--latency",
    "-t1",
    `-c${CONNECTIONS}`,
    `-d${SECONDS}s`,
    "-H",
    `Host: ${host}`,
    `http://127.0.0.1:${port}/`,
  ];
  const { stdout } = await mustRun(["taskset", "-c", OTHER_CORES, ...client]);
  const [, requests] = /(\d+) requests in/.exec(stdout) ?? [];
  const [, perSecond] = /Requests\/sec:\s+([\d.]+)/.exec(stdout) ?? [];
  const [, p99, unit = ""] = /99%\s+([\d.]+)(us|ms|s)/.exec(stdout) ?? [];
  if (requests === undefined || perSecond === undefined || stdout.includes("Non-2xx")) throw new Error(`wrk says: ${stdout}`);
  return {
    perSecond: Number(perSecond),
    p99: Number(p99) * ({ us: 0.001, ms: 1, s: 1000 }[unit] ?? Number.NaN),
    cost: (processorTime(pids) - before) / Number(requests) / 1000,
  };
}

async function pin(pids: readonly number[], cores: string): Promise<void> {
  for (const pid of pids) await mustRun(["taskset", "-acp", cores, String(pid)]);
}

/** Nanoseconds that the processes, with all their threads, have had of a processor. */
function processorTime(pids: readonly number[]): number {
  const ticks = (pid: number): number => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /, "")
      .split(" ");
    return Number(fields[11]) + Number(fields[12]);
  };
  return pids.reduce((sum, pid) => sum + ticks(pid), 0) * NANOSECONDS_PER_TICK;
}

const NANOSECONDS_PER_TICK = 10_000_000;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
