import { once } from "node:events";
import type { Writable } from "node:stream";
import type { Clock } from "../kernel/clock.ts";
import { FLUSH, packet } from "./packet.ts";

const REPORT_BAND = 1;
const PROGRESS_BAND = 2;
/** side-band-64k: a packet of 65,520 bytes less its length and the band's number. */
const LARGEST_PIECE_BYTES = 65_515;
/** As git's receive.keepAlive. */
const KEEP_ALIVE_MILLISECONDS = 5_000;

/**
 * What the pushing client sees: text on side band 2 at once (git prefixes it with `remote: `), a keep-alive in every silence, and at
 * the end the report on band 1. Writing to a client that has gone is no error: the push goes on without it.
 */
export class PushOutput {
  readonly #response: Writable;
  readonly #clock: Clock;
  readonly #bands: boolean;
  readonly #report: boolean;
  readonly #left = new AbortController();
  #stopKeepAlive: () => void = () => {};
  #endsLine = true;

  constructor(response: Writable, capabilities: ReadonlySet<string>, clock: Clock) {
    this.#response = response;
    this.#clock = clock;
    this.#bands = capabilities.has("side-band-64k");
    this.#report = capabilities.has("report-status");
    response.on("error", () => this.#left.abort());
    response.on("close", () => this.#left.abort());
    this.#armKeepAlive();
  }

  /** Whether the client has hung up. */
  get abandoned(): boolean {
    return this.#left.signal.aborted;
  }

  /** Progress, passed on at once. */
  async text(text: string | Buffer): Promise<void> {
    const bytes = typeof text === "string" ? Buffer.from(text) : text;
    if (bytes.length === 0) return;
    this.#endsLine = bytes.at(-1) === 0x0a;
    await this.#send(PROGRESS_BAND, bytes);
  }

  /** Text that begins a new line, wherever the output stands. */
  async complaint(text: string): Promise<void> {
    await this.text(this.#endsLine ? text : `\n${text}`);
  }

  /** The outcome of each command (null: done, text: why not), and the end of the response. */
  async end(unpacked: string, outcomes: readonly { ref: string; refused: string | null }[]): Promise<void> {
    this.#stopKeepAlive();
    if (this.abandoned) return;
    if (this.#report) {
      const lines = [packet(`unpack ${unpacked}\n`)];
      for (const { ref, refused } of outcomes) lines.push(packet(refused === null ? `ok ${ref}\n` : `ng ${ref} ${refused}\n`));
      const report = Buffer.concat([...lines, FLUSH]);
      if (this.#bands) await this.#send(REPORT_BAND, report);
      else await this.#write(report);
    }
    this.#stopKeepAlive();
    this.#response.end(this.#bands ? FLUSH : undefined);
  }

  async #send(band: number, bytes: Buffer): Promise<void> {
    if (!this.#bands) return;
    this.#armKeepAlive();
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += LARGEST_PIECE_BYTES) {
      pieces.push(packet(Buffer.concat([Buffer.of(band), bytes.subarray(at, at + LARGEST_PIECE_BYTES)])));
    }
    await this.#write(Buffer.concat(pieces));
  }

  async #write(bytes: Buffer): Promise<void> {
    if (this.abandoned || this.#response.write(bytes)) return;
    // A client that reads slowly slows its own output down, nothing else; one that leaves frees us at once.
    await once(this.#response, "drain", { signal: this.#left.signal }).catch(() => {});
  }

  #armKeepAlive(): void {
    this.#stopKeepAlive();
    if (!this.#bands || this.abandoned) return;
    this.#stopKeepAlive = this.#clock.after(KEEP_ALIVE_MILLISECONDS, () => {
      if (this.abandoned) return;
      this.#response.write(packet(Buffer.of(PROGRESS_BAND)));
      this.#armKeepAlive();
    });
  }
}
