/** A release command that runs before the new dynos; its failure keeps the old release current. */
export interface ReleasePhase {
  /** From its first byte until it ends. */
  output: AsyncIterable<Buffer>;
  /** Resolves when it has ended. */
  result(): Promise<{ status: "succeeded" | "failed" }>;
}

/** What the git room asks of the platform; implemented in `bin/`. Refusals become HTTP errors or `! [remote rejected]`. */
export interface GitPlatform {
  /** Basic auth's password is the token; any user name. Null: unknown. */
  authenticate(token: string): Promise<{ id: string; email: string } | null>;
  /** Throws a Refusal (`not_found`) when there is no such app or no right to it. */
  openApp(name: string, accountId: string, access: "read" | "write"): Promise<{ id: string; name: string }>;
  /** A push has begun, and will probably order a build. Told more than once. Returns at once, never throws. */
  expectBuild?(appId: string): void;
  /** Queues a build of a folder that the push has filled; ownership of the folder goes to the build. */
  createBuild(push: {
    appId: string;
    accountId: string;
    commit: string;
    message: string;
    folder: string;
  }): Promise<{ id: string }>;
  /** Output of the build from its first byte until it ends. */
  followBuild(buildId: string, signal: AbortSignal): AsyncIterable<Buffer>;
  /** The build's end; resolves at once when it has ended. */
  buildResult(buildId: string): Promise<{ status: "succeeded" | "failed" }>;
  /** The release phase that a succeeded build has begun; null (or no such method) when there is none. */
  releasePhase?(buildId: string, signal: AbortSignal): Promise<ReleasePhase | null>;
  /** Disk size of the repository changed, bytes. */
  repositoryChanged(appId: string, size: number): Promise<void>;
}
