import { createSecureContext } from "node:tls";
import { type DrainAddress, parseDrainUrl } from "../contract/drain-url.ts";
import type { Clock } from "../kernel/clock.ts";
import type { Journal } from "../kernel/journal.ts";
import { Drain } from "./drain.ts";
import type { DrainCarrier } from "./drain-carrier.ts";
import { DrainNetwork, type DrainNetworkOptions } from "./drain-network.ts";
import { removePosition } from "./drain-position.ts";
import { HttpsCarrier } from "./https-carrier.ts";
import type { Logplex } from "./logplex.ts";
import type { DrainRecord, DrainStatus, DrainStore } from "./ports.ts";
import { SendQueues } from "./send-queue.ts";
import { SyslogCarrier } from "./syslog-carrier.ts";

/** The rows are looked at this often, whatever was said about them. */
const PASS_MILLISECONDS = 60_000;

export interface DrainsOptions {
  logplex: Logplex;
  store: DrainStore;
  network: DrainNetworkOptions;
  /** Authorities that receivers' certificates are held against, as PEM; null: Node's own. */
  authorities: string | null;
  clock: Clock;
  journal: Journal;
}

/** The log drains of all apps: compares the rows with what runs. */
export class Drains {
  readonly #options: DrainsOptions;
  readonly #network: DrainNetwork;
  readonly #queues: SendQueues;
  readonly #secureContext;
  readonly #running = new Map<string, { record: DrainRecord; drain: Drain }>();
  readonly #ended = new AbortController();
  #passing: Promise<void> = Promise.resolve();
  #passes: Promise<void> = Promise.resolve();

  constructor(options: DrainsOptions) {
    this.#options = options;
    this.#network = new DrainNetwork(options.network);
    this.#queues = new SendQueues(options.clock);
    // One for all: reading a bundle of authorities takes some milliseconds.
    this.#secureContext = createSecureContext(options.authorities === null ? {} : { ca: options.authorities });
  }

  start(): void {
    this.#passes = this.#passForEver();
  }

  /** Somebody has added or removed a drain of the app. Resolves when the rows are carried out; never rejects. */
  async changed(appId: string): Promise<void> {
    await this.#pass(appId);
  }

  /** Null: the drain does not run (yet). */
  status(drainId: string): DrainStatus | null {
    return this.#running.get(drainId)?.drain.status ?? null;
  }

  /** Why drains must not go there, in words for the user; null: they may. A name that nothing answers to may answer tomorrow. */
  async refusalOf(url: string): Promise<string | null> {
    const address = parseDrainUrl(url);
    if (address === null) return "Url is invalid";
    try {
      await this.#network.resolve(address.host);
      return null;
    } catch (cause) {
      return (cause as Error).name === "ForbiddenAddress" ? `Url is invalid: ${(cause as Error).message}.` : null;
    }
  }

  /** Ends the carrying; the next control plane goes on where it stood. */
  async close(): Promise<void> {
    this.#ended.abort();
    await this.#passes;
    await this.#passing;
    await Promise.all([...this.#running.values()].map(async ({ drain }) => await drain.stop()));
    this.#running.clear();
  }

  async #passForEver(): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted) {
      await this.#pass(null);
      await this.#options.clock.sleep(PASS_MILLISECONDS, signal).catch(() => {});
    }
  }

  /** One after the other, so that no drain is started twice. */
  async #pass(appId: string | null): Promise<void> {
    this.#passing = this.#passing.then(async () => {
      try {
        if (!this.#ended.signal.aborted) await this.#reconcile(appId);
      } catch (cause) {
        this.#options.journal.fault("drains", cause);
      }
    });
    await this.#passing;
  }

  async #reconcile(appId: string | null): Promise<void> {
    const { logplex, store } = this.#options;
    const records = new Map((await store.drains(appId)).map((record) => [record.id, record]));
    for (const [id, { record, drain }] of this.#running) {
      if (records.has(id) || (appId !== null && record.app_id !== appId)) continue;
      this.#running.delete(id);
      await drain.stop();
      await removePosition(logplex.folderOf(record.app_id), id);
    }
    for (const record of records.values()) {
      if (!this.#running.has(record.id)) await this.#begin(record);
    }
  }

  async #begin(record: DrainRecord): Promise<void> {
    const { logplex, clock, journal } = this.#options;
    const { id, app_id: appId, url } = record;
    const address = parseDrainUrl(url);
    if (address === null) return;
    const { protocol, host, pathname } = new URL(url);
    const drain = new Drain({
      id,
      shownUrl: `${protocol}//${host}${pathname}`,
      folder: logplex.folderOf(appId),
      open: async (afterId) => await logplex.feed(appId, afterId),
      carrier: this.#carrier(record, address),
      say: (message) => logplex.say({ appId, process: "logplex", message }),
      clock,
      journal,
    });
    await drain.start();
    this.#running.set(id, { record, drain });
  }

  #carrier({ url, token }: DrainRecord, address: DrainAddress): DrainCarrier {
    const { clock } = this.#options;
    const common = { address, token, network: this.#network, secureContext: this.#secureContext, clock };
    if (address.kind === "https") return new HttpsCarrier({ ...common, url });
    return new SyslogCarrier({ ...common, queues: this.#queues });
  }
}
