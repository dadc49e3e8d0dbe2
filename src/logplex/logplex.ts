import { join } from "node:path";
import type { Clock } from "../kernel/clock.ts";
import { isId } from "../kernel/ids.ts";
import type { Journal } from "../kernel/journal.ts";
import { Feed } from "./feed.ts";
import { Follower, INTAKE_LIMITS, type IntakeLimits, type Output, readBuffer } from "./follower.ts";
import { textsOf } from "./line.ts";
import type { FoundLine, LogFilter, LogLine, LogSearch } from "./ports.ts";
import { type ReadOptions, readLog } from "./read.ts";
import { searchLog } from "./search.ts";
import type { StoredLine } from "./segment.ts";
import { Room } from "./room.ts";
import { AppLog } from "./store.ts";
import { FileWatch } from "./watch.ts";

/** Output files are looked at this often besides what inotify tells, and where it tells nothing. */
const POLL_MILLISECONDS = 1_000;
/** Logs that nobody uses are dropped from memory this often. */
const IDLE_MILLISECONDS = 60_000;

export interface LogplexOptions {
  /** One folder for each app in here (`paths.logs`). */
  folder: string;
  clock: Clock;
  journal: Journal;
  limits?: IntakeLimits;
}

/** A line for an app's log; `at` is now when it is left out. */
export type AppLine = Omit<LogLine, "at"> & { appId: string; at?: Date };

/** The log plane: lines of apps, platform and router go in, log sessions read them. */
export class Logplex {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #limits: IntakeLimits;
  readonly #logs = new Map<string, AppLog>();
  /** Lines that come late for an app that is gone must not bring its folder back. */
  readonly #removed = new Set<string>();
  readonly #followers = new Map<string, Follower>();
  readonly #watch = new FileWatch();
  readonly #room: Room;
  readonly #buffer = readBuffer();
  #cancelTimers: (() => void)[] = [];

  constructor(options: LogplexOptions) {
    this.#folder = options.folder;
    this.#clock = options.clock;
    this.#journal = options.journal;
    this.#room = new Room(options);
    this.#limits = options.limits ?? INTAKE_LIMITS;
    this.#every(POLL_MILLISECONDS, () => {
      for (const follower of this.#followers.values()) follower.wake();
    });
    this.#every(IDLE_MILLISECONDS, () => this.#forgetIdle());
  }

  /** Adds one line. Returns at once; readers see it in a moment. */
  emit(appId: string, line: Omit<AppLine, "appId">): void {
    if (this.#removed.has(appId)) return;
    void this.#log(appId).append(textsOf({ ...line, at: line.at ?? this.#clock.now() }));
  }

  /** Adds many lines of any apps: the router's request log. */
  emitMany(lines: Iterable<AppLine>): void {
    const now = this.#clock.now();
    const texts = new Map<string, string[]>();
    for (const line of lines) {
      const own = texts.get(line.appId) ?? [];
      texts.set(line.appId, own);
      for (const text of textsOf({ ...line, at: line.at ?? now })) own.push(text);
    }
    for (const [appId, own] of texts) {
      if (!this.#removed.has(appId)) void this.#log(appId).append(own);
    }
  }

  /** A line of the platform about a dyno (`heroku[web.1]`). */
  say(line: { appId: string; process: string; message: string }): void {
    this.emit(line.appId, { source: "heroku", process: line.process, message: line.message });
  }

  /** From now on carries the dyno's output file to its app's log; goes on where an earlier control plane stood. */
  follow(output: Output): void {
    if (this.#followers.has(output.dynoId)) return;
    const log = this.#log(output.appId);
    const follower = new Follower(output, log, this.#clock, this.#journal, this.#limits, this.#buffer);
    this.#followers.set(output.dynoId, follower);
    this.#watch.add(output.path, () => follower.wake());
    follower.wake();
  }

  /** The dyno has exited: resolves when the rest of its output is in the log, and deletes the file. */
  async finish(dynoId: string): Promise<void> {
    const follower = this.#followers.get(dynoId);
    if (follower === undefined) return;
    this.#followers.delete(dynoId);
    this.#watch.delete(follower.output.path);
    await follower.finish();
  }

  /** What a log session shows; see `readLog`. */
  read(appId: string, filter: LogFilter, options: ReadOptions): AsyncGenerator<StoredLine> {
    return readLog(this.#log(appId), filter, options, this.#clock);
  }

  /** The newest lines of the stored log that match, oldest first; see `searchLog`. */
  async search(appId: string, wanted: LogSearch): Promise<FoundLine[]> {
    return await searchLog(this.#log(appId), wanted);
  }

  /** For a drain: the app's log behind the line `afterId`; null: what comes from now on. */
  async feed(appId: string, afterId: number | null): Promise<Feed> {
    return await Feed.open(this.#log(appId), afterId);
  }

  /** Resolves when every line that was emitted before is written. */
  async settled(appId: string): Promise<void> {
    await this.#log(appId).snapshot();
  }

  /** Where the app's log lies. */
  folderOf(appId: string): string {
    if (!isId(appId)) throw new Error(`not an app's id: ${appId}`);
    return join(this.#folder, appId);
  }

  /** The app is gone: deletes its log. */
  async remove(appId: string): Promise<void> {
    const log = this.#log(appId);
    for (const [dynoId, follower] of this.#followers) {
      if (follower.output.appId === appId) await this.finish(dynoId);
    }
    this.#removed.add(appId);
    this.#logs.delete(appId);
    await log.remove();
  }

  /** Stops reading, and writes what is still in memory. */
  async close(): Promise<void> {
    for (const cancel of this.#cancelTimers) cancel();
    this.#cancelTimers = [];
    this.#watch.close();
    await Promise.all([...this.#followers.values()].map((follower) => follower.close()));
    this.#followers.clear();
    await Promise.all([...this.#logs.values()].map((log) => log.close()));
    this.#logs.clear();
  }

  #log(appId: string): AppLog {
    const known = this.#logs.get(appId);
    if (known !== undefined) return known;
    const log = new AppLog(this.folderOf(appId), this.#clock, this.#journal, this.#room);
    this.#logs.set(appId, log);
    return log;
  }

  /** Lets go of the files of apps that are silent. What is used again is loaded again. */
  #forgetIdle(): void {
    const followed = new Set([...this.#followers.values()].map(({ output }) => output.appId));
    for (const [appId, log] of this.#logs) {
      if (followed.has(appId) || !log.isIdle) continue;
      this.#logs.delete(appId);
      void log.close();
    }
  }

  #every(milliseconds: number, action: () => void): void {
    let cancel = (): void => {};
    const next = (): void => {
      cancel = this.#clock.after(milliseconds, () => {
        action();
        next();
      });
    };
    next();
    this.#cancelTimers.push(() => cancel());
  }
}
