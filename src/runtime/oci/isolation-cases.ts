import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chmod, chown, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runCommand } from "../../kernel/command.ts";
import { systemClock } from "../../kernel/clock.ts";
import { Cgroups } from "../cgroup.ts";
import { type Trial, until } from "../driver-cases.ts";
import { usageOf } from "../host-process.ts";
import { installationTag } from "../network/subnet.ts";
import type { BuildCommand } from "../sandbox.ts";

const NEIGHBOUR_UID = 204_322;

/** What a container must not reach, tried from inside. */
export function describeIsolation(trial: Trial, stackRoot: string): void {
  test("a dyno sees neither the host's nor a neighbour's processes and files", async () => {
    const neighbour = await trial.start("echo secret > mine; chmod 666 mine; echo ready; sleep 300", {
      app: { id: "n", name: "neighbour", uid: NEIGHBOUR_UID },
    });
    await trial.said(neighbour.dynoId, /ready/);
    const { output } = await trial.run(
      `ls /proc | grep -c '^[0-9]'; ls -A /app; ls ${trial.folder} 2>&1; find / -name mine -not -path '/proc/*' 2>/dev/null; hostname; cat /proc/sys/kernel/hostname`,
    );
    await trial.driver.remove(neighbour.dynoId);
    const [processes, ...rest] = output.split("\n");
    assert.ok(Number(processes) < 10, output);
    assert.doesNotMatch(rest.join("\n"), /mine/);
    assert.match(output, /No such file or directory/);
  });

  test("a dyno that writes as fast as it can slows itself: its monitor takes a quarter of a processor at most", async () => {
    const { dynoId } = await trial.start("yes 0123456789012345678901234567890123456789012345678901234567890123456789");
    const folder = join(trial.folder, "dynos");
    const cgroups = new Cgroups(`zarpa-${installationTag(folder)}`, systemClock);
    const group = `${dynoId}-monitor`;
    await until(async () => (await cgroups.processes(group)).length === 1);
    const [pid = 0] = await cgroups.processes(group);
    const used = async (): Promise<number> => (await usageOf([pid]))?.cpuMilliseconds ?? 0;
    const [from, before] = [performance.now(), await used()];
    await systemClock.sleep(1_500);
    const part = ((await used()) - before) / (performance.now() - from);
    assert.ok(part < 0.4, `${part.toFixed(2)} of a processor`);
    await trial.driver.signal(dynoId, "SIGKILL");
    await trial.exit(dynoId);
    await trial.driver.remove(dynoId);
    assert.deepEqual(await cgroups.processes(group), []);
  });

  test("a dyno cannot change the stack, and gains no right", async () => {
    const { output } = await trial.run(`
      for file in /usr/bin/x /etc/x /bin/bash /etc/passwd /x /root/x /var/lib/x /sys/x /proc/sys/kernel/hostname /proc/sysrq-trigger; do
        if (echo x >> "$file") 2>/dev/null; then echo "wrote $file"; fi
      done
      touch /tmp/fine && echo "tmp is fine"
      grep -E 'Cap(Eff|Bnd|Prm)|NoNewPrivs|Seccomp:' /proc/self/status
      find / -xdev -perm /6000 -type f 2>/dev/null
      cp /bin/bash /tmp/rootbash && chmod u+s /tmp/rootbash && /tmp/rootbash -p -c 'id -u'
      python3 - <<'END'
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def refused(name, result):
    print(name, "refused" if result == -1 else "ALLOWED", os.strerror(ctypes.get_errno()))
refused("mount", libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))
refused("unshare user", libc.unshare(0x10000000))
refused("ptrace", libc.ptrace(16, 1, 0, 0))
refused("keyctl", libc.syscall(250, 0, 0))
refused("bpf", libc.syscall(321, 0, 0, 0))
refused("init_module", libc.syscall(175, 0, 0, 0))
refused("perf_event_open", libc.syscall(298, 0, 0, -1, -1, 0))
refused("userfaultfd", libc.syscall(323, 0))
refused("io_uring_setup", libc.syscall(425, 1, 0))
refused("mknod", libc.syscall(133, b"/tmp/disk", 0o60600, os.makedev(253, 0)))
refused("setuid", libc.setuid(0))
refused("chroot", libc.chroot(b"/tmp"))
refused("vsock", libc.socket(40, 1, 0))
END
      ls /dev`);
    assert.doesNotMatch(output, /wrote|ALLOWED/);
    assert.equal(output.match(/refused/g)?.length, 13, output);
    assert.match(output, /tmp is fine/);
    assert.match(output, /CapEff:\s0000000000000000/);
    assert.match(output, /CapBnd:\s0000000000000000/);
    assert.match(output, /NoNewPrivs:\s1/);
    assert.match(output, /Seccomp:\s2/);
    assert.match(output, new RegExp(`^${trial.uid}$`, "m"), "a set-user-id program keeps the app's id");
    assert.doesNotMatch(output, /^(?:vda|sda|mem|kmsg|kvm|fuse)$/m);
    assert.deepEqual(await readdir(join(stackRoot, "app")), []);
  });

  test("a dyno reaches name servers and the outside, but not the host, its neighbours or the cloud's metadata", async () => {
    const host = createServer((socket) => socket.end("host"));
    await new Promise<void>((resolve) => host.listen(0, "0.0.0.0", resolve));
    const address = host.address();
    const hostPort = address !== null && typeof address !== "string" ? address.port : 0;
    const neighbour = await trial.start("echo hi > index.html; exec python3 -m http.server 5000", { port: 5000 });
    await until(async () => await trial.driver.isListening(neighbour, 5000));
    assert.equal((await fetch(`http://${neighbour.address}:5000/`)).status, 200, "the host itself reaches the dyno");
    const gateway = neighbour.address.replace(/\d+\.\d+$/, "0.1");
    const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    const targets = [
      ...own.filter((entry) => entry.family === "IPv4" && !entry.internal).map((entry) => `${entry.address} ${hostPort}`),
      `${gateway} ${hostPort}`,
      `${neighbour.address} 5000`,
      "169.254.169.254 80",
      `127.0.0.1 ${hostPort}`,
    ];
    const outside = packageHost();
    const { output } = await trial.run(`while read -r host port; do
      if timeout 3 bash -c "exec 3<>/dev/tcp/$host/$port" 2>/dev/null; then echo "reached $host $port"; else echo "refused"; fi
    done <<< "${targets.join("\n")}"
    cat /etc/resolv.conf; getent ahosts ${outside} >/dev/null && echo resolved`);
    await trial.driver.remove(neighbour.dynoId);
    host.close();
    assert.doesNotMatch(output, /reached/);
    assert.equal(output.match(/refused/g)?.length, targets.length, output);
    assert.match(output, /^nameserver \d/m);
    const resolves = (await runCommand(["getent", "ahosts", outside])).exitCode === 0;
    assert.equal(output.includes("resolved"), resolves, "names resolve inside as they do outside");
  });

  test("memory and processes are limited", async () => {
    const size = { memoryBytes: 64 * 1024 * 1024, cpuShare: 1, maxProcesses: 30 };
    const forks = "for i in range(60): os.fork() or time.sleep(100)";
    const bomb = await trial.run(`python3 -c 'x = bytearray(300 << 20)'; echo $?; python3 -c 'import os, time\n${forks}'`, {
      size,
    });
    assert.match(bomb.output, /^137$/m);
    assert.match(bomb.output, /Resource temporarily unavailable/);
  });

  test("a home that only root may enter is no obstacle, for dynos and builds", async () => {
    const cache = join(trial.folder, "deep", "cache");
    await mkdir(cache, { recursive: true });
    await chown(cache, trial.uid, trial.uid);
    await writeFile(join(trial.folder, "deep", "tool"), "a tool\n");
    await chmod(trial.folder, 0o700);
    const { output } = await trial.run("cat data/words");
    let built = "";
    const ending = await trial.driver.sandbox.run({
      ...command(trial, [
        "sh",
        "-c",
        "cat /opt/tool && touch /cache/made && stat -c %U /cache/made && stat -c %a /opt /tmp && ! touch /opt/tool",
      ]),
      mounts: [
        { host: cache, inside: "/cache", writable: true },
        { host: join(trial.folder, "deep", "tool"), inside: "/opt/tool", writable: false },
        { host: cache, inside: "/tmp/cache", writable: false },
      ],
      onOutput: (chunk) => (built += chunk.toString()),
    });
    await chmod(trial.folder, 0o711);
    assert.match(output, /from the slug/);
    assert.match(built, /^a tool\nu204321\n755\n1777\n/);
    assert.equal(ending.exitCode, 0, built);
  });

  test("what a build left when the control plane died is gone after its next start", async () => {
    const live = join(trial.folder, "dynos/live");
    const build = trial.driver.sandbox.run(command(trial, ["sleep", "300"]));
    await until(async () => (await running(live)) === 1);
    await mkdir(join(live, "half-made"));
    await writeFile(join(live, "half-made", "config.json"), "{");
    await trial.open();
    await build;
    assert.deepEqual(await readdir(live), []);
  });
}

function command(trial: Trial, argv: string[]): BuildCommand {
  return {
    id: randomUUID(),
    stack: "heroku-24",
    argv,
    env: { PATH: "/usr/bin:/bin" },
    cwd: "/",
    uid: trial.uid,
    mounts: [],
    memoryBytes: 64 * 1024 * 1024,
    timeoutMilliseconds: 60_000,
    signal: new AbortController().signal,
    onOutput: () => {},
  };
}

async function running(live: string): Promise<number> {
  let count = 0;
  for (const id of await readdir(live)) {
    const pid = await readFile(join(live, id, "init.pid"), "utf8").catch(() => "");
    if (pid !== "") count += 1;
  }
  return count;
}

/** A host outside that this machine knows by name: where its packages come from. */
function packageHost(): string {
  const folder = "/etc/apt/sources.list.d";
  const files = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
  const texts = ["/etc/apt/sources.list", ...files].filter((file) => existsSync(file)).map((file) => readFileSync(file, "utf8"));
  return /^(?!#).*?https?:\/\/([a-z0-9.-]+)/im.exec(texts.join("\n"))?.[1] ?? "localhost";
}
