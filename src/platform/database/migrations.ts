import { type Kysely, type Migration, sql } from "kysely";

const FOUNDATION = `
create table accounts (
  id uuid primary key, email text not null unique, name text, password_hash text not null, is_admin boolean not null default false,
  created_at timestamptz not null, updated_at timestamptz not null, last_login timestamptz);

create table authorizations (
  id uuid primary key, account_id uuid not null references accounts on delete cascade, description text not null, scope jsonb not null,
  token_digest bytea not null unique, token_prefix text not null, token_suffix text not null, client_id text,
  expires_at timestamptz, created_at timestamptz not null, updated_at timestamptz not null);
create index on authorizations (account_id);

create table keys (
  id uuid primary key, account_id uuid not null references accounts on delete cascade, public_key text not null,
  fingerprint text not null, comment text, created_at timestamptz not null, updated_at timestamptz not null,
  unique (account_id, fingerprint));

create table apps (
  id uuid primary key, number integer generated always as identity unique, name text not null unique,
  owner_id uuid not null references accounts, region text not null, stack text not null, build_stack text not null,
  maintenance boolean not null default false, buildpack_provided_description text, repo_size bigint, slug_size bigint,
  config bytea not null, released_at timestamptz, created_at timestamptz not null, updated_at timestamptz not null);
create index on apps (owner_id);

create table collaborators (
  id uuid primary key, app_id uuid not null references apps on delete cascade,
  account_id uuid not null references accounts on delete cascade, role text not null,
  created_at timestamptz not null, updated_at timestamptz not null, unique (app_id, account_id));
create index on collaborators (account_id);

create table buildpack_installations (
  app_id uuid not null references apps on delete cascade, ordinal integer not null, url text not null, name text not null,
  primary key (app_id, ordinal));

create table features (
  owner_id uuid not null, name text not null, enabled boolean not null,
  created_at timestamptz not null, updated_at timestamptz not null, primary key (owner_id, name));

create table domains (
  id uuid primary key, app_id uuid not null references apps on delete cascade, hostname text not null unique, kind text not null,
  created_at timestamptz not null, updated_at timestamptz not null);
create index on domains (app_id);

create table sources (
  id uuid primary key, account_id uuid not null references accounts on delete cascade, app_id uuid, created_at timestamptz not null);

create table slugs (
  id uuid primary key, app_id uuid not null references apps on delete cascade, checksum text not null, tree text not null,
  size bigint not null, stack text not null, commit text, commit_description text, buildpack_provided_description text,
  process_types jsonb not null, created_at timestamptz not null, updated_at timestamptz not null);
create index on slugs (app_id);

create table releases (
  id uuid primary key, app_id uuid not null references apps on delete cascade, version integer not null,
  account_id uuid not null references accounts, description text not null, status text not null, current boolean not null,
  slug_id uuid references slugs, config bytea not null, output_token text,
  created_at timestamptz not null, updated_at timestamptz not null, unique (app_id, version));
create unique index one_current_release on releases (app_id) where current;

create table builds (
  id uuid primary key, app_id uuid not null references apps on delete cascade, account_id uuid not null references accounts,
  status text not null, stack text not null, source_kind text not null, source_location text not null, source_checksum text,
  source_version text, source_version_description text, buildpacks jsonb not null, slug_id uuid references slugs on delete set null,
  release_id uuid references releases on delete set null, output_token text not null,
  created_at timestamptz not null, updated_at timestamptz not null, finished_at timestamptz);
create index on builds (app_id, created_at);

create table formations (
  id uuid primary key, app_id uuid not null references apps on delete cascade, type text not null, quantity integer not null,
  size text not null, command text not null, created_at timestamptz not null, updated_at timestamptz not null, unique (app_id, type));

create table dynos (
  id uuid primary key, app_id uuid not null references apps on delete cascade, release_id uuid not null references releases on delete cascade,
  type text not null, name text not null, size text not null, command text not null, state text not null, kind text not null,
  attach boolean not null default false, force_no_tty boolean not null default false, env jsonb not null default '{}',
  attach_digest bytea, stop_requested boolean not null default false, exit_code integer, crashes integer not null default 0,
  restart_at timestamptz, address text, port integer, created_at timestamptz not null, updated_at timestamptz not null);
create index on dynos (app_id) where state <> 'down';
`;

/** When apps slept, and how long it took to wake them: from the request to the web dyno that could answer it. */
const SLEEPS = `
create table sleeps (
  id uuid primary key, app_id uuid not null references apps on delete cascade, began_at timestamptz not null, ended_at timestamptz,
  wake_milliseconds integer);
create unique index one_sleep_at_a_time on sleeps (app_id) where ended_at is null;
create index on sleeps (app_id, began_at);
`;

