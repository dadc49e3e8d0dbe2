import { spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock } from "../kernel/clock.ts";
import { runCommand } from "../kernel/command.ts";
import { ROUTER_FILES } from "./configuration.ts";
import { explainBindFailure } from "./ports-taken.ts";

const SUPERVISOR_NAME = "supervise.pl";
const SUPERVISOR = fileURLToPath(new URL(SUPERVISOR_NAME, import.meta.url));
/** What the supervisor writes when nginx has come to an end. */
const ENDED = "nginx has ended";
const POLL_MILLISECONDS = 20;
const START_MILLISECONDS = 10_000;
const STOP_MILLISECONDS = 5_000;
const ORPHAN_MILLISECONDS = 2_000;

/** Where nginx listens. */
export interface Listening {
  /** The feed's socket. */
  unix: string;
  ports: number[];
  /** Also on IPv6. */
  ipv6: boolean;
}

/** The nginx whose prefix is `folder`: found again by its pid file, whoever started it. */
export class NginxProcess {
  readonly #binary: string;
  readonly #folder: string;
  readonly #clock: Clock;

  constructor(options: { binary: string; folder: string; clock: Clock }) {
    this.#binary = options.binary;
    this.#folder = options.folder;
    this.#clock = options.clock;
  }

  /** Process id of the running master; null when there is none. A recycled id is not taken for it. */
  masterPid(): number | null {
    const pid = Number(readOr(join(this.#folder, ROUTER_FILES.pid), "").trim());
    if (!Number.isInteger(pid) || pid < 2) return null;
    return commandLine(pid).includes(`-c ${join(this.#folder, ROUTER_FILES.configuration)}`) ? pid : null;
  }

  /** Throws nginx's own words when it does not accept the configuration `file`. */
  async test(file: string): Promise<void> {
    const result = await runCommand([...this.#argv(file), "-t", "-q"]);
    if (result.exitCode !== 0) throw new Error(`nginx refuses the router's configuration: ${result.stderr.trim()}`);
  }

  /**
   * Starts nginx under a supervisor (`supervise.pl`); both outlive this process. Workers that a killed master left behind hold the
   * ports: they are told to finish what they have and to close them.
   */
  async start(listening: Listening): Promise<void> {
    if (this.#supervisorPid() === null) {
      const orphans = this.#orphanedWorkers();
      for (const pid of orphans) sendSignal(pid, "SIGQUIT");
      const problem = async (): Promise<string | null> => await explainBindFailure(listening.ports);
      await this.#until(problem, orphans.length > 0 ? ORPHAN_MILLISECONDS : 0);
      this.#supervise(listening);
    }
    const log = join(this.#folder, ROUTER_FILES.supervisorLog);
    const problem = async (): Promise<string | null> => {
      if (this.masterPid() !== null) return null;
      const said = readOr(log, "").trim();
      if (said.includes(ENDED)) throw new Error(`nginx does not start: ${said}`);
      return `nginx does not start ${said}`;
    };
    await this.#until(problem, START_MILLISECONDS).catch(async (cause: unknown) => {
      await this.stop();
      throw cause;
    });
  }

  /** Gives a running nginx a supervisor, should its own be gone. False: the one it has holds other ports, so both must end first. */
  ensureSupervised(listening: Listening): boolean {
    const pid = this.#supervisorPid();
    if (pid === null) this.#supervise(listening);
    return pid === null || commandLine(pid).includes(` ${addressesOf(listening).join(" ")} -- `);
  }

  /** Whether somebody starts nginx again when it dies. */
  isSupervised(): boolean {
    return this.#supervisorPid() !== null;
  }

  /** Sends a signal to the master: HUP reloads, USR1 opens the logs anew. */
  signal(signal: "SIGHUP" | "SIGUSR1"): void {
    const pid = this.masterPid();
    if (pid !== null) sendSignal(pid, signal);
  }

  /** Ends nginx and its connections. */
  async stop(): Promise<void> {
    // First who would start it again.
    const supervisor = this.#supervisorPid();
    if (supervisor !== null) sendSignal(supervisor, "SIGTERM");
    const pid = this.masterPid();
    const pids = [...(pid === null ? this.#orphanedWorkers() : [pid]), ...(supervisor === null ? [] : [supervisor])];
    for (const pid of pids) sendSignal(pid, "SIGTERM");
    const gone = async (): Promise<string | null> => (pids.some(isRunning) ? "nginx does not end" : null);
    await this.#until(gone, STOP_MILLISECONDS).catch(() => {
      for (const pid of [...pids, ...this.#orphanedWorkers()]) sendSignal(pid, "SIGKILL");
    });
  }

  /** The last line of the error log that says why a reload was not accepted. */
  async lastEmergency(): Promise<string> {
    const text = await readFile(join(this.#folder, ROUTER_FILES.errors), "utf8").catch(() => "");
    return text.match(/\[emerg\].*/g)?.at(-1) ?? "its error log does not say why";
  }

  #supervise(listening: Listening): void {
    const nginx = [...this.#argv(join(this.#folder, ROUTER_FILES.configuration)), "-g", "daemon off;"];
    const log = openSync(join(this.#folder, ROUTER_FILES.supervisorLog), "w", 0o600);
    const child = spawn("perl", [SUPERVISOR, this.#folder, listening.unix, ...addressesOf(listening), "--", ...nginx], {
      cwd: "/",
      detached: true,
      stdio: ["ignore", log, log],
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
    });
    closeSync(log);
    // Told by nginx not being there.
    child.on("error", () => {});
    child.unref();
  }

  #supervisorPid(): number | null {
    const pid = Number(readOr(join(this.#folder, ROUTER_FILES.supervisorPid), "").trim());
    if (!Number.isInteger(pid) || pid < 2) return null;
    return commandLine(pid).includes(`${SUPERVISOR_NAME} ${this.#folder} `) ? pid : null;
  }

  #argv(configuration: string): string[] {
    return [this.#binary, "-p", this.#folder, "-c", configuration, "-e", join(this.#folder, ROUTER_FILES.errors)];
  }

  /** Resolves when `problem` says null; throws what it says last. */
  async #until(problem: () => Promise<string | null>, milliseconds: number): Promise<void> {
    for (let waited = 0; ; waited += POLL_MILLISECONDS) {
      const text = await problem();
      if (text === null) return;
      if (waited >= milliseconds) throw new Error(text);
      await this.#clock.sleep(POLL_MILLISECONDS);
    }
  }

  /** Workers of ours, told by the files they have open: their command line says nothing. */
  #orphanedWorkers(): number[] {
    const log = join(this.#folder, ROUTER_FILES.errors);
    return readdirSync("/proc")
      .map(Number)
      .filter((pid) => Number.isInteger(pid) && commandLine(pid).startsWith("nginx: worker process") && hasOpen(pid, log));
  }
}

function addressesOf({ ports, ipv6 }: Listening): string[] {
  return ports.flatMap((port) => [`0.0.0.0:${port}`, ...(ipv6 ? [`[::]:${port}`] : [])]);
}

function hasOpen(pid: number, file: string): boolean {
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).some((descriptor) => linkOf(join(folder, descriptor)).includes(file));
  } catch {
    return false;
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

function commandLine(pid: number): string {
  return readOr(`/proc/${pid}/cmdline`, "").replaceAll("\0", " ");
}

function readOr(file: string, fallback: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return fallback;
  }
}

function isRunning(pid: number): boolean {
  return commandLine(pid) !== "";
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}
