import { readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import type { Clock } from "../kernel/clock.ts";

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

function littleEndianHex(address: string): string {
  const parts = address.split(".").map((part) => Number(part).toString(16).toUpperCase().padStart(2, "0"));
  return parts.toReversed().join("");
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
