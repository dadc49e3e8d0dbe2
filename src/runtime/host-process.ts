import { readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import type { Clock } from "../kernel/clock.ts";
import type { DynoUsage } from "./ports.ts";

/** A process that is meant beyond the reuse of its number: the start time tells it from a later one, the boot from another uptime. */
export interface ProcessMark {
  pid: number;
  /** Clock ticks since boot, from /proc/<pid>/stat. */
  startTime: string;
  bootId: string;
}

/** The mark of a running process; null when it is gone (a zombie counts as gone). */
export function markProcess(pid: number): ProcessMark | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may hold anything; the state is the first field after it, the start time the twentieth.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z" || fields[0] === "X") return null;
    return { pid, startTime: fields[19] ?? "", bootId: readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim() };
  } catch {
    return null;
  }
}

export function isAlive(mark: ProcessMark): boolean {
  const now = markProcess(mark.pid);
  return now !== null && now.startTime === mark.startTime && now.bootId === mark.bootId;
}

/** Sends a signal; false when there is no such process. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

const END_PATIENCE_MILLISECONDS = 5000;
const POLL_MILLISECONDS = 5;

/** Resolves when a process that is about to end has ended; it is killed when it takes 5 s. */
export async function awaitEnd(mark: ProcessMark, clock: Clock): Promise<void> {
  for (let waited = 0; isAlive(mark); waited += POLL_MILLISECONDS) {
    if (waited > END_PATIENCE_MILLISECONDS) sendSignal(mark.pid, "SIGKILL");
    await clock.sleep(POLL_MILLISECONDS);
  }
}

const LISTEN = "0A";
/** Established, and on the way to it. */
const OPEN: ReadonlySet<string> = new Set(["01", "03"]);

/**
 * Whether something listens on a TCP port where `reachable` addresses lead, read from /proc/<pid>/net/tcp and tcp6 of the process's network
 * namespace: no connection is made, so that servers which count connections are not disturbed. Addresses that mean
 * "all" always count; of the others only those in `addresses` (IPv4 dotted).
 */
export async function listensOn(pid: number, port: number, addresses: readonly string[]): Promise<boolean> {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  const hosts = new Set(["00000000", "0".repeat(32)]);
  for (const address of addresses) {
    const hex = littleEndianHex(address);
    hosts.add(hex);
    hosts.add(`0000000000000000FFFF0000${hex}`);
  }
  for (const table of ["tcp", "tcp6"]) {
    const text = await readFile(`/proc/${pid}/net/${table}`, "utf8").catch(() => "");
    for (const line of text.split("\n").slice(1)) {
      const [, local, , state] = line.trim().split(/\s+/);
      if (state !== LISTEN || local === undefined) continue;
      const [host, at] = local.split(":");
      if (at === wanted && host !== undefined && hosts.has(host)) return true;
    }
  }
  return false;
}

/** How many TCP connections to a port of the process's network namespace are established, from either side still open. */
export async function connectionsTo(pid: number, port: number): Promise<number> {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  let count = 0;
  for (const table of ["tcp", "tcp6"]) {
    const text = await readFile(`/proc/${pid}/net/${table}`, "utf8").catch(() => "");
    for (const line of text.split("\n").slice(1)) {
      const [, local, , state] = line.trim().split(/\s+/);
      if (local?.endsWith(wanted) === true && state !== undefined && OPEN.has(state)) count += 1;
    }
  }
  return count;
}

function littleEndianHex(address: string): string {
  const parts = address.split(".").map((part) => Number(part).toString(16).toUpperCase().padStart(2, "0"));
  return parts.toReversed().join("");
}

/** A process and all that descends from it at this moment. */
export async function descendantsOf(pid: number): Promise<number[]> {
  const children = new Map<number, number[]>();
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = await readFile(`/proc/${entry}/stat`, "latin1").catch(() => "");
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
  }
  const found = [pid];
  // It grows while it is walked.
  for (const one of found) found.push(...(children.get(one) ?? []));
  return found;
}

/** Ids of all processes of the host that carry the marker `NAME=value` in the environment they were started with. */
export async function processesMarked(marker: string): Promise<number[]> {
  const found: number[] = [];
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const environ = await readFile(`/proc/${entry}/environ`, "utf8").catch(() => "");
    if (environ.split("\0").includes(marker)) found.push(Number(entry));
  }
  return found;
}

/** How many threads of these processes run or wait for a processor or a disk at this moment: what the load average counts. */
export async function runnableTasks(pids: readonly number[]): Promise<number> {
  let count = 0;
  for (const pid of pids) {
    for (const task of await readdir(`/proc/${pid}/task`).catch(() => [])) {
      const stat = await readFile(`/proc/${pid}/task/${task}/stat`, "latin1").catch(() => "");
      const state = stat[stat.lastIndexOf(")") + 2];
      if (state === "R" || state === "D") count += 1;
    }
  }
  return count;
}

const BYTES_PER_KIBIBYTE = 1024;
/** The kernel's USER_HZ, the unit of times in /proc/<pid>/stat on every Linux that Node runs on. */
const MILLISECONDS_PER_TICK = 10;

/**
 * What these processes use, added up process by process, where there are no control groups: shared pages count in each, and the CPU
 * time of those that have ended is in their parents' once they have been waited for.
 */
export async function usageOf(pids: readonly number[]): Promise<DynoUsage | null> {
  const usage: DynoUsage = {
    rssBytes: 0,
    cacheBytes: 0,
    swapBytes: 0,
    memoryKills: 0,
    pagesIn: null,
    pagesOut: null,
    cpuMilliseconds: 0,
    runnable: await runnableTasks(pids),
  };
  for (const pid of pids) {
    const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
    const kibibytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? 0);
    usage.rssBytes += kibibytes("RssAnon") * BYTES_PER_KIBIBYTE;
    usage.cacheBytes += kibibytes("RssFile") * BYTES_PER_KIBIBYTE;
    usage.swapBytes += kibibytes("VmSwap") * BYTES_PER_KIBIBYTE;
    const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => "");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // utime, stime, cutime, cstime.
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    if (stat !== "") usage.cpuMilliseconds += ticks * MILLISECONDS_PER_TICK;
  }
  return pids.length === 0 ? null : usage;
}
