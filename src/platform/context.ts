import type { Kysely } from "kysely";
import type { Clock } from "../kernel/clock.ts";
import type { Vault } from "../kernel/secret.ts";
import type { Tables } from "./database/tables.ts";
import type { DynoSizes } from "./dyno-size.ts";

/** How the world sees this installation; built once from the settings. */
export interface Addresses {
  /** `http://localhost:8080`, no trailing slash: API, console, streams. */
  origin: string;
  /** `https://localhost:8443/`: what `APP.git` is appended to. */
  gitOrigin: string;
  /** `rendezvous://localhost:8444`. */
  rendezvousOrigin: string;
  /** The domain that apps are under. */
  domain: string;
  /** Port of plain HTTP, for the apps' web URLs. */
  port: number;
}

/** What the platform asks of the other rooms; wired in `bin/`. All of them return at once and never throw. */
export interface PlatformEvents {
  /** A line for the app's log, source `app` process `api` (`Release v3 created by user …`) or another. */
  log(line: { app_id: string; source: "app" | "heroku"; process: string; message: string }): void;
  /** The app's desired formation, one-off dynos or dyno wishes changed: reconcile it soon. */
  appChanged(appId: string): void;
  /** The app's hosts or maintenance mode changed: publish its routes. */
  routesChanged(appId: string): void;
  /** Certificates of custom domains changed: give the router all of them anew. */
  certificatesChanged(): void;
  /** Somebody ended a build that waits or runs: the builder is to stop it. */
  buildCancelled(buildId: string): void;
  /** A log drain was added or removed. */
  drainsChanged(appId: string): void;
  /** The app is gone: stop its dynos, then remove repository, caches, logs, routes, slugs and the output of builds and releases. */
  appDestroyed(app: DestroyedApp): void;
}

/** What an app that is gone has left outside of the database. */
export interface DestroyedApp {
  id: string;
  name: string;
  /** Names of its slugs in the store; no other app has them. */
  trees: string[];
  builds: string[];
  releases: string[];
}

/** What every function of `platform/` is given. */
export interface Platform {
  db: Kysely<Tables>;
  clock: Clock;
  vault: Vault;
  sizes: DynoSizes;
  addresses: Addresses;
  events: PlatformEvents;
}
