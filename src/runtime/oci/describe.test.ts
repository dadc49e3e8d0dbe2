import assert from "node:assert/strict";
import { test } from "node:test";
import { type ContainerFacts, describeContainer } from "./describe.ts";
import { seccompProfile } from "./seccomp.ts";

const facts: ContainerFacts = {
  argv: ["/usr/bin/tini", "--", "true"],
  env: { A: "1 2", B: "=" },
  cwd: "/app",
  uid: 200_007,
  hostname: "d1",
  rootPath: "/run/zarpa-abc123/root",
  binds: [
    { host: "/h/cache", inside: "/cache", writable: true },
    { host: "/h/ca", inside: "/ca", writable: false },
  ],
  limits: { memoryBytes: 512, cpuShare: 2, maxProcesses: 256 },
  memoryAndSwapBytes: 1024,
  cgroupPath: "/zarpa-abc123/d1",
  cgroupVersion: 2,
  terminal: null,
  hook: { path: "/bin/sh", args: ["sh", "join.sh"] },
  userNamespace: true,
  processor: "x64",
};

test("a container has no capability, its own namespaces and its limits", () => {
  const config = describeContainer(facts);
  assert.deepEqual(config.process["capabilities"], { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] });
  assert.equal(config.process["noNewPrivileges"], true);
  assert.deepEqual(config.process["user"], { uid: 200_007, gid: 200_007, umask: 0o022 });
  assert.deepEqual(config.process.env, ["A=1 2", "B=="]);
  assert.deepEqual(
    config.linux.namespaces.map(({ type }) => type),
    ["pid", "mount", "network", "ipc", "uts", "cgroup", "user"],
  );
  assert.deepEqual(config.linux["resources"], {
    devices: [{ allow: false, access: "rwm" }],
    memory: { limit: 512, swap: 1024 },
    cpu: { shares: 2048 },
    pids: { limit: 256 },
  });
  assert.equal(config.process["consoleSize"], undefined);
});

test("each app has a range of host ids that no other has, and its own id is itself", () => {
  const mappings = [200_007, 200_008].map((uid) => describeContainer({ ...facts, uid }).linux.uidMappings ?? []);
  for (const [range, self] of mappings) {
    assert.equal(range?.containerID, 0);
    assert.equal(self?.hostID, self?.containerID);
    assert.ok((range?.hostID ?? 0) + (range?.size ?? 0) < 2 ** 31);
  }
  assert.equal((mappings[1]?.[0]?.hostID ?? 0) - (mappings[0]?.[0]?.hostID ?? 0), mappings[0]?.[0]?.size);
  assert.equal(describeContainer({ ...facts, userNamespace: false }).linux.uidMappings, undefined);
});

test("host folders are mounted as asked, the kernel's file systems safely", () => {
  const { mounts } = describeContainer(facts);
  const at = (inside: string) => mounts.find((mount) => mount.destination === inside)?.options ?? [];
  assert.ok(at("/cache").includes("rw") && at("/ca").includes("ro"));
  assert.ok(["/cache", "/ca", "/proc", "/sys", "/dev/shm"].every((inside) => at(inside).includes("nosuid")));
  assert.ok(at("/sys").includes("ro") && at("/sys/fs/cgroup").includes("ro"));
  assert.deepEqual(
    describeContainer({ ...facts, cgroupVersion: 1, memoryAndSwapBytes: null }).mounts.filter(({ type }) => type === "cgroup"),
    [],
  );
});

test("a terminal is described with its size", () => {
  const { process } = describeContainer({ ...facts, terminal: { columns: 100, rows: 30 } });
  assert.deepEqual([process["terminal"], process["consoleSize"]], [true, { width: 100, height: 30 }]);
});

test("the seccomp profile allows by name and leaves the dangerous calls out", () => {
  const profile = seccompProfile("x64");
  const allowed = new Set(profile?.syscalls[0]?.names);
  assert.equal(profile?.syscalls[0]?.names.length, allowed.size, "no name twice");
  for (const name of ["read", "openat2", "execve", "fork", "epoll_wait", "futex", "memfd_create", "statx", "sendmmsg"]) {
    assert.ok(allowed.has(name), name);
  }
  const dangerous =
    "mount umount2 pivot_root ptrace keyctl add_key bpf kexec_load init_module finit_module unshare setns userfaultfd perf_event_open " +
    "process_vm_writev open_by_handle_at io_uring_setup fsopen move_mount reboot swapon quotactl iopl clone clone3 personality socket";
  for (const name of dangerous.split(" ")) assert.ok(!allowed.has(name), name);
  assert.equal(seccompProfile("riscv64"), null);
});
