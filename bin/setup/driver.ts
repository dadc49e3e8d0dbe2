import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "../../src/kernel/command.ts";
import { findProgram, helperEnvironment } from "./programs.ts";

const PROBE = join(import.meta.dirname, "probe.sh");
const CGROUPS = "/sys/fs/cgroup";
const NEEDED_CONTROLLERS = ["memory", "pids"];

/**
 * Why this kernel and user allow no containers, in half a sentence; null when they do. Cheap (one short process) and without a trace:
 * asked before anything is installed for containers.
 */
export async function kernelObstacle(home: string): Promise<string | null> {
  if (process.getuid?.() !== 0) return "containers need root";
  const cgroups = cgroupObstacle();
  if (cgroups !== null) return cgroups;
  const trial = mkdtempSync(join(home, ".trial-"));
  try {
    const argv = ["unshare", "--mount", "--propagation", "private", "--net", "sh", PROBE, trial];
    const { exitCode, stdout, stderr } = await runCommand(argv, { env: helperEnvironment() });
    if (exitCode === 0) return null;
    return stdout.trim() || `namespaces cannot be made (${stderr.trim()})`;
  } finally {
    rmSync(trial, { recursive: true, force: true });
  }
}

/** Limits are held by control groups: version 2, or version 1's folders per controller. */
function cgroupObstacle(): string | null {
  const unified = join(CGROUPS, "cgroup.controllers");
  const name = `zarpa-trial-${process.pid}`;
  if (existsSync(unified)) {
    const present = readFileSync(unified, "utf8").trim().split(" ");
    const missing = NEEDED_CONTROLLERS.filter((controller) => !present.includes(controller));
    if (missing.length > 0) return `the kernel's control groups lack ${missing.join(" and ")}`;
    return groupObstacle(join(CGROUPS, name));
  }
  const obstacles = NEEDED_CONTROLLERS.map((controller) => {
    const folder = join(CGROUPS, controller);
    return existsSync(folder) ? groupObstacle(join(folder, name)) : `the kernel's control groups lack ${controller}`;
  });
  return obstacles.find((obstacle) => obstacle !== null) ?? null;
}

function groupObstacle(folder: string): string | null {
  try {
    mkdirSync(folder);
    rmdirSync(folder);
    return null;
  } catch {
    return `control groups cannot be made under ${CGROUPS}`;
  }
}

/** Why runc cannot run a container over the stack, tried with a real one; null when it can. */
export async function containerObstacle(home: string, stackRoot: string): Promise<string | null> {
  const runc = findProgram("runc");
  if (runc === null) return "runc is not installed";
  const bundle = mkdtempSync(join(home, ".trial-"));
  try {
    const id = `zarpa-trial-${process.pid}`;
    writeFileSync(join(bundle, "config.json"), JSON.stringify(trialContainer(stackRoot, id)));
    const argv = [runc, "--root", join(bundle, "state"), "run", "--bundle", bundle, id];
    const { exitCode, stderr } = await runCommand(argv, { env: helperEnvironment() });
    return exitCode === 0 ? null : `runc cannot run a container (${lastLine(stderr)})`;
  } finally {
    rmSync(bundle, { recursive: true, force: true });
  }
}

/** The smallest container that uses what dynos use: an OCI runtime configuration. */
function trialContainer(stackRoot: string, id: string): unknown {
  return {
    ociVersion: "1.0.2",
    process: { args: ["/bin/true"], cwd: "/", user: { uid: 65_534, gid: 65_534 }, noNewPrivileges: true },
    root: { path: stackRoot, readonly: true },
    mounts: [{ destination: "/proc", type: "proc", source: "proc" }],
    linux: {
      cgroupsPath: `/${id}`,
      resources: { memory: { limit: 67_108_864 }, pids: { limit: 64 } },
      namespaces: ["pid", "mount", "ipc", "uts", "network"].map((type) => ({ type })),
    },
  };
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
