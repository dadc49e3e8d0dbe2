import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../kernel/clock.ts";
import { mustRun, runCommand } from "../../kernel/command.ts";
import type { Journal } from "../../kernel/journal.ts";
import { Cgroups } from "../cgroup.ts";
import { DynoFolders } from "../dyno-folders.ts";
import { type DynoNetwork, openNetwork } from "../network/network.ts";
import { type LayerImage, Layers } from "./layers.ts";
import { checkLayerPath } from "./root.ts";
import { installationTag } from "../network/subnet.ts";

export interface OciOptions {
  /** `<home>/dynos`: everything of the dynos lies under it. */
  dynosFolder: string;
  /** Root file system of a stack by its name. */
  stackRoot: (name: string) => string;
  /** The host's certificates, shown inside instead of the stack's own; null: the stack's. */
  caBundle: string | null;
  journal: Journal;
  clock: Clock;
  /** `runc` by default; `runsc` fits. */
  runtimeBinary?: string;
}

/** What all containers of one installation share. */
export interface Machine {
  options: OciOptions;
  folders: DynoFolders;
  cgroups: Cgroups;
  network: DynoNetwork;
  /** The OCI runtime and its global options. */
  runtime: string[];
  runtimePath: string;
  runtimeState: string;
  conmon: string;
  /** Where each container mounts its root, in a mount namespace of its own. */
  rootPath: string;
  /** Where it mounts its private layer there; null: this machine mounts no disk images. */
  layerPath: string;
  layers: Layers | null;
  userNamespace: boolean;
  /** Text of launch.sh. */
  launcher: string;
  /** What is being taken away of containers that have ended. */
  clearing: Set<Promise<void>>;
  /** Aborted when everything is to end: nothing waits any more. */
  closing: AbortController;
}

const ENTER = fileURLToPath(new URL("enter.sh", import.meta.url));
const SEARCH_PATH = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
const NEEDED_PROGRAMS = ["conmon", "ip", "nft", "nsenter", "unshare", "mount"];

/** A control group without limits: that it can be made tells that this host has control groups. */
const MONITORS = "monitors";

/** The environment of the helpers around a container: nothing of the control plane's. */
export const HELPER_ENV = { PATH: SEARCH_PATH.join(delimiter) };

export const CA_BUNDLE_INSIDE = "/etc/ssl/certs/ca-certificates.crt";

/**
 * Makes the host ready for containers. Throws an Error that says in one line what is missing (root, a program, overlay mounts): then the
 * process driver is the way.
 */
export async function openMachine(options: OciOptions): Promise<Machine> {
  if (process.getuid?.() !== 0) throw new Error("containers need root");
  const runtimePath = findProgram(options.runtimeBinary ?? "runc");
  for (const program of NEEDED_PROGRAMS) findProgram(program);
  checkLayerPath(options.dynosFolder);
  const tag = installationTag(options.dynosFolder);
  await mkdir(options.dynosFolder, { recursive: true, mode: 0o711 });
  const folders = new DynoFolders(options.dynosFolder);
  await folders.prepare();
  await tryOverlay(options.dynosFolder);
  const runtimeState = join(options.dynosFolder, "runtime");
  const sockets = join(options.dynosFolder, "sockets");
  const rootPath = `/run/zarpa-${tag}/root`;
  for (const folder of [runtimeState, sockets]) await mkdir(folder, { recursive: true, mode: 0o700 });
  // Not under the home: the user namespace's root must be able to walk there.
  await mkdir(rootPath, { recursive: true, mode: 0o755 });
  const layerPath = `/run/zarpa-${tag}/layer`;
  await mkdir(layerPath, { recursive: true, mode: 0o755 });
  const cgroups = new Cgroups(`zarpa-${tag}`, options.clock);
  await cgroups.create(MONITORS).catch((error: unknown) => {
    throw new Error("containers need control groups, and /sys/fs/cgroup is not writable", { cause: error });
  });
  await cgroups.weigh(availableParallelism());
  return {
    options,
    folders,
    cgroups,
    network: await openNetwork({ folder: options.dynosFolder, tag, journal: options.journal }),
    runtime: [runtimePath, "--root", runtimeState],
    runtimePath,
    runtimeState,
    conmon: findProgram("conmon"),
    rootPath,
    layerPath,
    layers: await openLayers(options),
    userNamespace: (await runCommand(["unshare", "--user", "true"])).exitCode === 0,
    launcher: await readFile(new URL("../launch.sh", import.meta.url), "utf8"),
    clearing: new Set(),
    closing: new AbortController(),
  };
}

/** Takes away what `openMachine` has made outside the folder; nothing runs any more. */
export async function closeMachine(machine: Machine): Promise<void> {
  await machine.network.remove();
  await machine.cgroups.remove(MONITORS);
  await machine.cgroups.removeSlice();
  await rm(dirname(machine.rootPath), { recursive: true, force: true });
}

/** The argv that runs `command` beside the mounted root of a container. */
export function enterArgv(
  machine: Machine,
  root: { overlayOptions: string; layer: LayerImage | null },
  command: string[],
): string[] {
  const enter = ["unshare", "--mount", "--propagation", "slave", "/bin/sh", ENTER];
  const { template, image } = root.layer ?? { template: "", image: "" };
  return [...enter, template, image, machine.layerPath, root.overlayOptions, machine.rootPath, ...command];
}

function findProgram(name: string): string {
  if (name.startsWith("/")) return name;
  const folder = SEARCH_PATH.find((folder) => existsSync(join(folder, name)));
  if (folder === undefined) throw new Error(`containers need the program "${name}", which is not installed`);
  return join(folder, name);
}

async function openLayers(options: OciOptions): Promise<Layers | null> {
  const layers = new Layers(join(options.dynosFolder, "layers"), HELPER_ENV);
  try {
    await layers.tryOut();
    return layers;
  } catch (error) {
    options.journal.fault("oci.no_disk_quota", error);
    return null;
  }
}

async function tryOverlay(folder: string): Promise<void> {
  const trial = await mkdtemp(join(folder, "trial-"));
  try {
    for (const name of ["lower", "upper", "work", "root"]) await mkdir(join(trial, name));
    const layers = `lowerdir=${trial}/lower,upperdir=${trial}/upper,workdir=${trial}/work`;
    await mustRun(["unshare", "--mount", "mount", "-t", "overlay", "-o", layers, "overlay", join(trial, "root")], {
      env: HELPER_ENV,
      cwd: tmpdir(),
    });
  } catch (error) {
    throw new Error("containers need overlay mounts, which this kernel or file system does not allow", { cause: error });
  } finally {
    await rm(trial, { recursive: true, force: true });
  }
}
