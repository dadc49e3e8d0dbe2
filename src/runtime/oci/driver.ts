import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { attachCommand } from "../attach.ts";
import { startedDyno } from "../dyno-folders.ts";
import { watchExits } from "../exit-watch.ts";
import { connectionsTo, sendSignal } from "../host-process.ts";
import { hasSwap, kernelLimits } from "../memory-limits.ts";
import { PortProbe } from "../port-probe.ts";
import type { AttachedDyno, Driver, DynoSpec } from "../ports.ts";
import { type BuildSandbox, ONE_STREAM } from "../sandbox.ts";
import { type ContainerPlan, destroyContainer, initPid, layerUse, prepareContainer, startMonitored } from "./container.ts";
import { closeMachine, enterArgv, HELPER_ENV, type Machine, type OciOptions, openMachine } from "./machine.ts";
import { runInside } from "./inside.ts";
import { createSandbox } from "./sandbox.ts";

/** Runs dynos and builds as OCI containers: own user, processes, files and network, limited memory, CPU and number of processes. */
export interface OciDriver extends Driver {
  /** `Sandbox` of the builder. */
  readonly sandbox: BuildSandbox;
  /** Where the dynos are: `10.64.0.0/16`. */
  readonly subnet: string;
  /** Stops everything at once (dynos have had their SIGTERM before) and removes network, packet rules and control groups. */
  stopAll(): Promise<void>;
}

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Throws an Error with one line that says what is missing when this host cannot run containers. */
export async function createOciDriver(options: OciOptions): Promise<OciDriver> {
  const machine = await openMachine(options);
  await takeOver(machine);
  const probe = new PortProbe();
  const signalDyno = async (dynoId: string, signal: NodeJS.Signals): Promise<void> => {
    if (signal === "SIGKILL") return await machine.cgroups.kill(dynoId);
    const init = await initPid(machine, dynoId);
    for (const pid of await machine.cgroups.processes(dynoId)) if (pid !== init) sendSignal(pid, signal);
    // A frozen process takes its signal when it is thawed.
    await machine.cgroups.thaw(dynoId);
  };
  return {
    name: "oci",
    warning: null,
    logFormat: "k8s",
    start: async (spec) => {
      await mkdir(dirname(spec.logPath), { recursive: true });
      const prepared = await prepareContainer(machine, planDyno(machine, spec, "dyno", null));
      try {
        const started = startedDyno(await startMonitored(machine, prepared, spec.logPath));
        if (started === null) throw new Error(`${spec.name} ended while it was being created`);
        return started;
      } catch (error) {
        await destroyContainer(machine, spec.dynoId);
        throw error;
      }
    },
    signal: signalDyno,
    isListening: async (dyno, port) => await probe.isListening(dyno.pid, port, [dyno.address]),
    connections: async (dyno, port) => await connectionsTo(dyno.pid, port),
    freeze: async (dynoId) => {
      if (!(await machine.cgroups.freeze(dynoId))) return false;
      await machine.cgroups.reclaim(dynoId);
      return true;
    },
    thaw: async (dynoId) => await machine.cgroups.thaw(dynoId),
    isFrozen: async (dynoId) => await machine.cgroups.isFrozen(dynoId),
    thawFiles: (dynoId) => machine.cgroups.thawFiles(dynoId),
    list: async () => await machine.folders.observe(),
    usage: async (dynoId) => await machine.cgroups.usage(dynoId),
    cpuMilliseconds: async (dynoId) => await machine.cgroups.cpuMilliseconds(dynoId),
    setShare: async (dynoId, share) => await machine.cgroups.setShare(dynoId, share),
    strain: async ({ dynoId, pid }) => ({
      ...(await machine.cgroups.processLimit(dynoId)),
      disk: await layerUse(machine, dynoId, pid),
    }),
    watch: (onExit) => watchExits(machine.folders, options.clock, options.journal, onExit),
    remove: async (dynoId) => await destroyContainer(machine, dynoId),
    attach: async (spec, terminal) => await attachDyno(machine, spec, terminal, signalDyno),
    inside: async (dynoId, order, terminal) => await runInside(machine, dynoId, order, terminal),
    sandbox: createSandbox(machine),
    subnet: machine.network.subnet,
    stopAll: async () => {
      machine.closing.abort();
      await Promise.all(machine.clearing);
      await Promise.all((await machine.folders.ids()).map(async (id) => await destroyContainer(machine, id)));
      await closeMachine(machine);
    },
  };
}

/** What a former control plane left: its dynos stay, with their addresses; its builds and attached dynos end with it. */
async function takeOver(machine: Machine): Promise<void> {
  for (const id of await machine.folders.ids()) {
    const note = await machine.folders.read(id);
    const index = note?.index ?? null;
    if (index !== null) machine.network.reserve(index);
    if (note === null || note.kind !== "dyno" || note.first === null) await destroyContainer(machine, id);
  }
}

function planDyno(
  machine: Machine,
  spec: DynoSpec,
  kind: "dyno" | "attached",
  terminal: ContainerPlan["terminal"],
): ContainerPlan {
  const oneStream = kind === "attached" && terminal === null ? ONE_STREAM : [];
  return {
    id: spec.dynoId,
    kind,
    argv: ["/usr/bin/tini", "--", ...oneStream, "/bin/bash", "-c", machine.launcher, "launch", spec.command],
    env: { PATH: DEFAULT_PATH, ...spec.env, ...(spec.port === null ? {} : { PORT: String(spec.port) }), HOME: "/app" },
    cwd: "/app",
    uid: spec.app.uid,
    stack: spec.stack,
    slugRoot: spec.slugRoot,
    binds: [],
    ...kernelLimits(spec.size, hasSwap()),
    port: spec.port,
    terminal,
  };
}

async function attachDyno(
  machine: Machine,
  spec: DynoSpec,
  terminal: ContainerPlan["terminal"],
  signal: (dynoId: string, signal: NodeJS.Signals) => Promise<void>,
): Promise<AttachedDyno> {
  const prepared = await prepareContainer(machine, planDyno(machine, spec, "attached", terminal));
  const run = [...machine.runtime, "run", "--bundle", prepared.bundle, "--pid-file", prepared.pidFile, spec.dynoId];
  const argv = enterArgv(machine, prepared, run);
  const attachment = attachCommand(argv, { env: HELPER_ENV, cwd: "/", terminal, relays: true });
  const ended = attachment.exited.finally(async () => {
    await destroyContainer(machine, spec.dynoId).catch((error: unknown) => machine.options.journal.fault("oci.attach", error));
  });
  return { ...attachment, exited: ended, signal: async (name) => await signal(spec.dynoId, name) };
}
