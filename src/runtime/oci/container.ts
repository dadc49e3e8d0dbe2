import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, open, readFile, rm, statfs, writeFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import { CommandError, runCommand } from "../../kernel/command.ts";
import { awaitEnd, markProcess } from "../host-process.ts";
import type { DynoNote } from "../dyno-folders.ts";
import type { Lease } from "../network/network.ts";
import type { DiskUse, DynoLimits } from "../ports.ts";
import { beginContainer } from "./begin.ts";
import { describeContainer } from "./describe.ts";
import { CA_BUNDLE_INSIDE, enterArgv, HELPER_ENV, type Machine } from "./machine.ts";
import type { LayerImage } from "./layers.ts";
import { mountPointKind, writeRoot } from "./root.ts";

export interface ContainerPlan {
  id: string;
  kind: DynoNote["kind"];
  argv: string[];
  env: Record<string, string>;
  cwd: string;
  uid: number;
  stack: string;
  slugRoot: string | null;
  binds: { host: string; inside: string; writable: boolean }[];
  limits: DynoLimits;
  memoryAndSwapBytes: number;
  port: number | null;
  terminal: { columns: number; rows: number } | null;
}

/** A container whose folder, layer and description are written, and which does not run yet. */
export interface PreparedContainer {
  id: string;
  lease: Lease;
  note: DynoNote;
  overlayOptions: string;
  layer: LayerImage | null;
  bundle: string;
  pidFile: string;
}

/** A container's creation includes a handful of short programs; this long means that something hangs. */
const CREATE_TIMEOUT_MILLISECONDS = 30_000;
const LAYER_IMAGE = "layer.img";
/** A dyno's unread output file is begun anew at this size: a flood fills no disk. */
const MAX_LOG_BYTES = 64 * 1024 * 1024;

/** Of one processor. Ordinary output takes a thousandth. */
const MONITOR_PROCESSOR_PART = 0.25;

/** Writes everything a container needs below `<dynos>/live/<id>`. */
export async function prepareContainer(machine: Machine, plan: ContainerPlan): Promise<PreparedContainer> {
  const { folders, network, cgroups } = machine;
  const bundle = folders.path(plan.id);
  const lease = network.take();
  try {
    await mkdir(bundle, { mode: 0o711 });
    const note: DynoNote = {
      dynoId: plan.id,
      kind: plan.kind,
      address: lease.address,
      port: plan.port,
      index: lease.index,
      logPath: null,
      first: null,
      monitor: null,
    };
    await folders.write(note);
    const { caBundle } = machine.options;
    const certificates = caBundle === null ? [] : [{ host: caBundle, inside: CA_BUNDLE_INSIDE, writable: false }];
    const asked = plan.binds.some(({ inside }) => inside === CA_BUNDLE_INSIDE);
    const binds = asked ? plan.binds : [...plan.binds, ...certificates];
    const stack = machine.options.stackRoot(plan.stack);
    const { diskBytes } = plan.limits;
    const template = machine.layers === null || diskBytes === undefined ? null : await machine.layers.template(diskBytes);
    const layer = template === null ? null : { template, image: folders.path(plan.id, LAYER_IMAGE) };
    const overlayOptions = await writeRoot({
      folder: bundle,
      layer: layer === null ? null : machine.layerPath,
      layers: plan.slugRoot === null ? [stack] : [plan.slugRoot, stack],
      uid: plan.uid,
      hostname: plan.id,
      address: lease.address,
      resolvConf: await network.resolvConf(),
      mountPoints: await Promise.all(binds.map(async ({ host, inside }) => ({ inside, kind: await mountPointKind(host) }))),
    });
    const config = describeContainer({
      argv: plan.argv,
      env: plan.env,
      cwd: plan.cwd,
      uid: plan.uid,
      hostname: plan.id,
      rootPath: machine.rootPath,
      binds,
      limits: plan.limits,
      memoryAndSwapBytes: cgroups.limitsSwap ? plan.memoryAndSwapBytes : null,
      cgroupPath: cgroups.path(plan.id),
      cgroupVersion: cgroups.version,
      terminal: plan.terminal,
      hook: network.hook(lease),
      userNamespace: machine.userNamespace,
      processor: process.arch,
    });
    await writeFile(`${bundle}/config.json`, JSON.stringify(config), { mode: 0o600 });
    return { id: plan.id, lease, note, overlayOptions, layer, bundle, pidFile: `${bundle}/init.pid` };
  } catch (error) {
    network.release(lease.index);
    await folders.remove(plan.id);
    throw error;
  }
}

/** Creates the container under conmon, writes down who it is, and lets its program begin. */
export async function startMonitored(machine: Machine, prepared: PreparedContainer, logPath: string): Promise<DynoNote> {
  const { id, bundle, pidFile } = prepared;
  const monitorPidFile = `${bundle}/conmon.pid`;
  const conmon = [machine.conmon, "--api-version", "1", "--cid", id, "--cuuid", id, "--name", id];
  conmon.push("--runtime", machine.runtimePath, "--runtime-arg", "--root", "--runtime-arg", machine.runtimeState);
  conmon.push("--bundle", bundle, "--container-pidfile", pidFile, "--conmon-pidfile", monitorPidFile);
  conmon.push("--log-path", `k8s-file:${logPath}`, "--log-size-max", String(MAX_LOG_BYTES), "--no-sync-log");
  conmon.push("--exit-dir", machine.folders.exits, "--socket-dir-path", `${machine.options.dynosFolder}/sockets`);
  const pid = await createByConmon(machine, enterArgv(machine, prepared, conmon), bundle);
  const monitorPid = Number(await readFile(monitorPidFile, "utf8"));
  const note = { ...prepared.note, first: markProcess(pid), monitor: markProcess(monitorPid) };
  await machine.folders.write(note);
  await beginContainer(machine, id, pid);
  // The kernel takes its time to move a process, and nobody waits for it.
  holdMonitor(machine, id, monitorPid).catch((error: unknown) => machine.options.journal.fault("oci.monitor", error, { id }));
  return note;
}

