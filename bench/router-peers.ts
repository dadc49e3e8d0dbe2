import { mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { systemClock } from "../src/kernel/clock.ts";
import { mustRun } from "../src/kernel/command.ts";
import type { WorkerAccount } from "../src/router/installation.ts";

const MASTER_ENDS_MS = 3000;

/** A server beside ours: what its processes are, and how it ends. */
export interface Peer {
  /** The processes that do the work. */
  pids: number[];
  end(): Promise<void>;
}

/** What somebody writes who has one app: the usual forwarded headers, a pool of connections, a buffered log. */
export async function startStaticNginx(at: PeerPlace): Promise<Peer> {
  return await startNginx(
    at,
    "static",
    `
http {
  server_tokens off; tcp_nodelay on; keepalive_timeout 60s; keepalive_requests 100000;
  access_log static-access.log combined buffer=64k flush=1s;
  map $http_upgrade $connection_upgrade { default upgrade; "" ""; }
  upstream app { server 127.0.0.1:${at.dynoPort}; keepalive 128; keepalive_requests 100000; }
  server {
    listen ${at.port};
    server_name ${at.host};
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
}`,
  );
}

/** The quickest dyno there is: nginx with a constant. */
export async function startDyno(at: PeerPlace): Promise<Peer> {
  return await startNginx(
    at,
    "dyno",
    `
http {
  access_log off; keepalive_requests 100000000;
  server { listen 127.0.0.1:${at.dynoPort}; location / { default_type text/plain; return 200 "Hello, world\\n"; } }
}`,
  );
}

/** HAProxy with one thread, a pool of connections to the app, and a line for each request, as Debian's own configuration has it. */
export async function startHaproxy(at: PeerPlace): Promise<Peer> {
  const file = join(at.folder, "haproxy.cfg");
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 4096
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  http-reuse always
frontend all
  bind :${at.port}
  option forwardfor
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Port ${at.port}
  unique-id-format %[uuid]
  unique-id-header X-Request-Id
  use_backend app if { hdr(host),field(1,:) ${at.host} }
backend app
  server app 127.0.0.1:${at.dynoPort} pool-max-conn 128
`,
  );
  return await startProgram(["haproxy", "-db", "-f", file], {}, join(at.folder, "haproxy.log"));
}

/** Caddy with one processor, and no log. */
export async function startCaddy(at: PeerPlace): Promise<Peer> {
  const file = join(at.folder, "Caddyfile");
  const site = `http://${at.host}:${at.port} {\n  reverse_proxy 127.0.0.1:${at.dynoPort} {\n    header_up X-Request-Id {http.request.uuid}\n  }\n}\n`;
  writeFileSync(file, `{\n  admin off\n  auto_https off\n}\n${site}`);
  return await startProgram(["caddy", "run", "--config", file, "--adapter", "caddyfile"], {
    GOMAXPROCS: "1",
    HOME: at.folder,
    PATH: "/usr/bin:/usr/sbin",
  });
}

export interface PeerPlace {
  folder: string;
  host: string;
  port: number;
  dynoPort: number;
  worker: WorkerAccount;
}

async function startProgram(argv: string[], env: Record<string, string>, output = "/dev/null"): Promise<Peer> {
  const [program = "", ...rest] = argv;
  const child = spawn(program, rest, {
    stdio: ["ignore", openSync(output, "a"), "ignore"],
    env: { PATH: "/usr/sbin:/usr/bin", ...env },
  });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${program} does not start`);
  return { pids: [pid], end: async () => await endProcess(pid) };
}

async function startNginx(at: PeerPlace, name: string, http: string): Promise<Peer> {
  mkdirSync(at.folder, { recursive: true });
  const file = join(at.folder, `${name}.conf`);
  const user = process.getuid?.() === 0 ? `user ${at.worker.user} ${at.worker.group};` : "";
  const head = `${user} worker_processes 1; pid ${name}.pid; error_log ${name}.log error; pcre_jit on;\nevents { worker_connections 4096; multi_accept on; }`;
  writeFileSync(file, head + http);
  await mustRun(["nginx", "-p", at.folder, "-c", file]);
  const master = Number(readFileSync(join(at.folder, `${name}.pid`), "utf8"));
  return { pids: workersOf(master), end: async () => await endProcess(master) };
}

/** The children of an nginx master. */
export function workersOf(master: number | null): number[] {
  if (master === null) throw new Error("nginx does not run");
  return readFileSync(`/proc/${master}/task/${master}/children`, "utf8").trim().split(" ").map(Number);
}

async function endProcess(pid: number): Promise<void> {
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
