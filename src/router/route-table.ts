import { rename, writeFile } from "node:fs/promises";
import type { Clock } from "../kernel/clock.ts";
import type { Journal } from "../kernel/journal.ts";
import type { Feed } from "./feed.ts";
import { appIdOf, goneLine, type Route, routeLine } from "./route-line.ts";

const RETRY_MILLISECONDS = 50;
const SNAPSHOT_MILLISECONDS = 300;

/**
 * The control plane's copy of nginx's route table. Changes go out one request at a time, what comes meanwhile travels together in the
 * next; while nginx is away they wait. After each change the snapshot is written from which a restarted nginx reads its routes.
 */
export class RouteTable {
  readonly #feed: Feed;
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #snapshot: string;
  /** Wanted lines by app id. */
  #lines = new Map<string, string>();
  /** App ids whose line nginx does not have yet. */
  #unsent = new Set<string>();
  /** Nothing is known of what nginx has: the next request carries the whole table. */
  #sendWhole = false;
  #failing = false;
  #sending: Promise<void> | null = null;
  #closed = false;
  #writing: Promise<void> = Promise.resolve();
  #cancelWrite: (() => void) | null = null;

  constructor(options: { feed: Feed; clock: Clock; journal: Journal; snapshot: string }) {
    this.#feed = options.feed;
    this.#clock = options.clock;
    this.#journal = options.journal;
    this.#snapshot = options.snapshot;
  }

  /** What nginx has already, taken over by a new control plane. The snapshot may be older: the one before may have died before it wrote. */
  adopt(lines: readonly string[]): void {
    for (const line of lines) if (!this.#lines.has(appIdOf(line))) this.#lines.set(appIdOf(line), line);
    this.#writeSoon();
  }

  async publish(route: Route): Promise<void> {
    const line = this.#lineOf(route);
    if (line === null || this.#lines.get(route.app.id) === line) return await this.#flush();
    this.#lines.set(route.app.id, line);
    this.#unsent.add(route.app.id);
    await this.#flush();
  }

  async withdraw(appId: string): Promise<void> {
    if (!this.#lines.delete(appId)) return;
    this.#unsent.add(appId);
    await this.#flush();
  }

  async replaceAll(routes: readonly Route[]): Promise<void> {
    this.#lines = new Map();
    for (const route of routes) {
      const line = this.#lineOf(route);
      if (line !== null) this.#lines.set(route.app.id, line);
    }
    await this.send();
  }

  /** Sends everything again, to an nginx that may have lost some. */
  async send(): Promise<void> {
    this.#sendWhole = true;
    await this.#flush();
  }

  /** Gives up what could not be sent, and writes the snapshot. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#sending;
    if (this.#cancelWrite !== null) {
      this.#cancelWrite();
      this.#write();
    }
    await this.#writing;
  }

  #lineOf(route: Route): string | null {
    try {
      const { line, problems } = routeLine(route);
      if (problems.length > 0) this.#journal.note("router.left_out", { app: route.app, problems });
      return line;
    } catch (cause) {
      this.#journal.fault("router.route", cause);
      return null;
    }
  }

  get #isBehind(): boolean {
    return !this.#closed && (this.#sendWhole || this.#unsent.size > 0);
  }

  async #flush(): Promise<void> {
    while (this.#isBehind || this.#sending !== null) {
      this.#sending ??= this.#sendBatch().finally(() => {
        this.#sending = null;
      });
      await this.#sending;
    }
  }

  async #sendBatch(): Promise<void> {
    const whole = this.#sendWhole;
    const batch = [...this.#unsent];
    this.#sendWhole = false;
    this.#unsent.clear();
    try {
      if (whole) await this.#feed.replace([...this.#lines.values()]);
      else await this.#feed.change(batch.map((id) => this.#lines.get(id) ?? goneLine(id)));
      this.#failing = false;
      this.#writeSoon();
    } catch (cause) {
      if (!this.#failing) this.#journal.fault("router.feed", cause);
      this.#failing = true;
      this.#sendWhole ||= whole;
      for (const id of batch) this.#unsent.add(id);
      await this.#clock.sleep(RETRY_MILLISECONDS);
    }
  }

  #writeSoon(): void {
    this.#cancelWrite ??= this.#clock.after(SNAPSHOT_MILLISECONDS, () => this.#write());
  }

  #write(): void {
    this.#cancelWrite = null;
    this.#writing = this.#writing.then(async () => {
      try {
        const draft = `${this.#snapshot}.new`;
        await writeFile(draft, [...this.#lines.values(), ""].join("\n"), { mode: 0o600 });
        await rename(draft, this.#snapshot);
      } catch (cause) {
        this.#journal.fault("router.snapshot", cause);
      }
    });
  }
}
