import { isIP } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { Secret } from "./secret.ts";

/** What the operator may set, from the environment only. Ports are TCP ports; `home` is the folder of all data. */
export interface Settings {
  home: string;
  port: number;
  tlsPort: number;
  /** TLS port of `heroku run` (rendezvous protocol): one above the TLS port. */
  rendezvousPort: number;
  domain: string;
  adminEmail: string;
  adminPassword: Secret | null;
  driver: "oci" | "process" | null;
  databaseUrl: Secret | null;
  /** Addresses and networks (CIDR) that log drains may lead to, though they are the machine's own. */
  drainNetworks: string[];
  /** Apps of a size that sleeps are frozen after this many seconds without a request, and stopped after `frozen` more; idle 0: never. */
  sleep: { idleSeconds: number; frozenSeconds: number };
  /** The authority of automatic certificates, and the port at which it asks for this machine's HTTP. */
  acmeDirectoryUrl: string;
  acmeHttpPort: number;
}

/** All problems of an environment at once. */
export class SettingsError extends Error {
  override name = "SettingsError";
  readonly problems: string[];

  constructor(problems: string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

const HIGHEST_PORT = 65_535;
const DOMAIN = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;
const MIN_PASSWORD_LENGTH = 8;
const LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory";
/** https://devcenter.heroku.com/articles/eco-dyno-hours#dyno-sleeping */
const IDLE_SECONDS = 30 * 60;
const FROZEN_SECONDS = 2 * 60 * 60;
const MAX_SECONDS = 365 * 24 * 60 * 60;

/** Reads the settings of `env`; throws a `SettingsError` that names every wrong value. */
export function readSettings(env: Record<string, string | undefined>, isRoot: boolean): Settings {
  const problems: string[] = [];
  const port = (name: string, fallback: number): number => {
    const text = env[name];
    if (text === undefined || text === "") return fallback;
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= 1 && value <= HIGHEST_PORT) return value;
    problems.push(`${name} is "${text}": it must be a TCP port from 1 to ${HIGHEST_PORT}.`);
    return fallback;
  };
  const seconds = (name: string, fallback: number): number => {
    const text = env[name] || String(fallback);
    if (/^\d{1,9}$/.test(text) && Number(text) <= MAX_SECONDS) return Number(text);
    problems.push(`${name} is "${text}": it must be a number of seconds.`);
    return fallback;
  };
  const idleSeconds = seconds("ZARPA_IDLE_SECONDS", IDLE_SECONDS);
  const frozenSeconds = seconds("ZARPA_FROZEN_SECONDS", FROZEN_SECONDS);
  const httpPort = port("ZARPA_PORT", 8080);
  const tlsPort = port("ZARPA_TLS_PORT", 8443);
  if (httpPort === tlsPort) problems.push(`ZARPA_PORT and ZARPA_TLS_PORT are both ${tlsPort}: they must differ.`);
  if (tlsPort === HIGHEST_PORT || tlsPort + 1 === httpPort) {
    problems.push(`ZARPA_TLS_PORT is ${tlsPort}: the port above it must be free for heroku run.`);
  }
  const home = env["ZARPA_HOME"] || defaultHome(env, isRoot);
  if (!home.startsWith("/")) problems.push(`ZARPA_HOME is "${home}": it must be an absolute path.`);
  const domain = env["ZARPA_DOMAIN"] || "localhost";
  if (!DOMAIN.test(domain)) problems.push(`ZARPA_DOMAIN is "${domain}": it must be a host name in lower case, without port.`);
  const adminEmail = env["ZARPA_ADMIN_EMAIL"] || "admin@localhost";
  if (!/^[^\s@]+@[^\s@]+$/.test(adminEmail)) problems.push(`ZARPA_ADMIN_EMAIL is "${adminEmail}": it must be an e-mail address.`);
  const password = env["ZARPA_ADMIN_PASSWORD"];
  if (password !== undefined && password !== "" && password.length < MIN_PASSWORD_LENGTH) {
    problems.push(`ZARPA_ADMIN_PASSWORD is too short: it must have ${MIN_PASSWORD_LENGTH} characters or more.`);
  }
  const driver = env["ZARPA_DRIVER"] || null;
  if (driver !== null && driver !== "oci" && driver !== "process") {
    problems.push(`ZARPA_DRIVER is "${driver}": it must be oci or process.`);
  }
  const databaseUrl = env["DATABASE_URL"] || null;
  if (databaseUrl !== null && !/^postgres(ql)?:\/\//.test(databaseUrl)) {
    problems.push("DATABASE_URL must begin with postgres:// or postgresql://.");
  }
  const drainNetworks = (env["ZARPA_DRAIN_NETWORKS"] ?? "").split(/[\s,]+/).filter((text) => text !== "");
  for (const network of drainNetworks.filter((text) => !isNetwork(text))) {
    problems.push(
      `ZARPA_DRAIN_NETWORKS holds "${network}": it must be addresses or networks such as 127.0.0.1 or 192.168.7.0/24.`,
    );
  }
  const acmeDirectoryUrl = env["ZARPA_ACME_DIRECTORY_URL"] || LETS_ENCRYPT;
  if (!/^https:\/\/\S+$/.test(acmeDirectoryUrl) || !URL.canParse(acmeDirectoryUrl)) {
    problems.push(`ZARPA_ACME_DIRECTORY_URL is "${acmeDirectoryUrl}": it must be an address that begins with https://.`);
  }
  const acmeHttpPort = port("ZARPA_ACME_HTTP_PORT", 80);
  if (problems.length > 0) throw new SettingsError(problems);
  return {
    home,
    port: httpPort,
    tlsPort,
    rendezvousPort: tlsPort + 1,
    domain,
    adminEmail: adminEmail.toLowerCase(),
    adminPassword: password ? new Secret(password) : null,
    driver: driver as Settings["driver"],
    databaseUrl: databaseUrl === null ? null : new Secret(databaseUrl),
    drainNetworks,
    acmeDirectoryUrl,
    acmeHttpPort,
    sleep: { idleSeconds, frozenSeconds },
  };
}

function isNetwork(text: string): boolean {
  const [address = "", bits = "0", ...rest] = text.split("/");
  const family = isIP(address);
  return family !== 0 && rest.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
}

function defaultHome(env: Record<string, string | undefined>, isRoot: boolean): string {
  if (isRoot) return "/var/lib/zarpa";
  return join(env["XDG_DATA_HOME"] || join(homedir(), ".local", "share"), "zarpa");
}
