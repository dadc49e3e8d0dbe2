/** Where a dyno runs: containers by an OCI runtime, or plain processes. One shared test suite holds for all drivers. */
export interface Driver {
  readonly name: "oci" | "process";
  /** What this driver does not isolate, in one line for the operator; null when nothing is missing. */
  readonly warning: string | null;
  /**
   * Starts the program and returns once it runs. It outlives the control plane. Its output goes to `spec.logPath`
   * in the format that `logFormat` names; its exit is told by `watch`.
   */
  start(spec: DynoSpec): Promise<StartedDyno>;
  readonly logFormat: "k8s" | "plain";
  /** SIGTERM (or another) to every process of the dyno but its init. No error when it is gone. */
  signal(dynoId: string, signal: "SIGTERM" | "SIGKILL" | "SIGHUP"): Promise<void>;
  /** Whether something listens on the dyno's port, without connecting to it. */
  isListening(dyno: StartedDyno, port: number): Promise<boolean>;
  /** Connections to the dyno's port that are open at this moment. */
  connections(dyno: StartedDyno, port: number): Promise<number>;
  /** Stops it in place, its memory given back as far as the kernel can. False: that cannot be; it runs on. */
  freeze(dynoId: string): Promise<boolean>;
  thaw(dynoId: string): Promise<void>;
  isFrozen(dynoId: string): Promise<boolean>;
  /** Files of control groups by which anybody who may write to them can thaw the dyno (`THAWED` or `0`); empty: it cannot be frozen. */
  thawFiles(dynoId: string): string[];
  /** Everything this driver runs or has seen exit and has not yet removed: also what a former control plane started. */
  list(): Promise<ObservedDyno[]>;
  /** What the dyno uses at this moment; null when it is gone. */
  usage(dynoId: string): Promise<DynoUsage | null>;
  /** Also for a while after the dyno's end, until it is removed. */
  strain(dyno: StartedDyno): Promise<DynoStrain>;
  /** Processor time since the start, at little cost; null: it is gone, or nobody counts. */
  cpuMilliseconds(dynoId: string): Promise<number | null>;
  /** What the dyno has of the processors from now on when others want them: `DynoLimits.cpuShare`, or less. */
  setShare(dynoId: string, share: number): Promise<void>;
  /** Calls back with each exit; the returned function ends the watching. */
  watch(onExit: (exit: { dynoId: string; exitCode: number }) => void): () => void;
  /** Removes what is left of an exited dyno: writable layer, mounts, network. The log stays until `logplex` has read it. */
  remove(dynoId: string): Promise<void>;
  /** Runs in the foreground with a terminal or pipes, for `heroku run`. Ends with the control plane. */
  attach(spec: DynoSpec, terminal: { columns: number; rows: number } | null): Promise<AttachedDyno>;
  /** Runs one more program in a running dyno, as `attach` does: same user, files, network, limits and environment. */
  inside(dynoId: string, order: InsideOrder, terminal: { columns: number; rows: number } | null): Promise<AttachedDyno>;
}

export interface InsideOrder {
  /** Run by bash, after `.profile.d/*.sh` and `.profile`. */
  command: string;
  /** Added to the dyno's environment. */
  env: Record<string, string>;
}

export interface DynoSpec {
  dynoId: string;
  app: { id: string; name: string; uid: number };
  /** `web.1`. */
  name: string;
  /** Folder `<slugs>/<tree>/root`, holding `app/`; null: an app without a slug (an empty `/app`). */
  slugRoot: string | null;
  stack: string;
  /** Run by bash, after `.profile.d/*.sh` and `.profile`. */
  command: string;
  /** Complete, but for HOME and PORT's value with drivers that choose the port themselves. */
  env: Record<string, string>;
  /** Web dynos: which port to bind. The process driver may choose another one: see `StartedDyno.port`. */
  port: number | null;
  size: DynoLimits;
  logPath: string;
}

