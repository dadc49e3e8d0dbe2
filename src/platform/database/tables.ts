import type { ColumnType, Generated } from "kysely";
import type { ReleaseSwitch } from "../../contract/release.ts";

type Stamp = ColumnType<Date, Date, Date>;
type NullableStamp = ColumnType<Date | null, Date | null | undefined, Date | null>;
type Json<T> = ColumnType<T, string, string>;
/** bigint columns arrive as text from pg unless parsed; the pool in `connect.ts` parses them to numbers. */
type Big = ColumnType<number, number, number>;

export interface Accounts {
  id: string;
  email: string;
  name: string | null;
  /** scrypt: `scrypt$N$r$p$salt$hash`, base64url. */
  password_hash: string;
  is_admin: boolean;
  /** Eco hours of a month. */
  eco_hours: Generated<number>;
  /** Most dynos of all its apps together. */
  max_dynos: Generated<number>;
  created_at: Stamp;
  updated_at: Stamp;
  last_login: NullableStamp;
}

export interface Authorizations {
  id: string;
  account_id: string;
  description: string;
  scope: Json<string[]>;
  /** SHA-256 of the token; the token itself is shown once. */
  token_digest: Buffer;
  /** First and last characters, for redacted listings. */
  token_prefix: string;
  token_suffix: string;
  client_id: string | null;
  expires_at: NullableStamp;
  created_at: Stamp;
  updated_at: Stamp;
}

export interface Keys {
  id: string;
  account_id: string;
  public_key: string;
  fingerprint: string;
  comment: string | null;
  created_at: Stamp;
  updated_at: Stamp;
}

export interface Apps {
  id: string;
  /** Small number, unique for ever: the app's Unix user id is derived from it. */
  number: Generated<number>;
  name: string;
  owner_id: string;
  region: string;
  stack: string;
  build_stack: string;
  maintenance: boolean;
  /** Whether certificates for its domains are ordered automatically. */
  acm: Generated<boolean>;
  buildpack_provided_description: string | null;
  repo_size: Big | null;
  slug_size: Big | null;
  /** Sealed JSON object of all config vars (name → value). */
  config: Buffer;
  released_at: NullableStamp;
  created_at: Stamp;
  updated_at: Stamp;
}

export interface Collaborators {
  id: string;
  app_id: string;
  account_id: string;
  role: string;
  created_at: Stamp;
  updated_at: Stamp;
}

export interface BuildpackInstallations {
  app_id: string;
  ordinal: number;
  url: string;
  name: string;
}

export interface Features {
  /** The app or account that has it. */
  owner_id: string;
  name: string;
  enabled: boolean;
  created_at: Stamp;
  updated_at: Stamp;
}

export interface Domains {
  id: string;
  app_id: string;
  hostname: string;
  kind: string;
  /** The certificate it is served with; null: the platform's own. */
  sni_endpoint_id: Generated<string | null>;
  /** Where its automatic certificate stands, in Heroku's words; null: nothing is known yet. */
  acm_status: Generated<string | null>;
  acm_status_reason: Generated<string | null>;
  created_at: Stamp;
  updated_at: Stamp;
}

export interface SniEndpoints {
  id: string;
  app_id: string;
  name: string;
  acm: boolean;
  /** PEM, in the order that a server sends. */
  certificate_chain: string;
  /** Sealed PEM. */
  private_key: Buffer;
  expires_at: Stamp;
  ca_signed: boolean;
  created_at: Stamp;
  updated_at: Stamp;
}

/** Our accounts at certificate authorities. */
export interface AcmeAccounts {
  directory_url: string;
  /** Sealed PEM. */
  private_key: Buffer;
  created_at: Stamp;
}

export interface Sources {
  id: string;
  account_id: string;
  app_id: string | null;
  created_at: Stamp;
}

export type BuildStatus = "pending" | "succeeded" | "failed";

export interface Builds {
  id: string;
  app_id: string;
  account_id: string;
  status: BuildStatus;
  stack: string;
  /** `git`: a folder prepared by the push; `url`: a tarball to fetch. */
  source_kind: string;
  /** Folder or URL. */
  source_location: string;
  source_checksum: string | null;
  /** Commit or other name of the source. */
  source_version: string | null;
  source_version_description: string | null;
  buildpacks: Json<{ url: string; name: string }[]>;
  slug_id: string | null;
  release_id: string | null;
  /** Unguessable part of the output stream's URL. */
  output_token: string;
  created_at: Stamp;
  updated_at: Stamp;
  finished_at: NullableStamp;
}

