import { readFile, rm, stat } from "node:fs/promises";
import { newId } from "../../kernel/ids.ts";
import { attachCommand } from "../attach.ts";
import { descendantsOf, sendSignal } from "../host-process.ts";
import type { AttachedDyno, InsideOrder } from "../ports.ts";
import { ONE_STREAM } from "../sandbox.ts";
import { HELPER_ENV, type Host } from "./host.ts";

/** The first words of a program that says who it is before it becomes another one. */
const TELL = 'echo "$$" > "$1" && shift && exec "$@"';

/** Runs a program beside the others of a dyno: same user, files, limits and environment. */
export async function runInside(
  host: Host,
  dynoId: string,
  order: InsideOrder,
  terminal: { columns: number; rows: number } | null,
): Promise<AttachedDyno> {
  const { env: own, uid } = await environmentOf(host, dynoId);
  const name = `inside-${newId()}`;
  const env = { ...own, ...order.env };
  const program = ["/bin/bash", "-c", host.launcher, "launch", order.command];
  const argv = [...(terminal === null ? ONE_STREAM : []), ...program];
  const begin = await host.beginArgv(dynoId, { env, cwd: own["HOME"] ?? "/", uid, argv }, name);
  const pidFile = host.folders.path(dynoId, `${name}.pid`);
  const command = host.joinArgv(await host.joinFiles(dynoId), ["/bin/sh", "-c", TELL, "inside", pidFile, ...begin]);
  const attachment = attachCommand(command, { env: HELPER_ENV, cwd: "/", terminal });
  const exited = attachment.exited.finally(async () => {
    await rm(pidFile, { force: true });
    await rm(host.folders.path(dynoId, name), { force: true });
  });
  return {
    ...attachment,
    exited,
    signal: async (signal) => {
      const pid = Number(await readFile(pidFile, "utf8").catch(() => "0"));
      if (pid > 0) for (const one of await descendantsOf(pid)) sendSignal(one, signal);
    },
  };
}

/** What the dyno was started with; its file belongs to the app's user. */
async function environmentOf(host: Host, dynoId: string): Promise<{ env: Record<string, string>; uid: number }> {
  const file = host.folders.path(dynoId, "environment");
  const [text, { uid }] = await Promise.all([readFile(file, "utf8"), stat(file)]);
  const pairs = text.split("\0").filter(Boolean);
  const env = Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]));
  return { env, uid };
}
