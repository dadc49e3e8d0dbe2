import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, renameSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mustRun } from "../kernel/command.ts";
import { hostMirrors } from "./stack-mirrors.ts";

export interface StackOptions {
  /** Heroku's word for the stack: what `STACK` says inside dynos and builds. */
  name: string;
  /** Folder of all stacks; the stack becomes `<stacksFolder>/<name>-<hash of the recipe>`. */
  stacksFolder: string;
  /** The host's bundle of trusted authorities, for package mirrors over TLS; null when it has none. */
  caBundle: string | null;
  /** Proxy settings (`http_proxy`, …) and nothing else. */
  proxies?: Record<string, string>;
  /** What is being done, and how far that is (0 to 1). Not called when the stack is there already. */
  onProgress?: (step: string, fraction: number) => void;
}

/**
 * Debian 13's packages that Heroku's build images have too: compilers and headers for Python's and Node's native modules, database
 * clients, and what people reach for in `heroku run bash`. Locales, manuals and editors are left out: 690 MB would be 800.
 */
const PACKAGES = [
  "bash bzip2 ca-certificates curl file findutils gettext-base git iproute2 jq less media-types netcat-openbsd openssh-client openssl patch",
  "procps tini tzdata unzip wget xz-utils zip zstd",
  "g++ gcc make pkg-config python3 python3-dev python3-venv",
  "default-libmysqlclient-dev libffi-dev libjpeg-dev libpq-dev libsqlite3-dev libssl-dev zlib1g-dev",
  "postgresql-client sqlite3",
].flatMap((line) => line.split(" "));

/** What makes one stack differ from another: a change builds a new one beside the old, which running dynos keep. */
const RECIPE = {
  version: 1,
  suite: "trixie",
  packages: PACKAGES,
  left_out: ["/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/doc/*"],
  /** Mount points and files that drivers mount over; they must exist in a read-only root. */
  folders: ["app", "tmp", "dev", "proc", "sys", "run"],
  files: ["etc/hostname", "etc/hosts", "etc/resolv.conf"],
};

/** Steps that mmdebstrap announces, and which share of the work lies before each. */
const STEPS: [announcement: string, fraction: number][] = [
  ["running apt-get update", 0.02],
  ["downloading packages", 0.1],
  ["extracting archives", 0.2],
  ["installing essential packages", 0.3],
  ["installing remaining packages", 0.4],
  ["cleaning package lists", 0.95],
];

/** Debian 13 names its key ring `.pgp` and keeps `.gpg` for the older ones. */
const KEYRINGS = ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"];

/**
 * The root file system that dynos and builds share, built by mmdebstrap when it is missing (about 30 s); resolves with its path.
 * A stack is never changed once it stands, and half a stack never stands: it is built beside and renamed. Needs root
 * and a mode mask (umask) of 022.
 */
export async function ensureStack(options: StackOptions): Promise<string> {
  const root = join(options.stacksFolder, `${options.name}-${recipeHash()}`);
  if (existsSync(root)) return realpathSync(root);
  mkdirSync(options.stacksFolder, { recursive: true, mode: 0o755 });
  await sweep(options.stacksFolder);
  const half = mkdtempSync(join(options.stacksFolder, `.half-${process.pid}-`));
  try {
    await build(half, options);
    await finish(half);
    // Only what has reached the disk gets the final name: after a power cut the stack is whole or missing.
    await mustRun(["sync", "-f", half]);
    try {
      renameSync(half, root);
    } catch (error) {
      // Somebody else was faster; theirs is as good.
      if (!existsSync(root)) throw error;
    }
  } finally {
    await rm(half, { recursive: true, force: true });
  }
  return realpathSync(root);
}

/** Whether the stack stands, without building it. */
export function hasStack(stacksFolder: string, name: string): boolean {
  return existsSync(join(stacksFolder, `${name}-${recipeHash()}`));
}

function recipeHash(): string {
  return createHash("sha256").update(JSON.stringify(RECIPE)).digest("hex").slice(0, 12);
}

/** All processes of the build end when we do, even by kill -9: nobody would rename what they go on building. */
const ENDS_WITH_US = ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];

async function build(half: string, options: StackOptions): Promise<void> {
  const { onProgress = () => {} } = options;
  const mirrors = hostMirrors("/etc", RECIPE.suite);
  const run = async (lines: string[]): Promise<void> => {
    const argv = stackArgv({
      target: half,
      mirrors: lines,
      caBundle: options.caBundle,
      keyring: KEYRINGS.find((file) => existsSync(file)),
    });
    const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", ...options.proxies };
    await mustRun([...ENDS_WITH_US, ...argv], { env, onStderr: announce(onProgress) });
  };
  if (mirrors.length === 0) return await run([]);
  try {
    await run(mirrors);
  } catch {
    // The host's own mirror need not carry this suite.
    onProgress("starting again from the default mirror", 0);
    await rm(half, { recursive: true, force: true });
    mkdirSync(half, { mode: 0o700 });
    await run([]);
  }
}

/** mmdebstrap's command line. Without mirrors it takes its own default for the suite, security updates included. */
export function stackArgv(options: {
  target: string;
  mirrors: readonly string[];
  caBundle: string | null;
  keyring: string | undefined;
}): string[] {
  const { target, mirrors, caBundle, keyring } = options;
  return [
    "mmdebstrap",
    "--mode=root",
    "--variant=minbase",
    `--include=${RECIPE.packages.join(",")}`,
    ...RECIPE.left_out.map((pattern) => `--dpkgopt=path-exclude=${pattern}`),
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    ...(caBundle === null ? [] : [`--aptopt=Acquire::https::CAInfo "${caBundle}"`]),
    // The host need not be Debian, nor have gpg: the key ring is named instead of guessed.
    ...(keyring === undefined ? [] : [`--keyring=${keyring}`, "--skip=check/signed-by"]),
    RECIPE.suite,
    target,
    ...mirrors,
  ];
}

function announce(onProgress: (step: string, fraction: number) => void): (chunk: Buffer) => void {
  return (chunk) => {
    for (const line of chunk.toString("utf8").split("\n")) {
      const step = STEPS.find(([announcement]) => line.startsWith(`I: ${announcement}`));
      if (step !== undefined) onProgress(step[0], step[1]);
    }
  };
}

/** What a shared, read-only root needs beyond the packages. */
async function finish(root: string): Promise<void> {
  chmodSync(root, 0o755);
  for (const folder of RECIPE.folders) mkdirSync(join(root, folder), { recursive: true });
  chmodSync(join(root, "tmp"), 0o1777);
  for (const file of RECIPE.files) await writeFile(join(root, file), "");
  // The host's proxies and bundle are the build's affair, not the dynos'.
  await rm(join(root, "etc/apt/apt.conf.d/99mmdebstrap"), { force: true });
  await mustRun(["find", root, "-xdev", "-type", "f", "-perm", "/6000", "-exec", "chmod", "ug-s", "{}", "+"]);
}

/** Removes the halves of builds whose process is gone, unless something is still mounted in them. */
async function sweep(stacksFolder: string): Promise<void> {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8");
  for (const name of readdirSync(stacksFolder)) {
    const pid = /^\.half-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    const half = join(stacksFolder, name);
    if (!mounts.includes(` ${half}/`)) await rm(half, { recursive: true, force: true });
  }
}
