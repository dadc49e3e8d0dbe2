import { join } from "node:path";
import type { ClusterOptions } from "../../src/kernel/cluster.ts";
import type { Paths } from "../../src/kernel/paths.ts";

/** The private PostgreSQL cluster of an installation. */
export function privateCluster(paths: Paths): ClusterOptions {
  return { data: paths.postgres, socketFolder: join(paths.run, "postgres"), database: "zarpa" };
}
