import type { Clock } from "../kernel/clock.ts";
import type { Journal } from "../kernel/journal.ts";
import { type DrainCarrier, isCertificateProblem, Rejection } from "./drain-carrier.ts";
import { type DrainPosition, readPosition, writePosition } from "./drain-position.ts";
import type { Feed } from "./feed.ts";
import { originOf, stampOf, textOf } from "./line.ts";
import type { DrainStatus } from "./ports.ts";

/** Heroku's buffer for a drain: so many messages are on their way at once. All others wait in the app's stored log. */
const BUFFER_MESSAGES = 1_024;
const FIRST_PAUSE_MILLISECONDS = 500;
const LAST_PAUSE_MILLISECONDS = 60_000;

export interface DrainOptions {
  id: string;
  /** Without user and password: for messages. */
  shownUrl: string;
  /** The app's log folder, where the position is kept. */
  folder: string;
  /** Opens the app's log behind the line `afterId`; null: at its end. */
  open: (afterId: number | null) => Promise<Feed>;
  carrier: DrainCarrier;
  /** A line for the app's log, from `heroku[logplex]`. */
  say: (message: string) => void;
  clock: Clock;
  journal: Journal;
}

/**
 * Carries an app's log to one receiver, in order, from where it stood when an earlier control plane died. A line counts as delivered when
 * the receiver has acknowledged it; until then it comes again, so that a receiver may see some twice, but loses none. Lines that the
 * log no longer holds when their turn comes, and such as the receiver rejects, are counted in an L10 message.
 */
export class Drain {
  readonly #options: DrainOptions;
  readonly #ended = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #position: DrainPosition = { lastId: 0, dropped: 0, droppedSince: null };
  #failingSince: Date | null = null;
  #lastError: string | null = null;
  #lastDeliveryAt: Date;
  #delivered = 0;
  #droppedInAll = 0;

  constructor(options: DrainOptions) {
    this.#options = options;
    this.#lastDeliveryAt = options.clock.now();
  }

  get status(): DrainStatus {
    return {
      state: this.#failingSince === null ? "ok" : "retrying",
      lastError: this.#lastError,
      delivered: this.#delivered,
      dropped: this.#droppedInAll,
    };
  }

  /** Resolves when the position is fixed: what comes into the log from then on is carried. */
  async start(): Promise<void> {
    const { open, folder, id, journal } = this.#options;
    const known = await readPosition(folder, id);
    const feed = await open(known?.lastId ?? null);
    this.#position = { lastId: feed.lastId, dropped: known?.dropped ?? 0, droppedSince: known?.droppedSince ?? null };
    if (known === null) await writePosition(folder, id, this.#position);
    this.#running = this.#carryAll(feed).catch((cause: unknown) => journal.fault("drain", cause, { drain_id: id }));
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    this.#options.carrier.close();
    await this.#running;
  }

  async #carryAll(feed: Feed): Promise<void> {
    const { folder, id } = this.#options;
    const { signal } = this.#ended;
    try {
      for (;;) {
        const next = await feed.next(BUFFER_MESSAGES, signal);
        if (next === null) return;
        if (next.missed > 0) this.#drop(next.missed);
        const { lines } = next;
        const lost = this.#position.dropped;
        const texts = lost > 0 ? [this.#overflow(), ...lines.map(({ text }) => text)] : lines.map(({ text }) => text);
        const isTaken = await this.#carry(texts);
        if (isTaken === null) return;
        this.#position.lastId = lines.at(-1)!.id;
        if (isTaken) {
          this.#delivered += lines.length;
          Object.assign(this.#position, { dropped: 0, droppedSince: null });
        } else {
          this.#drop(lines.length);
        }
        await writePosition(folder, id, this.#position);
      }
    } finally {
      await feed.close();
    }
  }

  /** True: delivered; false: the receiver rejects these; null: the drain is stopped. */
  async #carry(texts: readonly string[]): Promise<boolean | null> {
    const { carrier, clock } = this.#options;
    const { signal } = this.#ended;
    for (let pause = FIRST_PAUSE_MILLISECONDS; ; pause = Math.min(pause * 2, LAST_PAUSE_MILLISECONDS)) {
      try {
        await carrier.deliver(texts, signal);
        this.#failingSince = null;
        this.#lastDeliveryAt = clock.now();
        return true;
      } catch (cause) {
        if (signal.aborted) return null;
        this.#failed(cause);
        if (cause instanceof Rejection) return false;
      }
      await clock.sleep(pause, signal).catch(() => {});
      if (signal.aborted) return null;
    }
  }

  #failed(cause: unknown): void {
    const { clock, journal, id, shownUrl, say } = this.#options;
    this.#lastError = cause instanceof Error ? cause.message : String(cause);
    if (this.#failingSince !== null) return;
    this.#failingSince = clock.now();
    journal.note("drain.failing", { drain_id: id, url: shownUrl, reason: this.#lastError });
    if (isCertificateProblem(cause)) {
      say(`Error L14 (certificate validation): error="${this.#lastError.replaceAll(/["\n]/g, "'")}" uri="${shownUrl}"`);
    }
  }

  #drop(lines: number): void {
    this.#position.dropped += lines;
    this.#position.droppedSince ??= this.#lastDeliveryAt.toISOString();
    this.#droppedInAll += lines;
  }

  #overflow(): string {
    const { dropped, droppedSince } = this.#position;
    const message = `Error L10 (output buffer overflow): ${dropped} messages dropped since ${droppedSince}.`;
    return textOf(stampOf(this.#options.clock.now()), originOf("heroku", "logplex"), message);
  }
}
