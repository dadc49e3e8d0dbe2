import { spawn } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { closeSync, readlinkSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import pg from "pg";
import { type Clock, systemClock } from "./clock.ts";
import { mustRun } from "./command.ts";
import type { Journal } from "./journal.ts";

/** What a private PostgreSQL cluster needs to know; every path is absolute. */
export interface ClusterOptions {
  /** Data folder; made and initialised when it is missing. Every folder above it must let `osUser` pass. */
  data: string;
  /** Folder of the Unix socket, mode 0700: whoever can open it is trusted. There is no TCP. */
  socketFolder: string;
  /** Created when missing. */
  database: string;
  /** Who owns the files and runs the server. Left out: as root the user `postgres` (or `nobody`), else the caller. */
  osUser?: OsUser;
  /** False only for throw-away clusters: nothing is flushed to the disk, and a power cut loses everything. */
  durable?: boolean;
  /** Most connections at once, 40 when left out. */
  maxConnections?: number;
}

export interface OsUser {
  uid: number;
  gid: number;
}

export interface Cluster {
  /** Connection string of the database, for `pg` and libpq alike. */
  url: string;
  /** Process id of the server. */
  pid: number;
  /** Whether the server was running already. */
  adopted: boolean;
  /** Ends the server: open transactions are rolled back, data is flushed. */
  stop(): Promise<void>;
}

const SUPERUSER = "zarpa";
const PORT = 5432;
const DEFAULT_MAX_CONNECTIONS = 40;
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;
const POLL_MS = 10;
const STILL_IN_USE_MS = 100;
const WATCH_MS = 1000;
/** `sun_path` holds 107 bytes; the socket's own name takes its share. */
const MAX_SOCKET_FOLDER_LENGTH = 107 - "/.s.PGSQL.5432.lock".length;
const INVALID_CATALOG_NAME = "3D000";

/**
 * Starts the cluster in `data`, or adopts it when it runs. The server is detached: it outlives this process and a later call adopts it.
 * What a power cut or `kill -9` leaves behind (half an initdb, a stale pid file) is cleared up.
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  if (options.socketFolder.length > MAX_SOCKET_FOLDER_LENGTH) {
    throw new Error(
      `the socket folder ${options.socketFolder} has a longer path than a Unix socket may have: choose a shorter one`,
    );
  }
  let server = await settled(options.data);
  const adopted = server !== null;
  if (server === null) {
    const user = options.osUser ?? defaultOsUser();
    makeFolder(options.socketFolder, user);
    const binaries = findBinaries(options.data);
    await initialise(options, binaries, user);
    clearStaleLocks(options);
    server = await launchWhenFree(options, binaries, user);
  }
  const { pid } = server;
  await ensureDatabase(options);
  return {
    url: urlOf(options.socketFolder, options.database),
    pid,
    adopted,
    stop: async () => await stopServer(options.data, pid),
  };
}

/**
 * From now on a server that dies (the kernel out of memory, a `kill -9`) is started again, within a second or two. The returned function
 * ends the watching and leaves the server as it is.
 */
export function superviseCluster(
  options: ClusterOptions,
  { clock, journal }: { clock: Clock; journal: Journal },
): () => Promise<void> {
  const ending = new AbortController();
  const watch = async (): Promise<void> => {
    let isFailing = false;
    while (!ending.signal.aborted) {
      await clock.sleep(WATCH_MS, ending.signal).catch(() => {});
      if (ending.signal.aborted || readServer(options.data) !== null) continue;
      if (!isFailing) journal.note("database.died");
      try {
        const { pid } = await startCluster(options);
        journal.note("database.restarted", { pid });
        isFailing = false;
      } catch (error) {
        if (!isFailing) journal.fault("database.restart", error);
        isFailing = true;
      }
    }
  };
  const watching = watch();
  return async () => {
    ending.abort();
    await watching;
  };
}

/** Ends the server of a data folder; resolves with whether one ran. */
export async function stopCluster(data: string): Promise<boolean> {
  const server = await settled(data);
  if (server !== null) await stopServer(data, server.pid);
  return server !== null;
}

/** The server's settings: small, private, and with nothing that an idle machine would pay for. */
export function serverArguments(options: ClusterOptions): string[] {
  const settings: Record<string, string> = {
    listen_addresses: "",
    port: String(PORT),
    unix_socket_directories: options.socketFolder,
    unix_socket_permissions: "0700",
    max_connections: String(options.maxConnections ?? DEFAULT_MAX_CONNECTIONS),
    shared_buffers: "16MB",
    work_mem: "4MB",
    maintenance_work_mem: "16MB",
    max_worker_processes: "1",
    max_parallel_workers: "0",
    max_parallel_workers_per_gather: "0",
    autovacuum_max_workers: "1",
    max_logical_replication_workers: "0",
    max_replication_slots: "0",
    max_wal_senders: "0",
    wal_level: "minimal",
    min_wal_size: "32MB",
    max_wal_size: "128MB",
    jit: "off",
    timezone: "UTC",
    log_timezone: "UTC",
    // Failing statements are told to their clients; the server's own log is for its start, its end and what is fatal.
    log_min_messages: "log",
    log_checkpoints: "off",
  };
  if (options.durable === false) Object.assign(settings, { fsync: "off", synchronous_commit: "off", full_page_writes: "off" });
  return ["-D", options.data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])];
}

