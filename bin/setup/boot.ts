import type { Authority } from "../../src/kernel/authority.ts";
import type { Clock } from "../../src/kernel/clock.ts";
import type { Journal } from "../../src/kernel/journal.ts";
import type { Paths } from "../../src/kernel/paths.ts";
import type { Secret } from "../../src/kernel/secret.ts";
import type { Settings } from "../../src/kernel/settings.ts";

/** Everything that stands before the control plane starts. */
export interface Boot {
  /** Zarpa's own version. */
  version: string;
  settings: Settings;
  paths: Paths;
  databaseUrl: string;
  driver: DriverChoice;
  /** Root file system by stack name; null with the process driver, whose dynos see the host's. */
  stacks: ReadonlyMap<string, string | null>;
  tools: Tools;
  authority: Authority;
  vaultKey: Buffer;
  admin: AdminCredentials;
  /** The machine's own bundle of trusted authorities, for dynos and builds; null when it has none. */
  hostBundle: string | null;
  journal: Journal;
  clock: Clock;
}

export interface DriverChoice {
  name: "oci" | "process";
  /** Why this one, in a sentence without its full stop. */
  reason: string;
}

export interface Tools {
  /** uv's program on the host; null when it could not be installed (the start screen has said so). */
  uv: string | null;
}

/** Whom the platform makes its first account for, if it has none. */
export interface AdminCredentials {
  email: string;
  /** Chosen by the operator, or made up by this start. */
  password: Secret;
  isChosen: boolean;
}

export interface RunningPlatform {
  /** Whether this start has made the first account: only then is a made-up password worth showing. */
  adminCreated: boolean;
  /** Ends the control plane: what the data plane serves goes on. */
  stop(): Promise<void>;
}

/** Something the operator must set right; its message is all they need to read. */
export class SetupError extends Error {
  override name = "SetupError";
}