/**
 * A dyno's output passes through its monitor, which works on the platform's account. It gets a small part of a processor, enough for
 * tens of megabytes a second: a dyno that writes faster fills its pipe and waits, and slows nobody but itself, whether the control plane
 * lives or not.
 */
async function holdMonitor({ cgroups }: Machine, id: string, pid: number): Promise<void> {
  const group = monitorGroup(id);
  try {
    await cgroups.create(group);
    await cgroups.limitProcessor(group, MONITOR_PROCESSOR_PART);
    await cgroups.join(group, pid);
  } catch (error) {
    if (markProcess(pid) !== null) throw error;
  } finally {
    // The dyno has ended meanwhile, and with it its monitor: nobody else removes the group.
    if (markProcess(pid) === null) await cgroups.remove(group);
  }
}

/** Control group of a dyno's monitor: it leaves the one that the control plane was started in, and may end with. */
function monitorGroup(id: string): string {
  return `${id}-monitor`;
}

/** conmon detaches before the container exists; it tells the first process's id, or what went wrong, on the sync pipe. */
async function createByConmon(machine: Machine, argv: string[], bundle: string): Promise<number> {
  const [program = "", ...args] = argv;
  const errorFile = `${bundle}/conmon.log`;
  const errors = await open(errorFile, "w", 0o600);
  let answer: string;
  try {
    const child = spawn(program, args, {
      // conmon writes a file `oom` where it stands when the kernel ends a process for its memory.
      cwd: bundle,
      stdio: ["ignore", "ignore", errors.fd, "pipe"],
      env: { ...HELPER_ENV, _OCI_SYNCPIPE: "3" },
      detached: true,
    });
    child.unref();
    answer = await firstLine(machine, child.stdio[3] as Readable, new Promise((_, reject) => child.once("error", reject)));
  } finally {
    await errors.close();
  }
  const { data, message } =
    answer === "" ? { data: -1, message: "" } : (JSON.parse(answer) as { data: number; message?: string });
  if (data > 0) return data;
  const said = (await readFile(errorFile, "utf8")).trim();
  throw new Error(`the container could not be created: ${[message, said].filter(Boolean).join("; ")}`);
}

async function firstLine(machine: Machine, stream: Readable, failure: Promise<never>): Promise<string> {
  const read = async (): Promise<string> => {
    let text = "";
    for await (const chunk of stream) {
      text += String(chunk);
      if (text.includes("\n")) break;
    }
    return text.split("\n")[0] ?? "";
  };
  const settled = new AbortController();
  const tooLong = machine.options.clock.sleep(CREATE_TIMEOUT_MILLISECONDS, settled.signal).then(
    () => {
      throw new Error(`the container was not created within ${CREATE_TIMEOUT_MILLISECONDS / 1000} s`);
    },
    // Aborted: the answer came first, and nobody waits here any more.
    () => "",
  );
  try {
    return await Promise.race([read(), failure, tooLong]);
  } finally {
    settled.abort();
    stream.destroy();
  }
}

/** The id of the container's init on the host, 0 when it is not known. */
export async function initPid(machine: Machine, id: string): Promise<number> {
  return Number(await readFile(machine.folders.path(id, "init.pid"), "utf8").catch(() => "0"));
}

/** How full the container's own file system is; null when it has none, or is gone. `pid`: its init. */
export async function layerUse(machine: Machine, id: string, pid: number): Promise<DiskUse | null> {
  if (machine.layers === null || !existsSync(machine.folders.path(id, LAYER_IMAGE))) return null;
  // It is mounted in the container only.
  const found = await statfs(`/proc/${pid}/root`).catch(() => null);
  if (found === null) return null;
  const { bsize, blocks, bavail, files, ffree } = found;
  return { bytes: blocks * bsize, freeBytes: bavail * bsize, files, freeFiles: ffree };
}

/** Ends what still runs of a container, and removes everything of it: processes, runtime state, control group, folder, address. */
export async function destroyContainer(machine: Machine, id: string): Promise<void> {
  const { folders, cgroups, network } = machine;
  const note = await folders.read(id);
  await cgroups.kill(id);
  const deleted = await runCommand([...machine.runtime, "delete", "--force", id], { env: HELPER_ENV });
  if (deleted.exitCode !== 0 && !/does not exist/.test(deleted.stderr)) {
    machine.options.journal.fault("oci.delete", new CommandError([...machine.runtime, "delete", id], deleted));
    await rm(`${machine.runtimeState}/${id}`, { recursive: true, force: true });
  }
  // The monitor writes the exit file last: removing that before would leave one behind.
  if (note?.monitor) await awaitEnd(note.monitor, machine.options.clock);
  await cgroups.remove(id);
  await cgroups.remove(monitorGroup(id));
  await rm(`${machine.options.dynosFolder}/sockets/${id}`, { recursive: true, force: true });
  await folders.remove(id);
  const index = note?.index ?? null;
  if (index !== null) network.release(index);
}
