import { existsSync } from "node:fs";
import { findInstance } from "../../src/cli/instance.ts";
import type { Messages } from "../../src/cli/messages.ts";
import type { Clock } from "../../src/kernel/clock.ts";
import { stopCluster } from "../../src/kernel/cluster.ts";
import type { Journal } from "../../src/kernel/journal.ts";
import type { Paths } from "../../src/kernel/paths.ts";
import { NginxProcess } from "../../src/router/nginx-process.ts";
import { createOciDriver } from "../../src/runtime/oci/driver.ts";
import type { Driver } from "../../src/runtime/ports.ts";
import { createProcessDriver } from "../../src/runtime/process/driver.ts";

export interface DataPlane {
  paths: Paths;
  messages: Messages;
  journal: Journal;
  clock: Clock;
  /** Told of each part that ran and has been stopped. */
  onStopped: (what: string) => void;
}

/** Heroku's time between SIGTERM and SIGKILL: https://devcenter.heroku.com/articles/dynos#graceful-shutdown-with-sigterm */
const GRACE_SECONDS = 30;
const POLL_MS = 100;

/** Ends what outlives the control plane, in the order in which it is used: router, dynos, database. */
export async function stopDataPlane(plane: DataPlane): Promise<void> {
  const { paths, messages, clock, onStopped } = plane;
  const router = new NginxProcess({ binary: "nginx", folder: paths.router, clock });
  const routed = router.masterPid() !== null;
  await router.stop();
  if (routed) onStopped(messages.parts.router);
  const dynos = await stopDynos(plane);
  if (dynos > 0) onStopped(messages.parts.dynos(dynos));
  if (!existsSync(paths.postgres)) return;
  if (await stopCluster(paths.postgres)) onStopped(messages.parts.database);
}

type StoppableDriver = Driver & { stopAll(): Promise<void> };

async function stopDynos(plane: DataPlane): Promise<number> {
  if (!existsSync(plane.paths.dynos)) return 0;
  const driver = await lastDriver(plane);
  if (driver === null) return 0;
  const running = (await driver.list()).filter((dyno) => dyno.running);
  await Promise.all(running.map(async (dyno) => await driver.signal(dyno.dynoId, "SIGTERM")));
  for (let waited = 0; waited < GRACE_SECONDS * 1000; waited += POLL_MS) {
    if (!(await driver.list()).some((dyno) => dyno.running)) break;
    await plane.clock.sleep(POLL_MS);
  }
  await driver.stopAll();
  return running.length;
}

/** The driver that the last start chose; its dynos are the ones that may run. */
async function lastDriver({ paths, journal, clock }: DataPlane): Promise<StoppableDriver | null> {
  const options = { dynosFolder: paths.dynos, journal, clock };
  const instance = findInstance([paths.home]);
  if (instance === null) return null;
  if (instance.driver === "process") return await createProcessDriver(options);
  return await createOciDriver({ ...options, caBundle: null, stackRoot: () => "/" });
}