/** One-off dynos may be ordered to end before their day is over; seconds. */
const TIME_TO_LIVE = "alter table dynos add column time_to_live integer";

/** The URL is sealed: it often holds the receiver's credentials. */
const LOG_DRAINS = `
create table log_drains (
  id uuid primary key, number integer generated always as identity unique, app_id uuid not null references apps on delete cascade,
  token text not null unique, url bytea not null, created_at timestamptz not null, updated_at timestamptz not null);
create index on log_drains (app_id);
`;

/** What a release's switch from the one before has cost. */
const RELEASE_SWITCH = "alter table releases add column switch jsonb";

/** Requests, codes, response times and measured values, by minute, ten minutes and hour: rows are written again and again while they are young. */
const FIGURES = `
create table figures (
  app_id uuid not null references apps on delete cascade, step integer not null, at timestamptz not null, process text not null,
  counters jsonb not null, latency jsonb not null, gauges jsonb not null, primary key (app_id, step, at, process))
  with (fillfactor = 70);
create index on figures (step, at);
`;

/** Certificates of custom domains; those with `acm` are ordered by the platform itself, with the account of an authority. */
const CERTIFICATES = `
create table sni_endpoints (
  id uuid primary key, app_id uuid not null references apps on delete cascade, name text not null unique, acm boolean not null,
  certificate_chain text not null, private_key bytea not null, expires_at timestamptz not null, ca_signed boolean not null,
  created_at timestamptz not null, updated_at timestamptz not null);
create index on sni_endpoints (app_id);
alter table domains add column sni_endpoint_id uuid references sni_endpoints on delete set null, add column acm_status text,
  add column acm_status_reason text;
create index on domains (sni_endpoint_id);
alter table apps add column acm boolean not null default false;
create table acme_accounts (directory_url text primary key, private_key bytea not null, created_at timestamptz not null);
`;

/** Heroku's sizes; shares of the processor, dynos of a process type and the disk are ours to choose. And what each account may use. */
const DYNO_SIZES = `
create table dyno_sizes (
  id uuid primary key, name text not null unique, memory_bytes bigint not null, compute integer not null, dedicated boolean not null,
  disk_bytes bigint not null, max_processes integer not null, max_quantity integer not null, tier text not null, sleeps boolean not null);
insert into dyno_sizes (id, name, memory_bytes, compute, dedicated, disk_bytes, max_processes, max_quantity, tier, sleeps) values
  ('ec0a5d51-0000-4000-8000-000000000001', 'Eco', 536870912, 1, false, 4294967296, 256, 1, 'eco', true),
  ('ec0a5d51-0000-4000-8000-000000000002', 'Basic', 536870912, 1, false, 4294967296, 256, 1, 'basic', false),
  ('ec0a5d51-0000-4000-8000-000000000003', 'Standard-1X', 536870912, 1, false, 4294967296, 256, 100, 'professional', false),
  ('ec0a5d51-0000-4000-8000-000000000004', 'Standard-2X', 1073741824, 2, false, 8589934592, 512, 100, 'professional', false),
  ('ec0a5d51-0000-4000-8000-000000000005', 'Performance-M', 2684354560, 12, true, 21474836480, 16384, 10, 'professional', false),
  ('ec0a5d51-0000-4000-8000-000000000006', 'Performance-L', 15032385536, 50, true, 21474836480, 32768, 10, 'professional', false);
alter table accounts add column eco_hours integer not null default 1000, add column max_dynos integer not null default 200;
`;

/** Every schema change ever, in order; a landed one is never edited. */
export const migrations: Record<string, Migration> = {
  "0001_foundation": {
    up: async (db: Kysely<unknown>) => {
      await sql.raw(FOUNDATION).execute(db);
    },
  },
  "0002_sleep": {
    up: async (db: Kysely<unknown>) => {
      await sql.raw(SLEEPS).execute(db);
    },
  },
  "0003_time_to_live": {
    up: async (db: Kysely<unknown>) => {
      await sql.raw(TIME_TO_LIVE).execute(db);
    },
  },
  "0004_log_drains": {
    up: async (db: Kysely<unknown>) => {
      await sql.raw(LOG_DRAINS).execute(db);
    },
  },
  "0005_release_switch": {
    up: async (db: Kysely<unknown>) => {
      await sql.raw(RELEASE_SWITCH).execute(db);
    },
  },
  "0006_figures": {
    up: async (db: Kysely<unknown>) => {
      await sql.raw(FIGURES).execute(db);
    },
  },
  "0007_certificates": {
    up: async (db: Kysely<unknown>) => {
      await sql.raw(CERTIFICATES).execute(db);
    },
  },
  "0008_dyno_sizes": {
    up: async (db: Kysely<unknown>) => {
      await sql.raw(DYNO_SIZES).execute(db);
    },
  },
};
