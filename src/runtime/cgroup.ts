import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../kernel/clock.ts";
import { runnableTasks, sendSignal } from "./host-process.ts";
import type { DynoLimits, DynoUsage } from "./ports.ts";

const ROOT = "/sys/fs/cgroup";
/** cgroup v1: one tree for each controller. These are the ones that limit, and the one that systemd counts by. */
const V1_CONTROLLERS = ["pids", "memory", "cpu", "cpuacct", "freezer", "systemd", "unified"];
const STANDARD_SHARES = 1024;
const PERIOD_MICROSECONDS = 100_000;
const KILL_ROUND_MILLISECONDS = 10;
const KILL_ROUNDS = 500;
const FREEZE_ROUND_MILLISECONDS = 2;
const FREEZE_ROUNDS = 500;
/** More than any dyno has: the kernel gives back what it can. */
const RECLAIM_BYTES = 2 ** 40;

/**
 * The control groups of one installation: `/<slice>/<name>` in each tree, for hosts with cgroup v2 and with v1 (or both: then the
 * controllers are in v1).
 */
export class Cgroups {
  readonly version: 1 | 2;
  readonly slice: string;
  readonly #root: string;
  readonly #trees: string[];
  readonly #clock: Clock;

  /** `root`: where the control groups are mounted, when it is not the usual place. */
  constructor(slice: string, clock: Clock, root = ROOT) {
    this.slice = slice;
    this.#root = root;
    this.#clock = clock;
    this.version = existsSync(join(root, "cgroup.controllers")) ? 2 : 1;
    this.#trees = this.version === 2 ? [root] : V1_CONTROLLERS.map((name) => join(root, name)).filter((tree) => existsSync(tree));
  }

