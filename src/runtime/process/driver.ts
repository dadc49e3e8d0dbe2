import { spawn } from "node:child_process";
import { mkdir, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { attachCommand } from "../attach.ts";
import { type DynoNote, startedDyno } from "../dyno-folders.ts";
import { watchExits } from "../exit-watch.ts";
import { connectionsTo, markProcess, sendSignal } from "../host-process.ts";
import { hasSwap, kernelLimits } from "../memory-limits.ts";
import { PortProbe } from "../port-probe.ts";
import type { AttachedDyno, Driver, DynoSpec, StartedDyno } from "../ports.ts";
import { type BuildSandbox, ONE_STREAM } from "../sandbox.ts";
import { copyHome } from "./home.ts";
import { DEFAULT_PATH, freePort, HELPER_ENV, Host, type ProcessOptions } from "./host.ts";
import { runInside } from "./inside.ts";
import { boundLogs } from "./log-size.ts";
import { createSandbox } from "./sandbox.ts";

/** Runs dynos as plain processes of the host: for machines without containers, and for trying things out. */
export interface ProcessDriver extends Driver {
  readonly sandbox: BuildSandbox;
  /** Stops everything at once; dynos have had their SIGTERM before. */
  stopAll(): Promise<void>;
}

const ADDRESS = "127.0.0.1";

export async function createProcessDriver(options: ProcessOptions): Promise<ProcessDriver> {
  const host = await Host.open(options);
  await takeOver(host);
  const probe = new PortProbe();
  const signalDyno = async (dynoId: string, signal: NodeJS.Signals): Promise<void> => {
    if (signal === "SIGKILL") return await host.kill(dynoId);
    for (const pid of await host.processes(dynoId)) sendSignal(pid, signal);
    // A frozen process takes its signal when it is thawed.
    await host.cgroups?.thaw(dynoId);
  };
  return {
    name: "process",
    warning: describeLack(host),
    logFormat: "plain",
    start: async (spec) => {
      try {
        return await startDyno(host, spec);
      } catch (error) {
        await host.destroy(spec.dynoId);
        throw error;
      }
    },
    signal: signalDyno,
    isListening: async (dyno, port) => await probe.isListening(dyno.pid, port, [ADDRESS]),
    connections: async (dyno, port) => await connectionsTo(dyno.pid, port),
    freeze: async (dynoId) => {
      if ((await host.cgroups?.freeze(dynoId)) !== true) return false;
      await host.cgroups?.reclaim(dynoId);
      return true;
    },
    thaw: async (dynoId) => await host.cgroups?.thaw(dynoId),
    isFrozen: async (dynoId) => (await host.cgroups?.isFrozen(dynoId)) ?? false,
    thawFiles: (dynoId) => host.cgroups?.thawFiles(dynoId) ?? [],
    list: async () => await host.folders.observe(),
    usage: async (dynoId) => await host.usage(dynoId),
    cpuMilliseconds: async (dynoId) => (await host.cgroups?.cpuMilliseconds(dynoId)) ?? null,
    setShare: async (dynoId, share) => await host.cgroups?.setShare(dynoId, share),
    strain: async ({ dynoId }) => await host.strain(dynoId),
    watch: (onExit) => {
      const endings = [watchExits(host.folders, options.clock, options.journal, onExit), boundLogs(host)];
      return () => {
        for (const end of endings) end();
      };
    },
    remove: async (dynoId) => await host.destroy(dynoId),
    attach: async (spec, terminal) => await attachDyno(host, spec, terminal, signalDyno),
    inside: async (dynoId, order, terminal) => await runInside(host, dynoId, order, terminal),
    sandbox: createSandbox(host),
    stopAll: async () => {
      await Promise.all((await host.folders.ids()).map(async (id) => await host.destroy(id)));
      await host.removeGroups();
    },
  };
}

function describeLack(host: Host): string {
  const users = host.isRoot ? "each app has its own user, but all" : "all apps share one user and";
  const memory = host.limitsMemory ? "" : "; memory and processes are not limited";
  return `dynos are plain processes, not containers: ${users} see the host's files, processes and network${memory}`;
}

/** What a former control plane left: its dynos stay; its builds and attached dynos, and containers of the other driver, end. */
async function takeOver(host: Host): Promise<void> {
  for (const id of await host.folders.ids()) {
    const note = await host.folders.read(id);
    if (note === null || note.kind !== "dyno" || note.first === null || note.index !== null) await host.destroy(id);
  }
}

async function startDyno(host: Host, spec: DynoSpec): Promise<StartedDyno> {
  const port = spec.port === null ? null : await freePort();
  const { note, argv } = await prepare(host, spec, "dyno", port, []);
  const group = await host.group(spec.dynoId, kernelLimits(spec.size, hasSwap()).limits);
  const [program = "", ...args] = host.superviseArgv(join(host.folders.exits, spec.dynoId), group, argv);
  await mkdir(dirname(spec.logPath), { recursive: true });
  const log = await open(spec.logPath, "a", 0o600);
  let first: string;
  let monitor: number;
  try {
    const child = spawn(program, args, { stdio: ["ignore", log.fd, log.fd, "pipe"], env: HELPER_ENV, detached: true });
    child.unref();
    monitor = child.pid ?? 0;
    first = await firstLine(child.stdio[3] as Readable, new Promise((_, reject) => child.once("error", reject)));
  } finally {
    await log.close();
  }
  // A program that has ended already leaves its exit file; its mark is then the waiter's.
  const running = {
    ...note,
    first: markProcess(Number(first)) ?? markProcess(monitor) ?? ended(monitor),
    monitor: markProcess(monitor),
  };
  await host.folders.write(running);
  const started = startedDyno(running);
  if (started === null) throw new Error(`${spec.name} could not be started`);
  return started;
}

/** The mark of a process that is gone: no living one matches it. */
function ended(pid: number): NonNullable<DynoNote["first"]> {
  return { pid, startTime: "", bootId: "" };
}

async function prepare(
  host: Host,
  spec: DynoSpec,
  kind: "dyno" | "attached",
  port: number | null,
  wrapper: string[],
): Promise<{ note: DynoNote; argv: string[] }> {
  const logPath = kind === "dyno" ? spec.logPath : null;
  const note: DynoNote = { dynoId: spec.dynoId, kind, address: ADDRESS, port, index: null, logPath, first: null, monitor: null };
  await mkdir(host.folders.path(spec.dynoId), { mode: 0o711 });
  await host.folders.write(note);
  const home = host.folders.path(spec.dynoId, "app");
  await copyHome(spec.slugRoot, home, host.userFor(spec.app.uid));
  const env = { PATH: DEFAULT_PATH, ...spec.env, ...(port === null ? {} : { PORT: String(port) }), HOME: home };
  const command = [...wrapper, "/bin/bash", "-c", host.launcher, "launch", spec.command];
  return { note, argv: await host.beginArgv(spec.dynoId, { env, cwd: home, uid: spec.app.uid, argv: command }) };
}

async function attachDyno(
  host: Host,
  spec: DynoSpec,
  terminal: { columns: number; rows: number } | null,
  signal: (dynoId: string, signal: NodeJS.Signals) => Promise<void>,
): Promise<AttachedDyno> {
  const { argv } = await prepare(host, spec, "attached", spec.port, terminal === null ? ONE_STREAM : []);
  const group = await host.group(spec.dynoId, kernelLimits(spec.size, hasSwap()).limits);
  const attachment = attachCommand(host.joinArgv(group, argv), { env: HELPER_ENV, cwd: "/", terminal });
  const exited = attachment.exited.finally(async () => {
    await host.destroy(spec.dynoId).catch((error: unknown) => host.options.journal.fault("process.attach", error));
  });
  return { ...attachment, exited, signal: async (name) => await signal(spec.dynoId, name) };
}

async function firstLine(stream: Readable, failure: Promise<never>): Promise<string> {
  const read = async (): Promise<string> => {
    let text = "";
    for await (const chunk of stream) text += String(chunk);
    return text.trim();
  };
  return await Promise.race([read(), failure]);
}
