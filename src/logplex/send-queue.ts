import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";
import type { Clock } from "../kernel/clock.ts";

const REST_SHARE = 4;

/**
 * How many bytes of a TCP connection the other machine has not acknowledged, from the kernel's tables. A written line is in the
 * kernel's hands only; without this, a receiver that dies takes a buffer full of lines with it that nobody would send again.
 */
export class SendQueues {
  readonly #clock: Clock;
  #present: Promise<unknown> = Promise.resolve();
  #next: Promise<string> | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Null: the tables do not show the connection; a reading may miss one while others come and go. */
  async unacknowledged({ localPort = 0, remotePort = 0 }: Socket): Promise<number | null> {
    const row = new RegExp(`:${hex(localPort)} [0-9A-F]+:${hex(remotePort)} [0-9A-F]{2} ([0-9A-F]{8}):`).exec(await this.#read());
    return row === null ? null : Number.parseInt(row[1]!, 16);
  }

  /** Connections that ask while the tables are read share the next reading: the present one may be older than what they have written. */
  async #read(): Promise<string> {
    this.#next ??= this.#present.then(async () => {
      this.#next = null;
      const began = performance.now();
      const reading = readTables();
      // The tables of a busy machine are long: they are read for a fifth of the time at most.
      this.#present = reading.then(async () => await this.#clock.sleep((performance.now() - began) * REST_SHARE));
      return await reading;
    });
    return await this.#next;
  }
}

async function readTables(): Promise<string> {
  const tables = ["tcp", "tcp6"].map(async (name) => await readFile(`/proc/self/net/${name}`, "latin1").catch(() => ""));
  return (await Promise.all(tables)).join("");
}

function hex(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, "0");
}
