import { spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Paths } from "../../src/kernel/paths.ts";

const LOOK_SECONDS = 0.3;

export interface HomeLock {
  release(): void;
}

/**
 * Makes this process the control plane of a home, or answers null when another one is. The kernel holds the lock (`flock(2)` on an open
 * file): it ends with the process, however that ends, and no stale pid file can keep a start away.
 */
export function takeLock(paths: Pick<Paths, "run" | "platformPid">): HomeLock | null {
  const handle = openSync(lockFile(paths), "a", 0o600);
  // A look by `npm stop` holds it for some milliseconds.
  if (!tryLock(handle, LOOK_SECONDS)) {
    closeSync(handle);
    return null;
  }
  writeFileSync(paths.platformPid, `${process.pid}\n`, { mode: 0o644 });
  return {
    release: () => {
      rmSync(paths.platformPid, { force: true });
      closeSync(handle);
    },
  };
}

/** Process id of the control plane that runs for a home, or null. */
export function runningPid(paths: Pick<Paths, "run" | "platformPid">): number | null {
  if (!existsSync(lockFile(paths)) || !existsSync(paths.platformPid)) return null;
  const handle = openSync(lockFile(paths), "r");
  try {
    if (tryLock(handle, 0)) return null;
    const pid = Number(readFileSync(paths.platformPid, "utf8"));
    return Number.isInteger(pid) && pid > 0 ? pid : null;
  } catch {
    // Released since we looked: the pid file goes first.
    return null;
  } finally {
    closeSync(handle);
  }
}

function lockFile(paths: Pick<Paths, "run">): string {
  return join(paths.run, "platform.lock");
}

/**
 * Node has no flock(2). util-linux's program locks the file description that it shares with us, and leaves; our handle keeps the lock.
 * Our other children do not inherit the handle: Node opens files close-on-exec.
 */
function tryLock(handle: number, waitSeconds: number): boolean {
  const argv = waitSeconds === 0 ? ["--nonblock", "3"] : ["--timeout", String(waitSeconds), "3"];
  const { status, error } = spawnSync("flock", argv, { stdio: ["ignore", "ignore", "ignore", handle] });
  if (error !== undefined) throw new Error("the program flock (package util-linux) is needed", { cause: error });
  return status === 0;
}
