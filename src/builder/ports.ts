/** A build as the platform orders it. All paths are absolute, on the host. */
export interface BuildOrder {
  id: string;
  app: { id: string; name: string; uid: number };
  stack: string;
  source: { kind: "git"; folder: string } | { kind: "url"; url: string; checksum: string | null };
  /** Set by the user, in order; empty: detect. `remembered` is the last build's, tried first. */
  buildpacks: { url: string; name: string }[];
  remembered: { url: string; name: string }[];
  configVars: Record<string, string>;
  /** Commit or other name of the source: `SOURCE_VERSION` of the build. */
  sourceVersion: string | null;
  firstBuild: boolean;
}

export interface BuiltSlug {
  /** Name of the folder in the slug store: `<slugs>/<tree>/root/app/…`. */
  tree: string;
  checksum: string;
  size: number;
  processTypes: Record<string, string>;
  buildpacks: { url: string; name: string }[];
  /** "Python", "Node.js": what detect answered. */
  description: string | null;
}

/** A failed build is an outcome, not an exception: its output already says why. */
export type BuildOutcome = { status: "succeeded"; slug: BuiltSlug } | { status: "failed"; reason: string };

/** Live output of the build, without the `remote:` prefix. */
export type BuildWriter = (text: string | Buffer) => void;

/** Runs one command of a build apart from the host and from every other app; the runtime's drivers implement it. */
export interface Sandbox {
  /** Whether commands see the stack's own root (`oci`) or the host's (`process`). */
  readonly isolated: boolean;
  run(command: SandboxCommand): Promise<SandboxEnding>;
  /** Makes a place for a command that is not known yet; left out: that would save no time. */
  stand?(place: SandboxPlace): Promise<SandboxStandby>;
}

export interface SandboxEnding {
  exitCode: number;
  reason: "exit" | "timeout" | "memory" | "aborted";
}

/** Where a command runs. */
export type SandboxPlace = Pick<SandboxCommand, "id" | "stack" | "cwd" | "uid" | "mounts" | "memoryBytes">;

/** One of the two methods is called, once. */
export interface SandboxStandby {
  run(command: Pick<SandboxCommand, "argv" | "env" | "timeoutMilliseconds" | "signal" | "onOutput">): Promise<SandboxEnding>;
  /** No command has come. */
  drop(): Promise<void>;
}

export interface SandboxCommand {
  /** Unique, `[a-z0-9-]`. */
  id: string;
  /** `BuildOrder.stack`: whose root file system the command sees. */
  stack: string;
  argv: string[];
  env: Record<string, string>;
  cwd: string;
  uid: number;
  /** Host folders seen inside. With the process driver `inside` is a path that `paths` maps back. */
  mounts: { host: string; inside: string; writable: boolean }[];
  memoryBytes: number;
  timeoutMilliseconds: number;
  signal: AbortSignal;
  onOutput: (chunk: Buffer) => void;
}