export interface DynoLimits {
  memoryBytes: number;
  /** Relative weight: 1 = one standard share. */
  cpuShare: number;
  maxProcesses: number;
  /** What it may write, where the driver can limit that; undefined: as much as there is room for. */
  diskBytes?: number;
}

/** The limits that a dyno has come up against. */
export interface DynoStrain {
  /** Processes and threads at a time; null: not limited. */
  maxProcesses: number | null;
  /** How many more the kernel has refused since the start. */
  refusedProcesses: number;
  /** Null: what it writes is not limited. */
  disk: DiskUse | null;
}

export interface DiskUse {
  bytes: number;
  freeBytes: number;
  files: number;
  freeFiles: number;
}

/** Figures of one dyno at one moment, of all its processes together. */
export interface DynoUsage {
  /** Memory of the program's own. */
  rssBytes: number;
  /** File pages in memory, which the kernel takes back when it needs them. */
  cacheBytes: number;
  swapBytes: number;
  /** Processes that the kernel has killed because the dyno wanted more memory than it may have at all. */
  memoryKills: number;
  /** Pages that have come into memory and gone out of it since the start; null: the kernel (cgroup v2) does not count them. */
  pagesIn: number | null;
  pagesOut: number | null;
  /** Processor time since the start. */
  cpuMilliseconds: number;
  /** Threads that run or wait for a processor or a disk. */
  runnable: number;
}

export interface StartedDyno {
  dynoId: string;
  /** Where the router reaches it. */
  address: string;
  port: number | null;
  /** Host pid of the dyno's first process. */
  pid: number;
}

export interface ObservedDyno {
  dynoId: string;
  running: boolean;
  exitCode: number | null;
  started: StartedDyno | null;
}

export interface AttachedDyno {
  /** Raw output (the terminal's, or stdout and stderr together). */
  onOutput(listener: (chunk: Buffer) => void): void;
  /** Back-pressure of a slow client: no output is read from the program until `resume`. */
  pause(): void;
  resume(): void;
  write(chunk: Buffer): void;
  /** Bytes written that the program has not taken yet. */
  unread(): number;
  /** End of input: closes stdin, or sends Ctrl-D to the terminal. */
  end(): void;
  signal(signal: "SIGHUP" | "SIGTERM" | "SIGKILL"): Promise<void>;
  exited: Promise<{ exitCode: number }>;
}

/** What should run for one app. */
export interface DesiredApp {
  app: { id: string; name: string; uid: number };
  maintenance: boolean;
  hosts: string[];
  /** Null before the first release with a slug: nothing runs. */
  release: DesiredRelease | null;
  formation: { type: string; quantity: number; size: string; command: string }[];
  sleep: DesiredSleep;
  /** Names of the features that are switched on. */
  features: string[];
}

/** https://devcenter.heroku.com/articles/eco-dyno-hours#dyno-sleeping */
export interface DesiredSleep {
  /** Its web dynos are of a size that sleeps when nobody asks for them; its other dynos sleep with them. */
  may: boolean;
  /** Since when it sleeps; null: it is awake. */
  since: Date | null;
  /** Its owner has no Eco hours left: nothing of its formation runs. */
  exhausted: boolean;
}

export interface DesiredRelease {
  id: string;
  version: number;
  slugRoot: string | null;
  stack: string;
  config: Record<string, string>;
  /** What the dyno is told about app, release and slug; empty unless the app has the feature `runtime-dyno-metadata`. */
  metadata: Record<string, string>;
}

/** What a release's switch from the one before has cost; the release keeps it. */
export interface SwitchProof {
  requests_served: number;
  /** The router had no answer from a dyno, for whatever reason but the client's. */
  requests_failed: number;
  /** Connections that were open when old dynos were told to stop: WebSockets, and requests of more than 30 s. */
  sockets_ended: number;
  /** From the start of the first new web dyno to the end of the last old one. */
  seconds: number;
}

export type DynoState = "created" | "starting" | "up" | "idle" | "stopping" | "down" | "crashed";