function urlOf(socketFolder: string, database: string): string {
  return `postgresql://${SUPERUSER}@/${database}?host=${encodeURIComponent(socketFolder)}&port=${PORT}`;
}

function defaultOsUser(): OsUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const users = readFileSync("/etc/passwd", "utf8").split("\n");
  for (const name of ["postgres", "nobody"]) {
    const [, , uid, gid] = users.find((line) => line.startsWith(`${name}:`))?.split(":") ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error("PostgreSQL does not run as root, and /etc/passwd has neither postgres nor nobody: add a user postgres");
}

/** The newest PostgreSQL of the system, or the one whose version the data folder has. */
function findBinaries(data: string): string {
  const versionFile = join(data, "PG_VERSION");
  const wanted = existsSync(versionFile) ? readFileSync(versionFile, "utf8").trim() : null;
  const root = "/usr/lib/postgresql";
  const versions = (existsSync(root) ? readdirSync(root) : []).filter((name) => existsSync(join(root, name, "bin", "postgres")));
  const newest = versions.toSorted((a, b) => Number(b) - Number(a))[0];
  const version = wanted ?? newest;
  if (version !== undefined && versions.includes(version)) return join(root, version, "bin");
  const found = versions.length === 0 ? "no PostgreSQL" : `PostgreSQL ${versions.join(", ")}`;
  throw new Error(
    `${root} holds ${found}: install the package postgresql${wanted === null ? "" : `-${wanted}, which the data in ${data} needs`}`,
  );
}

function makeFolder(folder: string, user: OsUser | undefined): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
}

/** Initialises in a folder beside and renames it: what stands under the final name is always whole. */
async function initialise(options: ClusterOptions, binaries: string, user: OsUser | undefined): Promise<void> {
  if (existsSync(join(options.data, "PG_VERSION"))) return;
  if (existsSync(options.data) && readdirSync(options.data).length > 0) {
    throw new Error(`${options.data} is neither empty nor the data of PostgreSQL: move it away`);
  }
  mkdirSync(dirname(options.data), { recursive: true });
  const half = `${options.data}.initdb`;
  rmSync(half, { recursive: true, force: true });
  makeFolder(half, user);
  const flags = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--wal-segsize=4", "--no-instructions"];
  if (options.durable === false) flags.push("--no-sync");
  const env = { PATH: "/usr/bin:/bin", LC_ALL: "C" };
  await mustRun([join(binaries, "initdb"), "-D", half, "-U", SUPERUSER, ...flags], { cwd: "/", env, ...user });
  rmSync(options.data, { recursive: true, force: true });
  renameSync(half, options.data);
}

/** Children of a server that was killed hold its shared memory until they have noticed: a moment, on a busy machine seconds. */
async function launchWhenFree(options: ClusterOptions, binaries: string, user: OsUser | undefined): Promise<Server> {
  for (let waited = 0; ; waited += STILL_IN_USE_MS) {
    try {
      return await launch(options, binaries, user);
    } catch (error) {
      if (waited >= START_TIMEOUT_MS || !/shared memory block .* is still in use/.test(String(error))) throw error;
      await systemClock.sleep(STILL_IN_USE_MS);
    }
  }
}

