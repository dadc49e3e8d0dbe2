import { statfs } from "node:fs/promises";
import { freemem, totalmem } from "node:os";
import type { Clock } from "../kernel/clock.ts";
import { runCommand } from "../kernel/command.ts";
import { MAX_SLUG_BYTES } from "./slug-store.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

export interface BuildLimits {
  /** Heroku ends builds after 15 minutes (Dev Center, "Slug Compiler"). */
  milliseconds: number;
  memoryBytes: number;
  slugBytes: number;
  /** Of a source tarball, packed and unpacked: Heroku's limit of a checkout is 1 GB. */
  sourceBytes: number;
  outputBytes: number;
  /** What an app may keep between its builds; Heroku's caches have 500 MB, packed. */
  cacheBytes: number;
  /** Free space that a build must leave on the disk: databases and dynos need it more. */
  freeDiskBytes: number;
}

/** The limits of builds on this machine: a build gets at most 60 % of its memory. */
export function defaultLimits(): BuildLimits {
  return {
    milliseconds: 15 * 60 * 1000,
    memoryBytes: Math.round(Math.min(4 * GIB, Math.max(512 * MIB, totalmem() * 0.6, freemem() * 0.6))),
    slugBytes: MAX_SLUG_BYTES,
    sourceBytes: GIB,
    outputBytes: 16 * MIB,
    cacheBytes: 3 * GIB,
    freeDiskBytes: GIB,
  };
}

const DISK_CHECK_MILLISECONDS = 1000;

export type Stop = "output" | "disk";

/** Watches a running build's output and the disk; aborts `signal` with the limit that was passed. */
export class Guard {
  readonly #abort = new AbortController();
  #written = 0;
  readonly #limits: BuildLimits;
  /** Which limit stopped the build, if any. */
  stopped: Stop | null = null;

  constructor(limits: BuildLimits) {
    this.#limits = limits;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Counts a chunk of output; answers what of it may still be shown. */
  admit(chunk: Buffer): Buffer {
    const room = Math.max(0, this.#limits.outputBytes - this.#written);
    this.#written += chunk.length;
    if (chunk.length > room) this.#stop("output");
    return chunk.subarray(0, room);
  }

  /** Looks at the disk each second until `ended` is aborted. */
  async watchDisk(folder: string, clock: Clock, ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      if (await isDiskFull(folder, this.#limits.freeDiskBytes)) this.#stop("disk");
      await clock.sleep(DISK_CHECK_MILLISECONDS, ended).catch(() => {});
    }
  }

  #stop(reason: Stop): void {
    this.stopped ??= reason;
    this.#abort.abort();
  }
}

/** Whether less than `reserveBytes` is left to users on the folder's file system. */
async function isDiskFull(folder: string, reserveBytes: number): Promise<boolean> {
  return (await freeBytes(folder)) < reserveBytes;
}

/** What is left to users on the folder's file system. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** Disk space of everything below a folder. */
export async function usedBytes(folder: string): Promise<number> {
  const { stdout } = await runCommand(["du", "--summarize", "--block-size=1", "--", folder]);
  return Number.parseInt(stdout, 10) || 0;
}
