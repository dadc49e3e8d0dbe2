import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { readFileSync } from "node:fs";
import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type RequestListener,
  type Server,
} from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Server as TcpServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureAuthority } from "../kernel/authority.ts";
import { systemClock } from "../kernel/clock.ts";
import { newId } from "../kernel/ids.ts";
import type { Journal } from "../kernel/journal.ts";
import { type Paths, pathsUnder } from "../kernel/paths.ts";
import { findNginx, type NginxInstallation, workerAccount } from "./installation.ts";
import { HEROKU_LIMITS, type RouterLimits } from "./limits.ts";
import type { Route } from "./route-line.ts";
import { createRouter, type Router } from "./router.ts";

/** Real nginx for the tests; a sentence when it is not installed, for `skip`. */
const installation: NginxInstallation | string = await findNginx().catch((error: Error) => error.message);
export const withoutNginx = typeof installation === "string" ? installation : false;

/** A router of its own on free ports, in a temporary home. */
export interface TestRouter {
  router: Router;
  paths: Paths;
  port: number;
  tlsPort: number;
  caFile: string;
  journal: string[];
  /** Another control plane over the same home. */
  successor(limits?: Partial<RouterLimits>): Router;
  close(): Promise<void>;
}

/** For tests that wait for the limits; long enough for a machine that is busy with other tests. */
export const SHORT_LIMITS: Partial<RouterLimits> = { connect: 500, firstByte: 500, idle: 800, boot: 500 };

export async function startRouter(limits?: Partial<RouterLimits>): Promise<TestRouter> {
  if (typeof installation === "string") throw new Error(installation);
  const nginx = installation;
  const home = mkdtempSync(join(tmpdir(), "zarpa-router-"));
  const paths = pathsUnder(home);
  const authority = await ensureAuthority({
    folder: paths.authority,
    names: ["localhost", "*.localhost", "127.0.0.1"],
    hostBundle: null,
    clock: systemClock,
  });
  const [port, tlsPort] = [await freePort(), await freePort()];
  const journal: string[] = [];
  const routers: Router[] = [];
  const worker =
    process.getuid?.() === 0 ? workerAccount(readFileSync("/etc/passwd", "utf8"), readFileSync("/etc/group", "utf8")) : null;
  const create = (changed?: Partial<RouterLimits>): Router => {
    const router = createRouter({
      paths,
      port,
      tlsPort,
      domain: "localhost",
      certificate: authority,
      nginx,
      worker,
      limits: { ...HEROKU_LIMITS, ...limits, ...changed },
      journal: memoryJournal(journal),
      clock: systemClock,
    });
    routers.push(router);
    return router;
  };
  const router = create();
  await router.ensureRunning();
  return {
    router,
    paths,
    port,
    tlsPort,
    caFile: authority.caFile,
    journal,
    successor: create,
    close: async () => {
      for (const each of routers) await each.stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

function memoryJournal(lines: string[]): Journal {
  return {
    note: (event, details) => lines.push(JSON.stringify({ event, ...details })),
    fault: (event, cause) => lines.push(`${event}: ${String(cause)}`),
  };
}

export async function freePort(): Promise<number> {
  const server = createTcpServer();
  await listening(server);
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function listening(server: TcpServer): Promise<void> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
}

/** A dyno: a server on a free port of this machine. */
export interface Backend {
  port: number;
  close(): void;
}

export async function httpBackend(listener: RequestListener): Promise<Backend & { server: Server }> {
  const server = createServer(listener);
  await listening(server);
  return { server, port: (server.address() as AddressInfo).port, close: () => void server.close().closeAllConnections() };
}

export async function tcpBackend(listener: (socket: Socket) => void): Promise<Backend> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    listener(socket);
  });
  await listening(server);
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** A port that nobody listens on. */
export async function deadPort(): Promise<number> {
  const backend = await httpBackend(() => {});
  backend.close();
  return backend.port;
}

/** A dyno that takes no connection: a program stands still, and its queue is full. */
export async function deafPort(): Promise<Backend> {
  const program = `const s=require("net").createServer();s.listen({port:0,host:"127.0.0.1",backlog:1},()=>{
    require("fs").writeSync(1,String(s.address().port)+"\\n");Atomics.wait(new Int32Array(new SharedArrayBuffer(4)),0,0)})`;
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  const [chunk] = (await once(child.stdout, "data")) as [Buffer];
  const port = Number(chunk.toString());
  const fillers = [1, 2, 3, 4].map(() => connect(port, "127.0.0.1").on("error", () => {}));
  await Promise.race(fillers.map(async (socket) => await once(socket, "connect")));
  return {
    port,
    close: () => {
      for (const socket of fillers) socket.destroy();
      child.kill("SIGKILL");
    },
  };
}

let count = 0;

/** The route of an app of its own with these backends. */
export function routeOf(state: Route["state"], ports: number[] = [], name = `app-${(count += 1)}`): Route {
  return {
    app: { id: newId(), name },
    hosts: [`${name}.localhost`],
    state,
    backends: ports.map((port, index) => ({ dyno: `web.${index + 1}`, address: "127.0.0.1", port })),
  };
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface Asked {
  method?: string;
  path?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
  agent?: Agent;
}

/** Asks the router for `host`; the answer when it has ended. */
export async function ask(port: number, host: string, asked: Asked = {}): Promise<Answer> {
  const answer = await open(port, host, asked);
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks).toString("utf8") };
}

/** Asks the router for `host`; the answer as soon as its header is there. */
export async function open(port: number, host: string, asked: Asked = {}): Promise<IncomingMessage> {
  return await new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: "127.0.0.1",
        port,
        method: asked.method ?? "GET",
        path: asked.path ?? "/",
        agent: asked.agent ?? false,
        headers: { host: `${host}:${port}`, ...asked.headers },
      },
      resolve,
    );
    outgoing.on("error", reject);
    outgoing.end(asked.body);
  });
}

/** Sends raw bytes and gives all that comes back until the router closes. */
export async function raw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.on("data", (chunk) => (text += chunk.toString("latin1")));
  socket.on("error", () => {});
  socket.write(bytes, "latin1");
  await new Promise<void>((resolve) => socket.on("close", () => resolve()));
  return text;
}

/** Waits until `probe` gives something else than null; for real processes, whose time is not ours. */
export async function eventually<T>(probe: () => T | null | Promise<T | null>, milliseconds = 3000): Promise<T> {
  for (const end = Date.now() + milliseconds; ;) {
    const value = await probe();
    if (value !== null) return value;
    if (Date.now() > end) throw new Error(`nothing after ${milliseconds} ms`);
    await systemClock.sleep(5);
  }
}
