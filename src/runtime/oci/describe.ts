import type { DynoLimits } from "../ports.ts";
import { seccompProfile, type SeccompProfile } from "./seccomp.ts";

/** Everything that shapes a container; from it `describeContainer` makes the runtime's config.json. */
export interface ContainerFacts {
  argv: string[];
  env: Record<string, string>;
  cwd: string;
  /** User and group id on the host, and inside. */
  uid: number;
  hostname: string;
  /** Where the merged root file system is mounted, in the mount namespace the runtime is started in. */
  rootPath: string;
  /** Host folders and files seen inside, besides the kernel's file systems. */
  binds: { host: string; inside: string; writable: boolean }[];
  limits: DynoLimits;
  /** Most of memory and swap together; null where the host does not count swap. */
  memoryAndSwapBytes: number | null;
  cgroupPath: string;
  cgroupVersion: 1 | 2;
  terminal: { columns: number; rows: number } | null;
  /** Links the container to the network while it is being created. */
  hook: { path: string; args: string[] };
  /** Whether the container gets a user namespace with a range of its own. */
  userNamespace: boolean;
  /** `process.arch`. */
  processor: string;
}

/** `ulimit -n` of a Heroku dyno. */
const MAX_OPEN_FILES = 10_000;
const STANDARD_SHARES = 1024;
const SHM_BYTES = 64 * 1024 * 1024;
/** The kernel takes a dyno's process before one of the platform's when memory runs out. */
const OOM_SCORE = 500;
const HOOK_TIMEOUT_SECONDS = 20;
const HOOK_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The first of the host ids that stand for ids 0 to 65535 inside; each app's range lies `RANGE_SIZE` after the one before. */
const RANGE_BASE = 1 << 30;
const RANGE_SIZE = 65_536;
const MAX_RANGES = 16_000;

/** Hidden: what tells about the host or could disturb it. */
const MASKED_PATHS = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/sys/devices/virtual/powercap",
  "/sys/firmware",
];
const READONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

interface Mount {
  destination: string;
  type: string;
  source: string;
  options: string[];
}

interface IdMapping {
  containerID: number;
  hostID: number;
  size: number;
}

/** config.json of the OCI runtime specification 1.0.2, as far as it is used. */
export interface ContainerConfig {
  ociVersion: string;
  process: Record<string, unknown> & { args: string[]; env: string[] };
  root: { path: string; readonly: boolean };
  hostname: string;
  mounts: Mount[];
  hooks: { createRuntime: { path: string; args: string[]; env: string[]; timeout: number }[] };
  linux: Record<string, unknown> & {
    namespaces: { type: string }[];
    uidMappings?: IdMapping[];
    gidMappings?: IdMapping[];
    seccomp?: SeccompProfile;
  };
}

/** The container's description. Pure. */
export function describeContainer(facts: ContainerFacts): ContainerConfig {
  const seccomp = seccompProfile(facts.processor);
  const none: string[] = [];
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: facts.terminal !== null,
      ...(facts.terminal === null ? {} : { consoleSize: { width: facts.terminal.columns, height: facts.terminal.rows } }),
      user: { uid: facts.uid, gid: facts.uid, umask: 0o022 },
      args: facts.argv,
      env: Object.entries(facts.env).map(([name, value]) => `${name}=${value}`),
      cwd: facts.cwd,
      capabilities: { bounding: none, effective: none, permitted: none, inheritable: none, ambient: none },
      rlimits: [
        { type: "RLIMIT_NOFILE", hard: MAX_OPEN_FILES, soft: MAX_OPEN_FILES },
        { type: "RLIMIT_CORE", hard: 0, soft: 0 },
      ],
      noNewPrivileges: true,
      oomScoreAdj: OOM_SCORE,
    },
    root: { path: facts.rootPath, readonly: false },
    hostname: facts.hostname,
    mounts: [...kernelMounts(facts.cgroupVersion), ...facts.binds.map(bindMount)],
    hooks: { createRuntime: [{ ...facts.hook, env: [HOOK_PATH], timeout: HOOK_TIMEOUT_SECONDS }] },
    linux: {
      namespaces: ["pid", "mount", "network", "ipc", "uts", "cgroup", ...(facts.userNamespace ? ["user"] : [])].map((type) => ({
        type,
      })),
      ...(facts.userNamespace ? { uidMappings: idMappings(facts.uid), gidMappings: idMappings(facts.uid) } : {}),
      cgroupsPath: facts.cgroupPath,
      resources: {
        devices: [{ allow: false, access: "rwm" }],
        memory: {
          limit: facts.limits.memoryBytes,
          ...(facts.memoryAndSwapBytes === null ? {} : { swap: facts.memoryAndSwapBytes }),
        },
        cpu: { shares: Math.max(2, Math.round(STANDARD_SHARES * facts.limits.cpuShare)) },
        pids: { limit: facts.limits.maxProcesses },
      },
      maskedPaths: MASKED_PATHS,
      readonlyPaths: READONLY_PATHS,
      ...(seccomp === null ? {} : { seccomp }),
    },
  };
}

/** The app's own id stays itself, so that files need no change of owner; all others are numbers that nobody else has. */
function idMappings(uid: number): IdMapping[] {
  return [
    { containerID: 0, hostID: RANGE_BASE + (uid % MAX_RANGES) * RANGE_SIZE, size: RANGE_SIZE },
    { containerID: uid, hostID: uid, size: 1 },
  ];
}

function kernelMounts(cgroupVersion: 1 | 2): Mount[] {
  const safe = ["nosuid", "noexec", "nodev"];
  const mounts: Mount[] = [
    { destination: "/proc", type: "proc", source: "proc", options: safe },
    { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755", "size=65536k"] },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
    },
    { destination: "/dev/shm", type: "tmpfs", source: "shm", options: [...safe, "mode=1777", `size=${SHM_BYTES}`] },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: safe },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: [...safe, "ro"] },
  ];
  // Language runtimes read their memory limit there. With v1 it would be a dozen mounts for each start: not worth it.
  if (cgroupVersion === 2) {
    mounts.push({ destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: [...safe, "relatime", "ro"] });
  }
  return mounts;
}

function bindMount(bind: { host: string; inside: string; writable: boolean }): Mount {
  const options = ["rbind", "rprivate", "nosuid", "nodev", bind.writable ? "rw" : "ro"];
  return { destination: bind.inside, type: "bind", source: bind.host, options };
}
