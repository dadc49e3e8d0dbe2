import { chmod, chown, mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../kernel/clock.ts";
import type { Journal } from "../../kernel/journal.ts";
import { Cgroups } from "../cgroup.ts";
import { DynoFolders } from "../dyno-folders.ts";
import { awaitEnd, markProcess, processesMarked, sendSignal, usageOf } from "../host-process.ts";
import { installationTag } from "../network/subnet.ts";
import type { DynoLimits, DynoStrain, DynoUsage } from "../ports.ts";

export interface ProcessOptions {
  /** `<home>/dynos`. */
  dynosFolder: string;
  journal: Journal;
  clock: Clock;
}

const BEGIN = fileURLToPath(new URL("begin.sh", import.meta.url));
const JOIN = fileURLToPath(new URL("join.sh", import.meta.url));
const SUPERVISE = fileURLToPath(new URL("supervise.sh", import.meta.url));
/** Tells a dyno's processes from all others where there are no control groups. */
const MARKER = "ZARPA_DYNO_ID";
const KILL_ROUND_MILLISECONDS = 20;
const KILL_ROUNDS = 250;

export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
export const HELPER_ENV = { PATH: DEFAULT_PATH };

/** The host as the process driver uses it: with control groups and the apps' own users when it is root, else as it is. */
export class Host {
  readonly options: ProcessOptions;
  readonly folders: DynoFolders;
  readonly launcher: string;
  readonly isRoot: boolean;
  /** Null: it is not root. */
  readonly cgroups: Cgroups | null;
  #monitorGroup: string[] = [];

  private constructor(options: ProcessOptions, launcher: string, cgroups: Cgroups | null) {
    this.options = options;
    this.folders = new DynoFolders(options.dynosFolder);
    this.launcher = launcher;
    this.isRoot = process.getuid?.() === 0;
    this.cgroups = cgroups;
  }

  static async open(options: ProcessOptions): Promise<Host> {
    const launcher = await readFile(new URL("../launch.sh", import.meta.url), "utf8");
    const host = new Host(options, launcher, process.getuid?.() === 0 ? await usableCgroups(options) : null);
    await mkdir(options.dynosFolder, { recursive: true });
    // The apps' users must be able to walk to their homes.
    await chmod(options.dynosFolder, 0o711);
    await host.folders.prepare();
    host.#monitorGroup = (await host.cgroups?.create("monitors")) ?? [];
    return host;
  }

  get limitsMemory(): boolean {
    return this.cgroups !== null;
  }

  /** The uid that the app's programs run as; null: the control plane's own. */
  userFor(uid: number): number | null {
    return this.isRoot ? uid : null;
  }

  /** Makes the dyno's control group, if there are any; returns the files to join it by. */
  async group(dynoId: string, limits: DynoLimits): Promise<string[]> {
    return (await this.cgroups?.createLimited(dynoId, limits)) ?? [];
  }

  /** The files by which one more program joins the dyno's control group. */
  async joinFiles(dynoId: string): Promise<string[]> {
    return (await this.cgroups?.create(dynoId)) ?? [];
  }

  /** argv that runs a program as the app's user, with exactly this environment, in this folder. */
  async beginArgv(
    dynoId: string,
    options: { env: Record<string, string>; cwd: string; uid: number; argv: string[] },
    fileName = "environment",
  ): Promise<string[]> {
    const file = this.folders.path(dynoId, fileName);
    const env = { ...options.env, [MARKER]: dynoId };
    await writeFile(
      file,
      Object.entries(env)
        .map(([name, value]) => `${name}=${value}\0`)
        .join(""),
      { mode: 0o400 },
    );
    const user = this.userFor(options.uid);
    const drop =
      user === null
        ? []
        : ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--clear-groups", "--no-new-privs", "--inh-caps=-all", "--"];
    if (user !== null) await chown(file, user, user);
    return [...drop, "/bin/bash", BEGIN, file, options.cwd, ...options.argv];
  }

  /** argv of the waiter around a program that outlives the control plane. */
  superviseArgv(exitFile: string, group: string[], argv: string[]): string[] {
    // Out of the group that the control plane was started in: what ends that must not end the waiters.
    return this.joinArgv(this.#monitorGroup, ["/bin/bash", SUPERVISE, exitFile, ...group, "--", ...argv]);
  }

  /** argv of a program that ends with the control plane, in its control group. */
  joinArgv(group: string[], argv: string[]): string[] {
    return ["/bin/sh", JOIN, ...group, "--", ...argv];
  }

  async processes(dynoId: string): Promise<number[]> {
    return this.cgroups === null ? await processesMarked(`${MARKER}=${dynoId}`) : await this.cgroups.processes(dynoId);
  }

  async kill(dynoId: string): Promise<void> {
    if (this.cgroups !== null) return await this.cgroups.kill(dynoId);
    for (let round = 0; round < KILL_ROUNDS; round += 1) {
      const pids = (await this.processes(dynoId)).filter((pid) => markProcess(pid) !== null);
      if (pids.length === 0) return;
      for (const pid of pids) sendSignal(pid, "SIGKILL");
      await this.options.clock.sleep(KILL_ROUND_MILLISECONDS);
    }
  }

  async memoryKills(dynoId: string): Promise<number> {
    return (await this.cgroups?.memoryKills(dynoId)) ?? 0;
  }

  async strain(dynoId: string): Promise<DynoStrain> {
    const processes = await this.cgroups?.processLimit(dynoId);
    return { maxProcesses: null, refusedProcesses: 0, ...processes, disk: null };
  }

  async usage(dynoId: string): Promise<DynoUsage | null> {
    return (await this.cgroups?.usage(dynoId)) ?? (await usageOf(await this.processes(dynoId)));
  }

  /** Ends what still runs of a dyno and removes everything of it. */
  async destroy(dynoId: string): Promise<void> {
    const note = await this.folders.read(dynoId);
    await this.kill(dynoId);
    if (note?.monitor) await awaitEnd(note.monitor, this.options.clock);
    await this.cgroups?.remove(dynoId);
    await this.folders.remove(dynoId);
  }

  async removeGroups(): Promise<void> {
    await this.cgroups?.remove("monitors");
    await this.cgroups?.removeSlice();
  }
}

async function usableCgroups(options: ProcessOptions): Promise<Cgroups | null> {
  const cgroups = new Cgroups(`zarpa-${installationTag(options.dynosFolder)}`, options.clock);
  const files = await cgroups.create("trial").catch(() => []);
  await cgroups.remove("trial");
  return files.length === 0 ? null : cgroups;
}

/** A port on the loopback that nothing listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("the host has no free port");
  return address.port;
}
