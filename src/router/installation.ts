import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { mustRun } from "../kernel/command.ts";

/** An nginx that can be the router. */
export interface NginxInstallation {
  binary: string;
  version: readonly [number, number, number];
  /** Absolute paths, in the order of loading. */
  modules: string[];
  /** nginx's table of file types. */
  mimeTypes: string;
}

/** Where Debian, Ubuntu and a build from source put the program. */
const BINARIES = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx", "/usr/local/nginx/sbin/nginx"];
const MODULES = ["ndk_http_module.so", "ngx_http_lua_module.so"];
const RESTY_CORE = "/usr/share/lua/5.1/resty/core.lua";
const PACKAGES = "apt install nginx libnginx-mod-http-lua lua-resty-core";

/** Finds nginx and its Lua module; throws an error that says what to install. */
export async function findNginx(binaries: readonly string[] = BINARIES): Promise<NginxInstallation> {
  const binary = binaries.find(isExecutable);
  if (binary === undefined) throw new Error(`nginx is not installed: ${PACKAGES}`);
  const { stderr } = await mustRun([binary, "-V"]);
  const [, major, minor, patch] = /nginx version: \S+?\/(\d+)\.(\d+)\.(\d+)/.exec(stderr) ?? [];
  if (major === undefined) throw new Error(`${binary} does not tell its version as nginx does: ${stderr.slice(0, 200)}`);
  const configuration = /--conf-path=(\S+)/.exec(stderr)?.[1] ?? "/etc/nginx/nginx.conf";
  const mimeTypes = join(dirname(configuration), "mime.types");
  const folder = /--modules-path=(\S+)/.exec(stderr)?.[1] ?? "/usr/lib/nginx/modules";
  const modules = MODULES.map((name) => join(folder, name));
  const missing = [...modules, RESTY_CORE, mimeTypes].find((file) => !existsSync(file));
  if (missing !== undefined) throw new Error(`nginx is not installed whole (${missing} is missing): ${PACKAGES}`);
  return { binary, version: [Number(major), Number(minor), Number(patch)], modules, mimeTypes };
}

/** An account without rights of its own, for nginx's workers. */
export interface WorkerAccount {
  user: string;
  group: string;
  uid: number;
  gid: number;
}

/** The first of the usual accounts that this machine has; `passwd` and `group` are the texts of /etc/passwd and /etc/group. */
export function workerAccount(passwd: string, group: string): WorkerAccount {
  for (const user of ["www-data", "nginx", "nobody"]) {
    const [, uid, gid] = new RegExp(`^${user}:[^:]*:(\\d+):(\\d+):`, "m").exec(passwd) ?? [];
    if (uid === undefined || gid === undefined) continue;
    const name = new RegExp(`^([^:\\n]+):[^:\\n]*:${gid}:`, "m").exec(group)?.[1];
    if (name !== undefined) return { user, group: name, uid: Number(uid), gid: Number(gid) };
  }
  throw new Error("nginx's workers need an account without rights: none of www-data, nginx and nobody exists");
}

/** Most open files that this process may allow its children. */
export function openFilesLimit(): number {
  const limit = /^Max open files\s+\d+\s+(\d+|unlimited)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  return limit === undefined || limit === "unlimited" ? Number.POSITIVE_INFINITY : Number(limit);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
