import { createHash } from "node:crypto";
import { chmodSync, existsSync, readFileSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Clock } from "../kernel/clock.ts";
import type { Journal } from "../kernel/journal.ts";
import { CertificateTable, type RouterCertificate } from "./certificate-table.ts";
import { nginxConfiguration, ROUTER_FILES, type RouterConfiguration } from "./configuration.ts";
import { Feed } from "./feed.ts";
import { admitFiles, admitThawing, admitWorkers, installLua, makeFolders, removeFormerLua, type RouterPaths } from "./folders.ts";
import { type NginxInstallation, openFilesLimit, type WorkerAccount } from "./installation.ts";
import { HEROKU_LIMITS, type RouterLimits } from "./limits.ts";
import { type Listening, NginxProcess } from "./nginx-process.ts";
import type { Route } from "./route-line.ts";
import { RouteTable } from "./route-table.ts";

export interface RouterOptions {
  paths: RouterPaths;
  port: number;
  tlsPort: number;
  domain: string;
  certificate: { certFile: string; keyFile: string };
  nginx: NginxInstallation;
  /** Account of the workers when this process is root, else null. */
  worker: WorkerAccount | null;
  /** Number of workers; by default one or two. */
  workers?: number;
  limits?: RouterLimits;
  journal: Journal;
  clock: Clock;
}

const IPV6_FILE = "/proc/net/if_inet6";
const MOST_WORKERS = 2;
const LOOK_MILLISECONDS = 150;
const POLL_MILLISECONDS = 10;
const RELOAD_MILLISECONDS = 10_000;

/** nginx as the router: started or taken over, told about routes, started again when it dies. Implements the runtime's `RoutePublisher`. */
export interface Router {
  /** Starts nginx, or takes the running one over: left alone when its configuration is the wanted one, else reloaded. */
  ensureRunning(): Promise<void>;
  /** From now on nginx is back within a second when it dies. */
  supervise(): void;
  /** Resolves when nginx has the route. Never rejects: it is tried until it is in, or the router is detached. */
  publish(route: Route): Promise<void>;
  withdraw(appId: string): Promise<void>;
  /** Makes these the only routes. */
  replaceAll(routes: readonly Route[]): Promise<void>;
  /** Makes these the only certificates beside the platform's own; resolves when they are served. */
  certificates(certificates: readonly RouterCertificate[]): Promise<void>;
  /** From now on, for an hour, `/.well-known/acme-challenge/<token>` of every app's host has this answer. */
  challenge(token: string, answer: string): Promise<void>;
  /** The route lines that nginx has. */
  routes(): Promise<string[]>;
  /** Lets nginx's workers connect to the control plane's Unix socket; call it after each `listen`. */
  admit(socket: string): void;
  /** Tells nginx to open its log files anew, after a rename. */
  reopenLogs(): void;
  /** Process id of nginx's master; null when it does not run. */
  pid(): number | null;
  /** Ends this process's part and leaves nginx serving. */
  detach(): Promise<void>;
  /** Ends nginx. */
  stop(): Promise<void>;
}

