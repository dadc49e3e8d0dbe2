import { readFile, rm } from "node:fs/promises";
import { attachCommand } from "../attach.ts";
import { newId } from "../../kernel/ids.ts";
import { descendantsOf, sendSignal } from "../host-process.ts";
import type { AttachedDyno, InsideOrder } from "../ports.ts";
import { ONE_STREAM } from "../sandbox.ts";
import { HELPER_ENV, type Machine } from "./machine.ts";

/** Runs a program beside the others in a container: same user, files, network, limits and environment. */
export async function runInside(
  machine: Machine,
  dynoId: string,
  order: InsideOrder,
  terminal: { columns: number; rows: number } | null,
): Promise<AttachedDyno> {
  const pidFile = machine.folders.path(dynoId, `inside-${newId()}.pid`);
  const variables = Object.entries(order.env).flatMap(([name, value]) => ["--env", `${name}=${value}`]);
  const exec = [...machine.runtime, "exec", ...(terminal === null ? [] : ["--tty"]), "--pid-file", pidFile, ...variables, dynoId];
  const program = ["/bin/bash", "-c", machine.launcher, "launch", order.command];
  const argv = [...exec, ...(terminal === null ? ONE_STREAM : []), ...program];
  const attachment = attachCommand(argv, { env: HELPER_ENV, cwd: "/", terminal, relays: true });
  const exited = attachment.exited.finally(async () => await rm(pidFile, { force: true }));
  return {
    ...attachment,
    exited,
    // What it has started in the background and let go is the dyno's own from then on.
    signal: async (name) => {
      const pid = Number(await readFile(pidFile, "utf8").catch(() => "0"));
      if (pid > 0) for (const one of await descendantsOf(pid)) sendSignal(one, name);
    },
  };
}