  /** Whether swap can be limited, which OCI runtimes otherwise refuse to be asked for. */
  get limitsSwap(): boolean {
    if (this.version === 1) return existsSync(join(this.#root, "memory", "memory.memsw.limit_in_bytes"));
    return existsSync(join(this.#root, this.slice, "monitors", "memory.swap.max"));
  }

  /** What a process of the group sees as its path, and the OCI runtime is told. */
  path(name: string): string {
    return `/${this.slice}/${name}`;
  }

  /** Makes a group without limits, and returns the files a process writes its id to in order to join it. */
  async create(name: string): Promise<string[]> {
    const files: string[] = [];
    for (const tree of this.#trees) {
      if (this.version === 2) await this.#delegate(tree);
      await mkdir(join(tree, this.slice, name), { recursive: true });
      files.push(join(tree, this.slice, name, "cgroup.procs"));
    }
    return files;
  }

  /** Moves a process into a group that has been made. */
  async join(name: string, pid: number): Promise<void> {
    for (const tree of this.#trees) await writeFile(join(tree, this.slice, name, "cgroup.procs"), String(pid));
  }

  /**
   * Gives all groups together the weight of one ordinary program for each processor, as Kubernetes gives its pods. With version 1, one
   * group has the weight of a single program, however many processors its programs need; version 2 parts the machine between services.
   */
  async weigh(processors: number): Promise<void> {
    if (this.version === 2) return;
    await writeFile(join(this.#root, "cpu", this.slice, "cpu.shares"), String(STANDARD_SHARES * processors)).catch(() => {});
  }

  /** Like `create`, with the dyno's limits. A limit the kernel does not know is left out. */
  async createLimited(name: string, limits: DynoLimits): Promise<string[]> {
    const files = await this.create(name);
    const set = async (controller: string, file: string, value: number): Promise<void> => {
      const folder = this.version === 2 ? join(this.#root, this.slice, name) : join(this.#root, controller, this.slice, name);
      await writeFile(join(folder, file), String(value)).catch(() => {});
    };
    await set("pids", "pids.max", limits.maxProcesses);
    await set("memory", this.version === 2 ? "memory.max" : "memory.limit_in_bytes", limits.memoryBytes);
    await this.setShare(name, limits.cpuShare);
    return files;
  }

  /** How much of the processors the group has when others want them, relative to a standard share; no error when it is gone. */
  async setShare(name: string, share: number): Promise<void> {
    const [file, value] =
      this.version === 2
        ? [join(this.#root, this.slice, name, "cpu.weight"), Math.max(1, Math.min(10_000, Math.round(100 * share)))]
        : [join(this.#root, "cpu", this.slice, name, "cpu.shares"), Math.max(2, Math.round(STANDARD_SHARES * share))];
    await writeFile(file, String(value)).catch(() => {});
  }

  /** Processor time of the group since its beginning; null: there is no such group, or nobody counts. */
  async cpuMilliseconds(name: string): Promise<number | null> {
    const file = this.version === 2 ? [this.slice, name, "cpu.stat"] : ["cpuacct", this.slice, name, "cpuacct.usage"];
    const text = await readFile(join(this.#root, ...file), "utf8").catch(() => null);
    if (text === null) return null;
    return this.version === 2 ? counterOf(text, "usage_usec") / 1e3 : Number(text) / 1e6;
  }

  /** Lets the processes of a group have at most this part of one processor, where the kernel can hold them to it. */
  async limitProcessor(name: string, part: number): Promise<void> {
    const quota = Math.round(PERIOD_MICROSECONDS * part);
    if (this.version === 2) {
      await writeFile(join(this.#root, this.slice, name, "cpu.max"), `${quota} ${PERIOD_MICROSECONDS}`).catch(() => {});
      return;
    }
    const folder = join(this.#root, "cpu", this.slice, name);
    await writeFile(join(folder, "cpu.cfs_period_us"), String(PERIOD_MICROSECONDS)).catch(() => {});
    await writeFile(join(folder, "cpu.cfs_quota_us"), String(quota)).catch(() => {});
  }

  /** Ids of the processes in the group; empty when it does not exist. */
  async processes(name: string): Promise<number[]> {
    for (const tree of this.#trees) {
      const text = await readFile(join(tree, this.slice, name, "cgroup.procs"), "utf8").catch(() => null);
      if (text !== null) return text.split("\n").filter(Boolean).map(Number);
    }
    return [];
  }

  /** Ends every process of the group, and resolves when none is left. Nothing forks out of it: no new process is allowed first. */
  async kill(name: string): Promise<void> {
    const tree = this.#trees[0];
    if (tree === undefined) return;
    const folder = join(tree, this.slice, name);
    await writeFile(join(folder, "pids.max"), "0").catch(() => {});
    await writeFile(join(folder, "cgroup.kill"), "1").catch(() => {});
    for (let round = 0; round < KILL_ROUNDS; round += 1) {
      const pids = await this.processes(name);
      if (pids.length === 0) return;
      for (const pid of pids) sendSignal(pid, "SIGKILL");
      // With v1 what is frozen does not die before it is thawed.
      await this.thaw(name);
      await this.#clock.sleep(KILL_ROUND_MILLISECONDS);
    }
    throw new Error(`processes of ${this.path(name)} do not end: ${(await this.processes(name)).join(" ")}`);
  }

  /**
   * Stops every process of the group where it is, and gives its memory back to the system as far as the kernel can (page cache; the rest
   * where there is swap). False: processes that do not stop, or a group that is gone; it is thawed then.
   */
  async freeze(name: string): Promise<boolean> {
    const [file] = this.thawFiles(name);
    if (file === undefined) return false;
    await writeFile(file, this.version === 2 ? "1" : "FROZEN").catch(() => {});
    for (let round = 0; !(await this.isFrozen(name)); round += 1) {
      if (round === FREEZE_ROUNDS) {
        await this.thaw(name);
        return false;
      }
      await this.#clock.sleep(FREEZE_ROUND_MILLISECONDS);
    }
    return true;
  }

  /** Takes back what memory a frozen group can do without. Errors say that it was less than asked for, as it always is. */
  async reclaim(name: string): Promise<void> {
    const file = this.version === 2 ? [this.slice, name, "memory.reclaim"] : ["memory", this.slice, name, "memory.force_empty"];
    await writeFile(join(this.#root, ...file), this.version === 2 ? String(RECLAIM_BYTES) : "0").catch(() => {});
  }

  async thaw(name: string): Promise<void> {
    for (const file of this.thawFiles(name)) await writeFile(file, this.version === 2 ? "0" : "THAWED").catch(() => {});
  }

  async isFrozen(name: string): Promise<boolean> {
    const file = this.version === 2 ? [this.slice, name, "cgroup.events"] : ["freezer", this.slice, name, "freezer.state"];
    const text = await readFile(join(this.#root, ...file), "utf8").catch(() => "");
    return this.version === 2 ? /^frozen 1$/m.test(text) : text.trim() === "FROZEN";
  }

  /** The file whose writing thaws the group, as a list; empty: the group is gone, or this kernel freezes nothing. */
  thawFiles(name: string): string[] {
    const file =
      this.version === 2
        ? join(this.#root, this.slice, name, "cgroup.freeze")
        : join(this.#root, "freezer", this.slice, name, "freezer.state");
    return existsSync(file) ? [file] : [];
  }

  /** How many processes of the group the kernel has killed for want of memory. */
  async memoryKills(name: string): Promise<number> {
    const file = this.version === 2 ? [this.slice, name, "memory.events"] : ["memory", this.slice, name, "memory.oom_control"];
    const text = await readFile(join(this.#root, ...file), "utf8").catch(() => "");
    return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
  }

  /** How many processes the group may have, and how many more the kernel has refused it. */
  async processLimit(name: string): Promise<{ maxProcesses: number | null; refusedProcesses: number }> {
    const folder = join(this.#root, ...(this.version === 2 ? [] : ["pids"]), this.slice, name);
    const most = Number(await readFile(join(folder, "pids.max"), "utf8").catch(() => ""));
    const events = await readFile(join(folder, "pids.events"), "utf8").catch(() => "");
    return { maxProcesses: most > 0 ? most : null, refusedProcesses: counterOf(events, "max") };
  }

  /** What the processes of the group use, as the kernel accounts it; null when there is no such group or it tells nothing. */
  async usage(name: string): Promise<DynoUsage | null> {
    const read = async (controller: string, file: string): Promise<string> => {
      const folder = this.version === 2 ? join(this.#root, this.slice, name) : join(this.#root, controller, this.slice, name);
      return await readFile(join(folder, file), "utf8").catch(() => "");
    };
    const memory = await read("memory", "memory.stat");
    if (memory === "") return null;
    const runnable = await runnableTasks(await this.processes(name));
    if (this.version === 2) {
      return {
        rssBytes: counterOf(memory, "anon"),
        cacheBytes: counterOf(memory, "file"),
        swapBytes: Number(await read("memory", "memory.swap.current")),
        memoryKills: await this.memoryKills(name),
        pagesIn: null,
        pagesOut: null,
        cpuMilliseconds: counterOf(await read("cpu", "cpu.stat"), "usage_usec") / 1e3,
        runnable,
      };
    }
    return {
      rssBytes: counterOf(memory, "total_rss"),
      cacheBytes: counterOf(memory, "total_cache"),
      swapBytes: counterOf(memory, "total_swap"),
      memoryKills: await this.memoryKills(name),
      pagesIn: counterOf(memory, "total_pgpgin"),
      pagesOut: counterOf(memory, "total_pgpgout"),
      cpuMilliseconds: Number(await read("cpuacct", "cpuacct.usage")) / 1e6,
      runnable,
    };
  }

  /** Removes the empty group; no error when it is gone. */
  async remove(name: string): Promise<void> {
    for (const tree of this.#trees) await rmdir(join(tree, this.slice, name)).catch(() => {});
  }

  /** Removes the slice itself, when nothing is in it any more; OCI runtimes make it in every tree of v1. */
  async removeSlice(): Promise<void> {
    const trees = this.version === 2 ? [this.#root] : (await readdir(this.#root)).map((name) => join(this.#root, name));
    for (const tree of trees) await rmdir(join(tree, this.slice)).catch(() => {});
  }

  async #delegate(tree: string): Promise<void> {
    await mkdir(join(tree, this.slice), { recursive: true });
    for (const folder of [tree, join(tree, this.slice)]) {
      for (const controller of ["cpu", "memory", "pids"]) {
        await writeFile(join(folder, "cgroup.subtree_control"), `+${controller}`).catch(() => {});
      }
    }
  }
}

/** One counter of a file with lines of a name and a number; 0 when it is not there. */
function counterOf(text: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
}