/** A dyno instance as stored. */
export interface DynoRecord {
  id: string;
  app_id: string;
  release_id: string;
  type: string;
  name: string;
  size: string;
  command: string;
  state: DynoState;
  kind: string;
  attach: boolean;
  force_no_tty: boolean;
  env: Record<string, string>;
  attach_digest: Buffer | null;
  /** Seconds after which a one-off dyno ends; null: a day. */
  time_to_live: number | null;
  stop_requested: boolean;
  crashes: number;
  restart_at: Date | null;
  address: string | null;
  port: number | null;
  created_at: Date;
  updated_at: Date;
}

/** Desired state in, observed state out; `platform/` implements it over its rows. */
export interface FormationStore {
  /** Ids of all apps, for the full pass. */
  appIds(): Promise<string[]>;
  /** Null: the app is gone, everything of it stops. */
  desired(appId: string): Promise<DesiredApp | null>;
  /** A release that is not the current one, for dynos of the release phase. */
  release(releaseId: string): Promise<DesiredRelease | null>;
  /** Instances that are not `down`. */
  dynos(appId: string): Promise<DynoRecord[]>;
  insert(dyno: DynoRecord): Promise<void>;
  update(
    dynoId: string,
    patch: Partial<Pick<DynoRecord, "state" | "crashes" | "restart_at" | "address" | "port">> & { exit_code?: number },
  ): Promise<void>;
  /** The app sleeps from now on. */
  sleep(appId: string): Promise<void>;
  /** The app sleeps no longer; false: it did not. */
  wake(appId: string): Promise<boolean>;
  /** A web dyno answers again after a sleep: its time is kept. */
  woken(appId: string): Promise<void>;
  limits(size: string): DynoLimits;
  /** Keeps the proof with the release; false: it has one already, or is gone. */
  recordSwitch(releaseId: string, proof: SwitchProof): Promise<boolean>;
}

/** Where the runtime's own lines go (`heroku[web.1]: State changed from starting to up`), and whose output is read. */
export interface DynoLog {
  say(line: { appId: string; process: string; message: string }): void;
  /** From now on carry the dyno's output file to the app's log (`app[web.1]`); survives rotation. */
  follow(output: {
    dynoId: string;
    appId: string;
    process: string;
    path: string;
    format: "k8s" | "plain";
    /** Is given each line as well, without its newline: the output of release phases. */
    onLine?: (message: string) => void;
  }): void;
  /** The dyno has exited: read the rest, then forget and delete the file. */
  finish(dynoId: string): Promise<void>;
}

/** What the router is told after each pass. */
export interface RoutePublisher {
  /** With a promise, old dynos are stopped only after it has resolved: the router has the new table by then. */
  publish(app: AppRoute): void | Promise<void>;
  withdraw(appId: string): void | Promise<void>;
}

export interface AppRoute {
  app: { id: string; name: string };
  hosts: string[];
  /**
   * `up`: choose one of the backends; `booting`: hold the request (H20 after 75 s); `crashed`: H10; `none`: H14; `maintenance`: H80;
   * `blank`: nothing deployed yet, a welcome page (H81); `exhausted`: no Eco hours left (H82). `asleep`: with backends and files that thaw
   * them, wake and choose one; without, hold the request. Either way tell who listens on the wake socket.
   */
  state: "up" | "booting" | "crashed" | "none" | "maintenance" | "blank" | "asleep" | "exhausted";
  backends: { dyno: string; address: string; port: number }[];
  /** Control groups' files; the router's workers must be able to write to them before the route is theirs. */
  thaw?: string[];
  options?: RouteOptions;
}

/** How the router is to treat an app beyond the usual. */
export interface RouteOptions {
  affinity?: boolean;
  balance?: "least-connections";
  protocol?: "uwsgi" | "h2c";
  /** Addresses of the app's own pages. */
  errorPage?: string;
  maintenancePage?: string;
  /** Folders of the slug served under a path. `root`: the slug's `app` folder; folders are relative to it. */
  files?: { root: string; folders: { prefix: string; folder: string }[] };
}