export interface Slugs {
  id: string;
  app_id: string;
  /** `SHA256:…` of the tree's manifest; also the name of its folder in the slug store. */
  checksum: string;
  tree: string;
  size: Big;
  stack: string;
  commit: string | null;
  commit_description: string | null;
  buildpack_provided_description: string | null;
  /** Process type → command. */
  process_types: Json<Record<string, string>>;
  created_at: Stamp;
  updated_at: Stamp;
}

export type ReleaseStatus = "pending" | "succeeded" | "failed" | "expired";

export interface Releases {
  id: string;
  app_id: string;
  version: number;
  account_id: string;
  description: string;
  status: ReleaseStatus;
  current: boolean;
  slug_id: string | null;
  /** Sealed JSON: the config vars of this release. */
  config: Buffer;
  /** Unguessable part of the release phase's output stream; null when the release has no release phase. */
  output_token: string | null;
  /** What its switch from the release before has cost; null: not over, not measured, or there was no web dyno. */
  switch: ColumnType<ReleaseSwitch | null, string | null | undefined, string>;
  created_at: Stamp;
  updated_at: Stamp;
}

export interface Formations {
  id: string;
  app_id: string;
  type: string;
  quantity: number;
  size: string;
  /** Whether a current slug declares the type; others keep their row for when it comes back. */
  command: string;
  created_at: Stamp;
  updated_at: Stamp;
}

export type DynoState = "created" | "starting" | "up" | "idle" | "stopping" | "down" | "crashed";

/** One row per dyno instance: a restart makes a new row; `down` rows are history. */
export interface Dynos {
  id: string;
  app_id: string;
  release_id: string;
  type: string;
  /** `web.1`, `run.1234`. */
  name: string;
  size: string;
  command: string;
  state: DynoState;
  /** `formation`: kept running; `one-off`: runs once; `release`: the release phase. */
  kind: string;
  /** One-off dynos: whether a client attaches, its environment, and the digest of the rendezvous secret. */
  attach: boolean;
  force_no_tty: boolean;
  env: Json<Record<string, string>>;
  attach_digest: Buffer | null;
  /** One-off dynos: seconds after which it ends; null: a day. */
  time_to_live: number | null;
  /** Asked to stop or to be replaced (ps:stop, ps:restart). */
  stop_requested: boolean;
  exit_code: number | null;
  /** Consecutive crashes of this slot before this instance, for the back-off. */
  crashes: number;
  /** A crashed slot is started again not before this time. */
  restart_at: NullableStamp;
  /** Where the router reaches it, once started. */
  address: string | null;
  port: number | null;
  created_at: Stamp;
  updated_at: Stamp;
}

export interface DynoSizes {
  id: string;
  /** As the API and the CLI show it: `Standard-1X`. */
  name: string;
  memory_bytes: Big;
  /** Shares of the processor, relative to one standard dyno. */
  compute: number;
  dedicated: boolean;
  disk_bytes: Big;
  max_processes: number;
  /** Most dynos of one process type. */
  max_quantity: number;
  /** Sizes of different tiers cannot serve one app together. */
  tier: "eco" | "basic" | "professional";
  /** Its web dynos sleep when nobody asks for them. */
  sleeps: boolean;
}

export interface Sleeps {
  id: string;
  app_id: string;
  began_at: Stamp;
  /** Null: the app sleeps. */
  ended_at: NullableStamp;
  /** Null: it has not been up since. */
  wake_milliseconds: number | null;
}

export interface LogDrains {
  id: string;
  /** Heroku's `drain_id`. */
  number: Generated<number>;
  app_id: string;
  /** `d.<uuid>`. */
  token: string;
  /** Sealed. */
  url: Buffer;
  created_at: Stamp;
  updated_at: Stamp;
}

export interface Figures {
  app_id: string;
  /** Seconds. */
  step: number;
  /** Beginning of the step. */
  at: Stamp;
  /** `web.1`; `router` for requests that no dyno has seen. */
  process: string;
  counters: Json<Record<string, number>>;
  latency: Json<Record<string, number>>;
  gauges: Json<Record<string, [number, number, number]>>;
}

export interface Tables {
  accounts: Accounts;
  authorizations: Authorizations;
  keys: Keys;
  apps: Apps;
  collaborators: Collaborators;
  buildpack_installations: BuildpackInstallations;
  features: Features;
  domains: Domains;
  sni_endpoints: SniEndpoints;
  acme_accounts: AcmeAccounts;
  sources: Sources;
  builds: Builds;
  slugs: Slugs;
  releases: Releases;
  formations: Formations;
  dynos: Dynos;
  sleeps: Sleeps;
  log_drains: LogDrains;
  figures: Figures;
  dyno_sizes: DynoSizes;
}
