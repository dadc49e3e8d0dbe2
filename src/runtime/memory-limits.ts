import { readFileSync } from "node:fs";
import type { DynoLimits, DynoUsage } from "./ports.ts";

/** At this multiple of its memory a dyno is ended: R15. https://devcenter.heroku.com/articles/error-codes#r15-memory-quota-vastly-exceeded */
const VAST_FACTOR = 2;
const BYTES_PER_MEGABYTE = 1024 * 1024;

/**
 * What the kernel holds a dyno to: above its own memory it is to go on, slowed by swap where the machine has some (R14), and to end at twice
 * that (R15). Without swap all of it is memory.
 */
export function kernelLimits(size: DynoLimits, swap: boolean): { limits: DynoLimits; memoryAndSwapBytes: number } {
  const memoryAndSwapBytes = size.memoryBytes * VAST_FACTOR;
  return { limits: swap ? size : { ...size, memoryBytes: memoryAndSwapBytes }, memoryAndSwapBytes };
}

/** Whether this machine swaps at all; asked at each start, since an operator may add swap at any time. */
export function hasSwap(file = "/proc/swaps"): boolean {
  try {
    return readFileSync(file, "utf8").trim().split("\n").length > 1;
  } catch {
    return false;
  }
}

/**
 * What the log says of a dyno's memory, in Heroku's words; empty when it is within its quota. Pages of files are not counted: the kernel
 * takes them back when it needs them. `hasKilled`: the kernel has ended one of its processes for want of memory.
 */
export function memoryVerdict(usage: DynoUsage, quotaBytes: number, hasKilled: boolean): { messages: string[]; isVast: boolean } {
  const bytes = usage.rssBytes + usage.swapBytes;
  const isVast = hasKilled || bytes > quotaBytes * VAST_FACTOR;
  if (!isVast && bytes <= quotaBytes) return { messages: [], isVast };
  // The kernel ended what was over the limit: what is left says nothing of it.
  const seen = hasKilled ? Math.max(bytes, quotaBytes * VAST_FACTOR) : bytes;
  const amount = `${Math.round(seen / BYTES_PER_MEGABYTE)}MB(${((100 * seen) / quotaBytes).toFixed(1)}%)`;
  const error = isVast ? "Error R15 (Memory quota vastly exceeded)" : "Error R14 (Memory quota exceeded)";
  return { messages: [`Process running mem=${amount}`, error], isVast };
}
