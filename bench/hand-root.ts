import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type CommandResult, mustRun } from "../src/kernel/command.ts";

const CERTIFICATES = "etc/ssl/certs/ca-certificates.crt";
const PATH = "/app/.heroku/python/bin:/usr/local/bin:/usr/bin:/bin";

/** Constant text; arguments: stack, work folder, folder of uv, certificates of the host. */
const MOUNT = `set -eu
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$2/root"
mount --bind "$2/slug/app" "$2/root/app"
mount --bind "$3" "$2/root/opt/uv"
mount --bind "$4" "$2/root/${CERTIFICATES}"
mount --rbind /proc "$2/root/proc"
mount --rbind /dev "$2/root/dev"
echo ready
exec chroot "$2/root" /bin/sh -c 'cd /app && exec cat'`;

/**
 * The stack as a place to work in by hand, without any of the platform: the same interpreter and libraries as a dyno has, in a mount
 * namespace and nothing more. `/app` lies in a folder of its own, like a slug.
 */
export class HandRoot {
  /** Holds `app`, which is `/app` inside. */
  readonly slugRoot: string;
  readonly app: string;
  readonly #folder: string;
  readonly #holder: ChildProcess;

  private constructor(folder: string, holder: ChildProcess) {
    this.#folder = folder;
    this.slugRoot = join(folder, "slug");
    this.app = join(this.slugRoot, "app");
    this.#holder = holder;
  }

  static async open(options: { folder: string; stack: string; uv: string; certificates: string }): Promise<HandRoot> {
    const { folder, stack, uv, certificates } = options;
    for (const name of ["root", "work", "slug/app", "upper/etc/ssl/certs", "upper/opt/uv"]) {
      await mkdir(join(folder, name), { recursive: true });
    }
    await writeFile(join(folder, "upper/etc/resolv.conf"), await readFile("/etc/resolv.conf"));
    const spaces = ["--mount", "--net", "--propagation", "private"];
    const argv = [...spaces, "/bin/sh", "-c", MOUNT, "sh", stack, folder, dirname(uv), certificates];
    const holder = spawn("unshare", argv, { stdio: ["pipe", "pipe", "inherit"] });
    const ready = await Promise.race([once(holder.stdout, "data"), once(holder, "exit").then(() => null)]);
    if (ready === null) throw new Error("the stack could not be mounted to work in by hand");
    return new HandRoot(folder, holder);
  }

  /** Runs a program in `/app`; fails on any exit code but 0. */
  async run(argv: string[], env: Record<string, string> = {}): Promise<CommandResult> {
    return await mustRun(this.#enter(argv), { env: { ...environment(), ...env } });
  }

  /**
   * Starts a program in `/app`; it becomes the returned process itself. `alone`: in a network namespace of its own, whose few sockets are
   * told as fast as a dyno's.
   */
  start(argv: string[], env: Record<string, string> = {}, network: "host" | "alone" = "host"): ChildProcess {
    const [program = "", ...rest] = this.#enter(argv, network === "alone" ? ["--net"] : []);
    return spawn(program, rest, { env: { ...environment(), ...env }, stdio: "ignore" });
  }

  /** The app's packages in a virtual environment of its own, where the Python buildpack has it too. */
  async install(): Promise<void> {
    await this.run(["/opt/uv/uv", "venv", "--quiet", "--python", "/usr/bin/python3", "/app/.heroku/python"]);
    const python = ["--python", "/app/.heroku/python/bin/python"];
    await this.run(["/opt/uv/uv", "pip", "install", "--quiet", "--compile-bytecode", ...python, "-r", "requirements.txt"]);
    const { stdout } = await this.run(["/opt/uv/uv", "pip", "freeze", ...python]);
    await writeFile(join(this.#folder, "upper/opt/lock.txt"), stdout);
  }

  /** Takes the mounts away with the last process in them. */
  async close(): Promise<void> {
    const gone = once(this.#holder, "exit");
    this.#holder.stdin?.end();
    await gone;
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  #enter(argv: string[], spaces: string[] = []): string[] {
    return ["nsenter", "--target", String(this.#holder.pid), ...spaces, "--mount", "--root", "--wd", "--", ...argv];
  }
}

function environment(): Record<string, string> {
  return { PATH, HOME: "/app", LANG: "C.UTF-8", SSL_CERT_FILE: `/${CERTIFICATES}`, UV_CACHE_DIR: "/tmp/uv" };
}

/** SIGTERM, and the end of the process. */
export async function end(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return;
  const gone = once(process, "exit");
  process.kill("SIGTERM");
  await gone;
}
