/** The part of the OCI runtime specification's `linux.seccomp` that is used here. */
export interface SeccompProfile {
  defaultAction: "SCMP_ACT_ERRNO";
  defaultErrnoRet: number;
  architectures: string[];
  syscalls: SeccompRule[];
}

interface SeccompRule {
  names: string[];
  action: "SCMP_ACT_ALLOW" | "SCMP_ACT_ERRNO";
  errnoRet?: number;
  args?: { index: number; value: number; valueTwo: number; op: "SCMP_CMP_MASKED_EQ" | "SCMP_CMP_EQ" | "SCMP_CMP_NE" }[];
}

/**
 * What a program may ask of the kernel; anything else is "not permitted". Left out on purpose: mounts and namespaces, modules, kexec, bpf,
 * perf, keys, ptrace and other processes' memory, userfaultfd, io_uring (a frequent way out of containers), raw I/O ports,
 * clocks, swap, quota, reboot, accounting, fanotify, handles to files by number.
 */
const ALLOWED = `
  read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 sendfile splice tee vmsplice copy_file_range lseek readahead
  open openat openat2 creat close close_range dup dup2 dup3 fcntl ioctl flock ftruncate truncate fallocate fadvise64 fsync fdatasync
  sync syncfs sync_file_range sync_file_range2 stat fstat lstat newfstatat fstatat statx statfs fstatfs ustat access faccessat faccessat2
  getdents getdents64 getcwd chdir fchdir rename renameat renameat2 mkdir mkdirat rmdir link linkat symlink symlinkat unlink unlinkat
  readlink readlinkat mknod mknodat chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat umask utime utimes futimesat utimensat
  getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr
  inotify_init inotify_init1 inotify_add_watch inotify_rm_watch memfd_create memfd_secret cachestat
  mmap munmap mremap mprotect madvise msync mincore mlock mlock2 mlockall munlock munlockall brk remap_file_pages membarrier
  pkey_alloc pkey_free pkey_mprotect get_mempolicy set_mempolicy set_mempolicy_home_node mbind map_shadow_stack
  fork vfork execve execveat exit exit_group wait4 waitid getpid getppid gettid getpgid getpgrp setpgid getsid setsid kill tkill tgkill
  pidfd_open pidfd_send_signal set_tid_address set_robust_list get_robust_list futex futex_waitv futex_wake futex_wait futex_requeue
  rseq prctl arch_prctl set_thread_area get_thread_area modify_ldt restart_syscall seccomp
  landlock_create_ruleset landlock_add_rule landlock_restrict_self
  rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_tgsigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait sigaltstack
  signalfd signalfd4 pause alarm getitimer setitimer nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday time times
  timer_create timer_delete timer_settime timer_gettime timer_getoverrun timerfd_create timerfd_settime timerfd_gettime
  select pselect6 poll ppoll epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd2 pipe pipe2
  io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents
  socketpair bind listen accept accept4 connect shutdown getsockname getpeername getsockopt setsockopt
  sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg
  mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr semget semop semctl semtimedop msgget msgsnd msgrcv msgctl
  shmget shmat shmdt shmctl
  getuid geteuid getgid getegid getresuid getresgid getgroups setuid setgid setreuid setregid setresuid setresgid setgroups
  setfsuid setfsgid capget capset getrlimit setrlimit prlimit64 getrusage getpriority setpriority ioprio_get ioprio_set
  sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_setparam sched_getscheduler sched_setscheduler sched_getattr
  sched_setattr sched_get_priority_max sched_get_priority_min sched_rr_get_interval getcpu sysinfo uname getrandom
`;

const ARCHITECTURES: Record<string, string> = { x64: "SCMP_ARCH_X86_64", arm64: "SCMP_ARCH_AARCH64" };

/** CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET. */
const NEW_NAMESPACES = 0x7e02_0000;
const ENOSYS = 38;
const EPERM = 1;
/** AF_VSOCK reaches past the network namespace, to the machine that runs a virtual one. */
const AF_VSOCK = 40;
/** personality(2): Linux, its 32-bit kin, and "tell me". */
const PERSONALITIES = [0x0, 0x0008, 0x2_0000, 0x2_0008, 0xffff_ffff];

/** The profile for dynos and builds on this processor (`process.arch`). Pure. */
export function seccompProfile(processor: string): SeccompProfile | null {
  const architecture = ARCHITECTURES[processor];
  if (architecture === undefined) return null;
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: EPERM,
    architectures: [architecture],
    syscalls: [
      { names: ALLOWED.trim().split(/\s+/), action: "SCMP_ACT_ALLOW" },
      {
        names: ["clone"],
        action: "SCMP_ACT_ALLOW",
        args: [{ index: 0, value: NEW_NAMESPACES, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }],
      },
      // Its flags lie in memory, where no filter can look: "not there" makes the C library use clone instead.
      { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS },
      { names: ["socket"], action: "SCMP_ACT_ALLOW", args: [{ index: 0, value: AF_VSOCK, valueTwo: 0, op: "SCMP_CMP_NE" }] },
      ...PERSONALITIES.map((value): SeccompRule => ({
        names: ["personality"],
        action: "SCMP_ACT_ALLOW",
        args: [{ index: 0, value, valueTwo: 0, op: "SCMP_CMP_EQ" }],
      })),
    ],
  };
}
