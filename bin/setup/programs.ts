import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Where system programs lie; a user's PATH often leaves the `sbin` folders out. */
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** Absolute path of a program, searched in PATH and in the system's folders; null when it is not installed. */
export function findProgram(name: string): string | null {
  const folders = [...SYSTEM_FOLDERS, ...(process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder.startsWith("/"))];
  const folder = folders.find((folder) => existsSync(join(folder, name)));
  return folder === undefined ? null : join(folder, name);
}

/** The environment of our helpers: the system's programs, plain messages, the operator's proxies, nothing else. */
export function helperEnvironment(): Record<string, string> {
  return { PATH: SYSTEM_FOLDERS.join(delimiter), LC_ALL: "C.UTF-8", HOME: process.env["HOME"] ?? "/", ...proxies() };
}

/** The operator's proxy settings. */
export function proxies(): Record<string, string> {
  const names = ["http_proxy", "https_proxy", "no_proxy", "all_proxy"].flatMap((name) => [name, name.toUpperCase()]);
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}

const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** The machine's bundle of trusted certificate authorities, where the distributions keep it; null when it has none. */
export function findHostBundle(): string | null {
  return BUNDLES.find((file) => existsSync(file)) ?? null;
}
