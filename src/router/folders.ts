import { createHash } from "node:crypto";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Paths } from "../kernel/paths.ts";
import { ROUTER_FILES } from "./configuration.ts";
import type { WorkerAccount } from "./installation.ts";

const LUA_SOURCE = fileURLToPath(new URL("lua/zarpa/", import.meta.url));
const ENTER = 0o001;
const HOME_MODE = 0o711;
/** The router's own folder is for root and the workers' group. */
const ROUTER_MODE = 0o710;
/** `sun_path` of a Unix socket address, less its final zero byte. */
const LONGEST_SOCKET_PATH = 107;

export type RouterPaths = Pick<Paths, "home" | "run" | "router" | "routerSocket" | "platformSocket" | "wakeSocket">;

/**
 * Makes the router's folders. Workers under an account of their own must be able to enter home, run and router (to reach the control
 * plane's socket and their logs), and nobody but the control plane's user the folder of the feed's socket.
 */
export function makeFolders(paths: RouterPaths, worker: WorkerAccount | null): void {
  for (const socket of [paths.routerSocket, paths.platformSocket, paths.wakeSocket]) {
    if (Buffer.byteLength(socket) > LONGEST_SOCKET_PATH) {
      throw new Error(`ZARPA_HOME is too long a path for Unix sockets: ${socket} has more than ${LONGEST_SOCKET_PATH} bytes`);
    }
  }
  mkdirSync(join(paths.router, ROUTER_FILES.temp), { recursive: true, mode: HOME_MODE });
  mkdirSync(paths.run, { recursive: true, mode: HOME_MODE });
  mkdirSync(dirname(paths.routerSocket), { recursive: true, mode: 0o700 });
  chmodSync(dirname(paths.routerSocket), 0o700);
  if (worker === null) return;
  for (const folder of [paths.home, paths.run]) {
    const { mode } = statSync(folder);
    if ((mode & ENTER) === 0) chmodSync(folder, mode | ENTER);
  }
  // The request log names every path that anybody asked of any app.
  chownSync(paths.router, 0, worker.gid);
  chmodSync(paths.router, ROUTER_MODE);
  for (let folder = dirname(paths.home); folder !== "/"; folder = dirname(folder)) {
    if ((statSync(folder).mode & ENTER) !== 0) continue;
    throw new Error(
      `ZARPA_HOME lies in ${folder}, which ${worker.user} may not enter: chmod o+x ${folder}, or choose another ZARPA_HOME`,
    );
  }
}

/** Lets nginx's workers, and nobody else but root, connect to a Unix socket. */
export function admitWorkers(socket: string, worker: WorkerAccount | null): void {
  if (worker === null) return chmodSync(socket, 0o600);
  chownSync(socket, 0, worker.gid);
  chmodSync(socket, 0o660);
}

/** Lets nginx's workers thaw a dyno by a write to its control group's file; one that is gone needs no thawing. */
export function admitThawing(file: string, worker: WorkerAccount | null): void {
  if (existsSync(file)) admitWorkers(file, worker);
}

/**
 * Lets nginx's workers enter a slug whose folders they serve. A slug's own folder is closed to others; its name is a hash that nobody
 * guesses, in a folder that nobody may list.
 */
export function admitFiles(root: string, worker: WorkerAccount | null): void {
  if (worker === null) return;
  for (const folder of [root, dirname(root), dirname(dirname(root))]) {
    if (!existsSync(folder)) return;
    const { mode } = statSync(folder);
    if ((mode & ENTER) === 0) chmodSync(folder, (mode & 0o777) | ENTER);
  }
}

/**
 * Copies our Lua modules beside the configuration, in a folder named by their content: what runs does not change under nginx when the
 * source does, and a change shows in the configuration.
 */
export function installLua(routerFolder: string): string {
  const modules = readdirSync(LUA_SOURCE).filter((name) => name.endsWith(".lua"));
  const contents = modules.map((name) => ({ name, text: readFileSync(join(LUA_SOURCE, name), "utf8") }));
  const hash = createHash("sha256").update(JSON.stringify(contents)).digest("hex").slice(0, 12);
  const folder = join(routerFolder, `lua-${hash}`);
  mkdirSync(join(folder, "zarpa"), { recursive: true, mode: 0o755 });
  for (const { name, text } of contents) writeFileSync(join(folder, "zarpa", name), text);
  return folder;
}

/** Removes the Lua of former configurations: workers have read theirs when they started. */
export function removeFormerLua(routerFolder: string, current: string): void {
  for (const name of readdirSync(routerFolder)) {
    const folder = join(routerFolder, name);
    if (name.startsWith("lua-") && folder !== current) rmSync(folder, { recursive: true });
  }
}
