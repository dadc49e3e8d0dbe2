import { rename, writeFile } from "node:fs/promises";
import type { Clock } from "../kernel/clock.ts";
import type { Journal } from "../kernel/journal.ts";
import type { Secret } from "../kernel/secret.ts";
import type { Feed } from "./feed.ts";

/** A certificate and the custom domains that it is served for. PEM; the server's own certificate comes first in the chain. */
export interface RouterCertificate {
  id: string;
  hosts: string[];
  chain: string;
  key: Secret;
}

const RETRY_MILLISECONDS = 100;
const ID = /^[A-Za-z0-9-]+$/;
const HOST = /^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/;

/**
 * The control plane's side of nginx's certificates: all of them at once, for they change rarely. They are also written to a file that
 * only its owner may read, from which a restarted nginx takes them before it gives up its rights.
 */
export class CertificateTable {
  readonly #feed: Feed;
  readonly #clock: Clock;
  readonly #journal: Journal;
  readonly #file: string;
  #wanted: string[] | null = null;
  #sending: Promise<void> | null = null;
  #closed = false;

  constructor(options: { feed: Feed; clock: Clock; journal: Journal; file: string }) {
    this.#feed = options.feed;
    this.#clock = options.clock;
    this.#journal = options.journal;
    this.#file = options.file;
  }

  /** Makes these the only certificates; resolves when nginx serves them. */
  async replace(certificates: readonly RouterCertificate[]): Promise<void> {
    this.#wanted = certificates.map(lineOf);
    while (this.#wanted !== null || this.#sending !== null) {
      this.#sending ??= this.#send().finally(() => {
        this.#sending = null;
      });
      await this.#sending;
    }
  }

  /** Gives up what could not be sent. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#sending;
  }

  async #send(): Promise<void> {
    const lines = this.#wanted;
    if (lines === null) return;
    this.#wanted = null;
    try {
      const draft = `${this.#file}.new`;
      await writeFile(draft, lines.join("\n"), { mode: 0o600 });
      await rename(draft, this.#file);
      await this.#feed.certificates(lines);
    } catch (cause) {
      this.#journal.fault("router.certificates", cause);
      if (this.#closed) return;
      this.#wanted ??= lines;
      await this.#clock.sleep(RETRY_MILLISECONDS);
    }
  }
}

function lineOf({ id, hosts, chain, key }: RouterCertificate): string {
  if (!ID.test(id) || !hosts.every((host) => HOST.test(host))) throw new Error(`the certificate ${id} is for no hosts`);
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  return `id=${id} hosts=${hosts.join(",")} chain=${base64(chain)} key=${base64(key.reveal())}`;
}
