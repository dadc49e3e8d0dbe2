import type { Readable } from "node:stream";
import type { Outputs } from "../kernel/output.ts";

/** What the API asks of rooms it may not import; wired in `bin/`. */
export interface ApiPorts {
  logs: LogReader;
  /** Runs a program in a running dyno for the client that comes with the secret of this digest. Throws a Refusal: too many run already. */
  runInside(order: {
    appId: string;
    ownerId: string;
    dynoId: string;
    process: string;
    command: string;
    env: Record<string, string>;
    hasTerminal: boolean;
    digest: Buffer;
  }): void;
  drains: DrainObserver;
  /** Every app's figures in Prometheus' text format. */
  exposeFigures(): Promise<string>;
  outputs: Outputs;
  /** Output file of a build or of a release phase. */
  buildOutputPath(buildId: string): string;
  releaseOutputPath(releaseId: string): string;
  /** The slug as a gzipped tar, made on the fly; null when the tree is gone. */
  slugArchive(tree: string): Readable | null;
  /** Stores the gzipped tar of a slug (`./app/…`) that a client uploads for an app's Unix user; a Refusal when it is no such thing. */
  storeSlug(archive: Readable, owner: number): Promise<{ tree: string; size: number }>;
  /** Folder of uploaded sources (`POST /sources`), one file a source. */
  sourcesFolder: string;
  /** Drops the build cache of an app (`DELETE /apps/:app/build-cache`). */
  purgeCache(appId: string): Promise<void>;
}

export interface DrainObserver {
  /** Why a drain must not lead to that URL, for the user; null: it may. */
  refusalOf(url: string): Promise<string | null>;
  /** How it goes with a drain; null: it does not run (yet). */
  status(drainId: string): { state: string; lastError: string | null; delivered: number; dropped: number } | null;
}

export interface LogReader {
  /**
   * The last `lines` lines that pass the filter, oldest first, each as printed by `heroku logs`; then, with `tail`, what comes.
   * `afterId` (Last-Event-ID) replaces the backlog by everything after that line. Ids grow within an app.
   */
  read(
    appId: string,
    filter: { source: string | null; process: string | null },
    options: { lines: number; tail: boolean; afterId: number | null; signal: AbortSignal },
  ): AsyncIterable<{ id: number; text: string }>;
  /** The newest `limit` lines of the stored log that match all that is not null, oldest first. */
  search(
    appId: string,
    wanted: {
      filter: { source: string | null; process: string | null };
      from: Date | null;
      to: Date | null;
      query: string | null;
      beforeId: number | null;
      limit: number;
    },
  ): Promise<{ id: number; text: string; stamp: string; source: string; process: string; message: string }[]>;
}
