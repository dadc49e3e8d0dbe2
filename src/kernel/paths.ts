import { join } from "node:path";

/** Where things lie under `ZARPA_HOME`; one place, so that no two rooms disagree. */
export interface Paths {
  home: string;
  /** Sockets and process ids, readable by their users only. */
  run: string;
  platformPid: string;
  /** Unix socket of the control plane's HTTP server, behind the router. */
  platformSocket: string;
  /** Unix socket on which the router tells the control plane which sleeping apps are asked for. */
  wakeSocket: string;
  /** Unix socket of the router's route feed, in a folder of its own that root alone may enter. */
  routerSocket: string;
  /** nginx's prefix: configuration, route snapshot, request log. */
  router: string;
  postgres: string;
  authority: string;
  vaultKey: string;
  stacks: string;
  repositories: string;
  builds: string;
  caches: string;
  slugs: string;
  dynos: string;
  logs: string;
  sources: string;
  /** Programs of ours that builds use (uv, …). */
  tools: string;
}

export function pathsUnder(home: string): Paths {
  return {
    home,
    run: join(home, "run"),
    platformPid: join(home, "run", "platform.pid"),
    platformSocket: join(home, "run", "platform.sock"),
    wakeSocket: join(home, "run", "wake.sock"),
    routerSocket: join(home, "run", "router", "feed.sock"),
    router: join(home, "router"),
    postgres: join(home, "postgres"),
    authority: join(home, "authority"),
    vaultKey: join(home, "vault.key"),
    stacks: join(home, "stacks"),
    repositories: join(home, "repositories"),
    builds: join(home, "builds"),
    caches: join(home, "caches"),
    slugs: join(home, "slugs"),
    dynos: join(home, "dynos"),
    logs: join(home, "logs"),
    sources: join(home, "sources"),
    tools: join(home, "tools"),
  };
}
