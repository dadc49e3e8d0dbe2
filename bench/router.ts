import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { ensureAuthority } from "../src/kernel/authority.ts";
import { systemClock } from "../src/kernel/clock.ts";
import { mustRun } from "../src/kernel/command.ts";
import { newId } from "../src/kernel/ids.ts";
import { pathsUnder } from "../src/kernel/paths.ts";
import { findNginx, workerAccount, type WorkerAccount } from "../src/router/installation.ts";
import { createRouter } from "../src/router/router.ts";
import type { Report } from "./figure.ts";
import { alternate, median, spread } from "./measure.ts";

const APPS = 1000;
const ROUNDS = 7;
const SECONDS = 2;
const CONNECTIONS = 64;
const MASTER_ENDS_MS = 3000;
/** The router and its peer share one processor; client and dyno have the others. */
const ROUTER_CORE = "0";
const OTHER_CORES = availableParallelism() > 1 ? `1-${availableParallelism() - 1}` : "0";

/** Requests per second through the router with 1,000 apps, beside a static nginx configuration written by hand, in turns on one processor. */
export async function benchRouter(): Promise<Report> {
  const home = await mkdtemp(join(tmpdir(), "zarpa-bench-router-"));
  const worker = workerAccount(await readFile("/etc/passwd", "utf8"), await readFile("/etc/group", "utf8"));
  const [dynoPort, staticPort, port, tlsPort] = [await freePort(), await freePort(), await freePort(), await freePort()] as const;
  const host = `app-${APPS / 2}.localhost`;
  const hand = [
    nginxByHand(home, "dyno", dynoConfiguration(dynoPort), worker),
    nginxByHand(home, "static", staticConfiguration(staticPort, dynoPort, host), worker),
  ];
  const nginx = await findNginx();
  const paths = pathsUnder(home);
  const router = createRouter({
    paths,
    port,
    tlsPort,
    domain: "localhost",
    certificate: await ensureAuthority({ folder: paths.authority, names: ["localhost"], hostBundle: null, clock: systemClock }),
    nginx,
    worker,
    workers: 1,
    journal: { note: () => {}, fault: (event, cause) => void process.stderr.write(`${event}: ${String(cause)}\n`) },
    clock: systemClock,
  });
  try {
    await router.ensureRunning();
    for (const configuration of hand) await mustRun([nginx.binary, "-p", home, "-c", configuration]);
    const route = (name: string) => ({
      app: { id: newId(), name },
      hosts: [`${name}.localhost`],
      state: "up" as const,
      backends: [{ dyno: "web.1", address: "127.0.0.1", port: dynoPort }],
    });
    await router.replaceAll(Array.from({ length: APPS }, (_, index) => route(`app-${index}`)));
    const [ours, peer] = [workersOf(router.pid()), workersOf(pidOf(home, "static"))];
    await pin([...ours, ...peer], ROUTER_CORE);
    await pin(workersOf(pidOf(home, "dyno")), OTHER_CORES);
    const cost: Record<"ours" | "peer", number[]> = { ours: [], peer: [] };
    const load = (who: "ours" | "peer", pids: number[], to: number) => async (): Promise<number> => {
      const before = processorTime(pids);
      const { perSecond, requests } = await wrk(host, to);
      cost[who].push((processorTime(pids) - before) / requests / 1000);
      return perSecond;
    };
    const found = await alternate(ROUNDS, load("ours", ours, port), load("peer", peer, staticPort));
    const figure = {
      name: `router, ${APPS.toLocaleString("en")} apps`,
      ours: median(found.ours),
      peer: { what: "static nginx", value: median(found.peer) },
      unit: "req/s" as const,
      compared: "ratio" as const,
      bound: "at least" as const,
      limit: 0.75,
    };
    const perRequest = `${median(cost.ours).toFixed(1)} µs of processor a request, static nginx ${median(cost.peer).toFixed(1)}`;
    return {
      figures: [figure],
      notes: [`router: req/s ${spread(found.ours)}, static nginx ${spread(found.peer)}; ${perRequest}`],
    };
  } finally {
    await router.stop();
    for (const name of ["dyno", "static"]) await end(pidOf(home, name));
    await rm(home, { recursive: true, force: true });
  }
}

/** What somebody writes who has one app: the usual forwarded headers, a pool of connections, a buffered log. */
function staticConfiguration(port: number, dynoPort: number, host: string): string {
  return `
http {
  server_tokens off; tcp_nodelay on; keepalive_timeout 60s; keepalive_requests 100000;
  access_log static-access.log combined buffer=64k flush=1s;
  map $http_upgrade $connection_upgrade { default upgrade; "" ""; }
  upstream app { server 127.0.0.1:${dynoPort}; keepalive 128; keepalive_requests 100000; }
  server {
    listen ${port};
    server_name ${host};
    location / {
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Port $server_port;
      proxy_set_header X-Request-Id $request_id;
      proxy_pass http://app;
    }
  }
}`;
}

/** The quickest dyno there is: nginx with a constant. */
function dynoConfiguration(port: number): string {
  return `
http {
  access_log off; keepalive_requests 100000000;
  server { listen 127.0.0.1:${port}; location / { default_type text/plain; return 200 "Hello, world\\n"; } }
}`;
}

function nginxByHand(home: string, name: string, http: string, worker: WorkerAccount): string {
  mkdirSync(home, { recursive: true });
  const file = join(home, `${name}.conf`);
  const user = process.getuid?.() === 0 ? `user ${worker.user} ${worker.group};` : "";
  const head = `${user} worker_processes 1; pid ${name}.pid; error_log ${name}.log error; pcre_jit on;\nevents { worker_connections 4096; multi_accept on; }`;
  writeFileSync(file, head + http);
  return file;
}

async function wrk(host: string, port: number): Promise<{ perSecond: number; requests: number }> {
  const client = ["wrk", "-t1", `-c${CONNECTIONS}`, `-d${SECONDS}s`, "-H", `Host: ${host}`, `http://127.0.0.1:${port}/`];
  const { stdout } = await mustRun(["taskset", "-c", OTHER_CORES, ...client]);
  const [, requests] = /(\d+) requests in/.exec(stdout) ?? [];
  const [, perSecond] = /Requests\/sec:\s+([\d.]+)/.exec(stdout) ?? [];
  if (requests === undefined || perSecond === undefined || stdout.includes("Non-2xx")) throw new Error(`wrk says: ${stdout}`);
  return { perSecond: Number(perSecond), requests: Number(requests) };
}

function pidOf(home: string, name: string): number | null {
  try {
    return Number(readFileSync(join(home, `${name}.pid`), "utf8"));
  } catch {
    return null;
  }
}

function workersOf(master: number | null): number[] {
  if (master === null) throw new Error("nginx does not run");
  return readFileSync(`/proc/${master}/task/${master}/children`, "utf8").trim().split(" ").map(Number);
}

async function pin(pids: readonly number[], cores: string): Promise<void> {
  for (const pid of pids) await mustRun(["taskset", "-cp", cores, String(pid)]);
}

/** Nanoseconds that the processes have had of a processor. */
function processorTime(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[0]), 0);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function end(pid: number | null): Promise<void> {
  if (pid === null) return;
  process.kill(pid, "SIGTERM");
  for (let waited = 0; waited < MASTER_ENDS_MS; waited += 20) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await systemClock.sleep(20);
  }
}
