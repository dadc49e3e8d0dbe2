import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** What a running platform tells its clients: `$ZARPA_HOME/run/settings.json`, for everybody on the machine to read. */
export interface Instance {
  version: string;
  home: string;
  port: number;
  tls_port: number;
  domain: string;
  /** The machine's authorities and the local one, PEM. */
  bundle: string;
  driver: "oci" | "process";
  /** Whether the database is the private cluster under `home`, or a server of the operator's. */
  database: "private" | "external";
}

/** Where the platform of `home` writes its settings. */
export function instanceFile(home: string): string {
  return join(home, "run", "settings.json");
}

/** The first of `homes` in which a platform has been started; null when there is none. */
export function findInstance(homes: readonly string[]): Instance | null {
  const file = homes.map(instanceFile).find((path) => existsSync(path));
  return file === undefined ? null : (JSON.parse(readFileSync(file, "utf8")) as Instance);
}