export function createRouter(options: RouterOptions): Router {
  const { paths, worker, clock, journal } = options;
  const process = new NginxProcess({ binary: options.nginx.binary, folder: paths.router, clock });
  const feed = new Feed(paths.routerSocket);
  const table = new RouteTable({ feed, clock, journal, snapshot: join(paths.router, ROUTER_FILES.snapshot) });
  const certificates = new CertificateTable({ feed, clock, journal, file: join(paths.router, ROUTER_FILES.certificates) });
  const ending = new AbortController();
  let supervising: Promise<void> = Promise.resolve();

  const listening: Listening = {
    unix: paths.routerSocket,
    ports: [options.port, options.tlsPort],
    ipv6: existsSync(IPV6_FILE),
  };

  const start = async (): Promise<void> => {
    await process.start(listening);
    chmodSync(paths.routerSocket, 0o600);
  };

  const reload = async (stamp: string): Promise<void> => {
    process.signal("SIGHUP");
    for (let waited = 0; (await feed.stamp()) !== stamp; waited += POLL_MILLISECONDS) {
      if (waited >= RELOAD_MILLISECONDS || process.masterPid() === null) {
        throw new Error(`nginx keeps its former configuration: ${await process.lastEmergency()}`);
      }
      await clock.sleep(POLL_MILLISECONDS);
    }
  };

  // Its supervisor starts nginx again; this process tells it what the snapshot does not know yet, and looks after the supervisor.
  const watch = async (): Promise<void> => {
    let known = process.masterPid();
    while (!ending.signal.aborted) {
      await clock.sleep(LOOK_MILLISECONDS, ending.signal).catch(() => {});
      const pid = process.masterPid();
      if (ending.signal.aborted || (pid === known && pid !== null && process.isSupervised())) continue;
      try {
        if (pid === null) await start();
        else process.ensureSupervised(listening);
        if (process.masterPid() === known) continue;
        known = process.masterPid();
        await table.send();
        journal.note("router.restarted", { pid: known });
      } catch (cause) {
        journal.fault("router.restart", cause);
      }
    }
  };

  return {
    async ensureRunning() {
      makeFolders(paths, worker);
      const luaFolder = installLua(paths.router);
      const { text, stamp } = describe(options, luaFolder);
      if (process.masterPid() === null || (await feed.stamp()) !== stamp) {
        const file = join(paths.router, ROUTER_FILES.configuration);
        const draft = `${file}.new`;
        await writeFile(draft, text, { mode: 0o600 });
        await process.test(draft);
        await rename(draft, file);
        await (process.masterPid() === null ? start() : reload(stamp));
        removeFormerLua(paths.router, luaFolder);
      }
      if (!process.ensureSupervised(listening)) {
        await process.stop();
        await start();
      }
      table.adopt(await feed.read());
    },
    supervise() {
      supervising = watch();
    },
    async publish(route) {
      for (const file of route.thaw ?? []) admitThawing(file, worker);
      if (route.options?.files !== undefined) admitFiles(route.options.files.root, worker);
      await table.publish(route);
    },
    withdraw: async (appId) => await table.withdraw(appId),
    replaceAll: async (routes) => await table.replaceAll(routes),
    certificates: async (wanted) => await certificates.replace(wanted),
    challenge: async (token, answer) => await feed.challenge(token, answer),
    routes: async () => await feed.read(),
    admit: (socket) => admitWorkers(socket, worker),
    reopenLogs: () => process.signal("SIGUSR1"),
    pid: () => process.masterPid(),
    async detach() {
      ending.abort();
      await supervising;
      await table.close();
      await certificates.close();
      feed.close();
    },
    async stop() {
      await this.detach();
      await process.stop();
    },
  };
}

/** The configuration's text, and the stamp by which a running nginx tells that it has this one and these certificates. */
function describe(options: RouterOptions, luaFolder: string): { text: string; stamp: string } {
  const { paths, worker, nginx, certificate } = options;
  const input: RouterConfiguration = {
    folder: paths.router,
    luaFolder,
    modules: nginx.modules,
    mimeTypes: nginx.mimeTypes,
    version: nginx.version,
    worker: worker === null ? null : { user: worker.user, group: worker.group },
    workers: options.workers ?? Math.min(MOST_WORKERS, availableParallelism()),
    port: options.port,
    tlsPort: options.tlsPort,
    ipv6: existsSync(IPV6_FILE),
    domain: options.domain,
    certificate,
    platformSocket: paths.platformSocket,
    feedSocket: paths.routerSocket,
    wakeSocket: paths.wakeSocket,
    openFiles: openFilesLimit(),
    limits: options.limits ?? HEROKU_LIMITS,
    stamp: "",
  };
  const hash = createHash("sha256").update(nginxConfiguration(input));
  for (const file of [certificate.certFile, certificate.keyFile]) hash.update(readFileSync(file));
  const stamp = hash.digest("hex");
  return { text: nginxConfiguration({ ...input, stamp }), stamp };
}
