import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { TestPlatform } from "../test/acceptance/support/platform.ts";
import { processesOf } from "../test/acceptance/support/processes.ts";
import { createApp, WorkingCopy } from "./client.ts";
import type { Report } from "./figure.ts";

const APP = "bench-memory";
const IDLE_MS = 30_000;
const MOST_MEGABYTES = 300;
const KIBIBYTES_PER_MEGABYTE = 1_000_000 / 1024;
/** `npm start` stays until the platform ends, so it counts too. */
const PARTS = ["node", "npm", "nginx", "postgres"] as const;

export interface Memory {
  rss: number;
  pss: number;
  processes: number;
}

/** What node (npm's, too), nginx and PostgreSQL hold in memory, one app deployed, after 30 s in which nobody asked for anything. */
export async function benchMemory(): Promise<Report> {
  await using closing = new AsyncDisposableStack();
  const platform = await TestPlatform.start();
  closing.defer(async () => await platform.close());
  const copy = await WorkingCopy.make(await platform.clientEnvironment());
  closing.defer(async () => await copy.remove());
  const { remote } = await createApp(platform, APP);
  await copy.git(["push", "--quiet", remote, "main"]);
  await delay(IDLE_MS);
  const parts = measureParts(platform);
  const total = sum(PARTS.map((part) => parts[part]));
  return {
    figures: [
      {
        name: "idle memory, node + nginx + PostgreSQL",
        ours: total.pss,
        peer: null,
        unit: "MB",
        compared: "value",
        bound: "at most",
        limit: MOST_MEGABYTES,
      },
    ],
    notes: [
      `memory: ${text(total)}; PSS, which counts, has a page that n processes share as 1/n in each: its sum is what the machine gives; RSS has it n times`,
      ...PARTS.map((part) => `memory, ${part}: ${text(parts[part])}`),
    ],
  };
}

type Part = (typeof PARTS)[number];

function measureParts(platform: TestPlatform): Record<Part, Memory> {
  const none = (): Memory => ({ rss: 0, pss: 0, processes: 0 });
  const parts: Record<Part, Memory> = { node: none(), nginx: none(), postgres: none(), npm: none() };
  for (const pid of processesOf(platform.home)) {
    const part = partOf(pid, platform.pid);
    const memory = part === null ? null : memoryOf(pid);
    if (part !== null && memory !== null) parts[part] = sum([parts[part], memory]);
  }
  return parts;
}

/** Null: a process of a dyno, or of somebody else. */
function partOf(pid: number, controlPlane: number | null): Part | null {
  if (pid === controlPlane) return "node";
  const command = read(`/proc/${pid}/cmdline`);
  // Its supervisor is a part of it.
  if (command.startsWith("nginx:") || /^perl\0\S+\/supervise\.pl\0/.test(command)) return "nginx";
  if (/^(\S*\/)?postgres(:|\0)/.test(command)) return "postgres";
  return /^npm |^node\0\S*npm/.test(command) ? "npm" : null;
}

/** Null when the process has just ended. */
export function memoryOf(pid: number): Memory | null {
  const text = read(`/proc/${pid}/smaps_rollup`);
  const megabytes = (name: string): number =>
    Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(text)?.[1] ?? 0) / KIBIBYTES_PER_MEGABYTE;
  return text === "" ? null : { rss: megabytes("Rss"), pss: megabytes("Pss"), processes: 1 };
}

function sum(memories: readonly Memory[]): Memory {
  const add = (a: Memory, b: Memory): Memory => ({
    rss: a.rss + b.rss,
    pss: a.pss + b.pss,
    processes: a.processes + b.processes,
  });
  return memories.reduce(add, { rss: 0, pss: 0, processes: 0 });
}

function text({ rss, pss, processes }: Memory): string {
  return `PSS ${pss.toFixed(0)} MB, RSS ${rss.toFixed(0)} MB, ${processes} process${processes === 1 ? "" : "es"}`;
}

/** Empty when the process has just ended. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