async function launch(options: ClusterOptions, binaries: string, user: OsUser | undefined): Promise<Server> {
  const logPath = join(options.data, "server.log");
  const log = openSync(logPath, "w", 0o600);
  const child = spawn(join(binaries, "postgres"), serverArguments(options), {
    cwd: "/",
    detached: true,
    stdio: ["ignore", log, log],
    env: { PATH: "/usr/bin:/bin", LC_ALL: "C" },
    ...user,
  });
  closeSync(log);
  let failure: string | null = null;
  child.once("error", (error) => (failure = error.message));
  const onExit = (): void => {
    failure ??= readFileSync(logPath, "utf8").trim().slice(-2000);
  };
  child.once("exit", onExit);
  child.unref();
  for (let waited = 0; waited < START_TIMEOUT_MS; waited += POLL_MS) {
    if (failure !== null) throw new Error(`PostgreSQL did not start in ${options.data}: ${String(failure)}`);
    const server = readServer(options.data);
    if (server?.status === "ready" && server.pid === child.pid) {
      child.off("exit", onExit);
      return server;
    }
    await systemClock.sleep(POLL_MS);
  }
  throw new Error(`PostgreSQL was not ready after ${START_TIMEOUT_MS / 1000} s: see ${logPath}`);
}

interface Server {
  pid: number;
  status: string;
}

/** The running server of a data folder, once it is neither starting nor stopping; null when none runs. */
async function settled(data: string): Promise<Server | null> {
  for (let waited = 0; waited < START_TIMEOUT_MS; waited += POLL_MS) {
    const server = readServer(data);
    if (server === null || server.status === "ready") return server;
    await systemClock.sleep(POLL_MS);
  }
  throw new Error(`the PostgreSQL in ${data} neither starts nor stops: see ${join(data, "server.log")}`);
}

/** Reads `postmaster.pid` (pid on its first line, state on its eighth) and believes it only when that process works in `data`. */
function readServer(data: string): Server | null {
  const file = join(data, "postmaster.pid");
  if (!existsSync(file)) return null;
  let lines: string[];
  try {
    lines = readFileSync(file, "utf8").split("\n");
  } catch {
    return null;
  }
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0 || !worksIn(String(pid), data)) return null;
  return { pid, status: (lines[7] ?? "starting").trim() };
}

function worksIn(pid: string, data: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(data);
  } catch {
    return false;
  }
}

/**
 * A pid file whose process is gone, or was given to a stranger after a reboot, would keep the server from starting. It is removed only
 * when no process at all works in the data folder: a left-over backend must never meet a second server.
 */
function clearStaleLocks(options: ClusterOptions): void {
  if (readdirSync("/proc").some((name) => /^\d+$/.test(name) && worksIn(name, options.data))) return;
  rmSync(join(options.data, "postmaster.pid"), { force: true });
  const socket = join(options.socketFolder, `.s.PGSQL.${PORT}`);
  rmSync(socket, { force: true });
  rmSync(`${socket}.lock`, { force: true });
}

async function ensureDatabase(options: ClusterOptions): Promise<void> {
  const target = new pg.Client({ connectionString: urlOf(options.socketFolder, options.database) });
  try {
    await target.connect();
    await target.end();
    return;
  } catch (error) {
    if ((error as { code?: string }).code !== INVALID_CATALOG_NAME) throw error;
  }
  const maintenance = new pg.Client({ connectionString: urlOf(options.socketFolder, "postgres") });
  await maintenance.connect();
  try {
    await maintenance.query(`create database ${pg.escapeIdentifier(options.database)}`);
  } finally {
    await maintenance.end();
  }
}

async function stopServer(data: string, pid: number): Promise<void> {
  for (const signal of ["SIGINT", "SIGQUIT"] as const) {
    if (!isAlive(pid)) return;
    process.kill(pid, signal);
    for (let waited = 0; waited < STOP_TIMEOUT_MS; waited += POLL_MS) {
      if (!isAlive(pid)) return;
      await systemClock.sleep(POLL_MS);
    }
  }
  throw new Error(`the PostgreSQL in ${data} (process ${pid}) does not stop`);
}

/** Whether the process runs; one that has ended and waits for its parent to notice does not. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
