import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../kernel/clock.ts";
import { runCommand } from "../kernel/command.ts";
import { ROUTER_FILES } from "./configuration.ts";
import { explainBindFailure } from "./ports-taken.ts";

const POLL_MILLISECONDS = 20;
const START_MILLISECONDS = 10_000;
const STOP_MILLISECONDS = 5_000;
const ORPHAN_MILLISECONDS = 2_000;

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
   * Starts a master that outlives this process. Workers that a killed master left behind hold the ports: they are told to finish what
   * they have and to close them.
   */
  async start(sockets: { unix: string; ports: number[] }): Promise<void> {
    const orphans = this.#orphanedWorkers();
    for (const pid of orphans) sendSignal(pid, "SIGQUIT");
    // After a kill nobody has removed it, and nginx does not bind over an old one.
    await rm(sockets.unix, { force: true });
    await this.#until(() => explainBindFailure(sockets.ports), orphans.length > 0 ? ORPHAN_MILLISECONDS : 0);
    const result = await runCommand(this.#argv(join(this.#folder, ROUTER_FILES.configuration)));
    if (result.exitCode !== 0) throw new Error(`nginx does not start: ${result.stderr.trim()}`);
    await this.#until(async () => (this.masterPid() === null ? "nginx has started and ended at once" : null), START_MILLISECONDS);
  }

  /** Sends a signal to the master: HUP reloads, USR1 opens the logs anew. */
  signal(signal: "SIGHUP" | "SIGUSR1"): void {
    const pid = this.masterPid();
    if (pid !== null) sendSignal(pid, signal);
  }

  /** Ends nginx and its connections. */
  async stop(): Promise<void> {
    const pid = this.masterPid();
    const pids = pid === null ? this.#orphanedWorkers() : [pid];
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
