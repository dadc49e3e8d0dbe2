import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Sandbox } from "../../src/builder/ports.ts";
import { systemClock } from "../../src/kernel/clock.ts";

const KILLED = 137;

/** Puts the root together in a mount namespace of its own; every input is an argument. */
const ENTER = `
set -eu
scratch=$1 root=$2 uid=$3 cwd=$4 count=$5; shift 5
mount -t tmpfs tmpfs "$scratch"
mkdir "$scratch/up" "$scratch/work" "$scratch/root"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$scratch/up,workdir=$scratch/work" "$scratch/root"
for ((i = 0; i < count; i++)); do
  host=$1 inside=$2 flag=$3; shift 3
  target=$scratch/root$inside
  if [[ -d $host ]]; then mkdir -p "$target"; else mkdir -p "\${target%/*}"; [[ -e $target ]] || : >"$target"; fi
  mount --bind "$host" "$target"
  [[ $flag == rw ]] || mount -o remount,bind,ro "$target"
done
cp /etc/resolv.conf "$scratch/root/etc/resolv.conf"
mount -t proc proc "$scratch/root/proc"
mount --rbind /dev "$scratch/root/dev"
exec chroot --userspec="$uid:$uid" "$scratch/root" /bin/bash -c 'cd "$1" && shift && exec "$@" 2>&1' bash "$cwd" "$@"
`;

/** A small sandbox for the builder's tests: namespaces by unshare(1), the host's network, no limits but time. Needs root. */
export function namespaceSandbox(root: string): Sandbox {
  return {
    isolated: true,
    run: async (command) => {
      const scratch = mkdtempSync(join(tmpdir(), "zarpa-sandbox-"));
      const mounts = command.mounts.flatMap(({ host, inside, writable }) => [host, inside, writable ? "rw" : "ro"]);
      const args = [scratch, root, String(command.uid), command.cwd, String(command.mounts.length), ...mounts, ...command.argv];
      try {
        return await supervise(["unshare", ...UNSHARE, "bash", "-c", ENTER, "bash", ...args], command, "/");
      } finally {
        rmSync(scratch, { recursive: true, force: true });
      }
    },
  };
}

const UNSHARE = ["--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"];

/** No isolation at all, as with the process driver: the host's root and paths. */
export const plainSandbox: Sandbox = {
  isolated: false,
  run: async (command) => await supervise(["sh", "-c", 'exec "$@" 2>&1', "sh", ...command.argv], command, command.cwd),
};

async function supervise(argv: string[], command: Parameters<Sandbox["run"]>[0], cwd: string): ReturnType<Sandbox["run"]> {
  const [program = "", ...args] = argv;
  const child = spawn(program, args, { env: command.env, cwd, stdio: ["ignore", "pipe", "pipe"], detached: true });
  let reason: "exit" | "timeout" | "aborted" = "exit";
  const end = (why: "timeout" | "aborted"): void => {
    reason = why;
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  };
  const cancel = systemClock.after(command.timeoutMilliseconds, () => end("timeout"));
  const abort = (): void => end("aborted");
  command.signal.addEventListener("abort", abort);
  for (const stream of [child.stdout, child.stderr]) stream.on("data", command.onOutput);
  try {
    return await new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => resolve({ exitCode: code ?? KILLED, reason }));
    });
  } finally {
    cancel();
    command.signal.removeEventListener("abort", abort);
  }
}
