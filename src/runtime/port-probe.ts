import { readFileSync } from "node:fs";
import { listensOn } from "./host-process.ts";

/** However still the counts are, the table is read this often: one socket may have been closed as another one was opened. */
const LOOKS_BETWEEN_READINGS = 25;

interface Seen {
  sockets: string;
  looks: number;
}

/**
 * Asks for a bound port again and again, cheaply. The kernel's table of sockets is one for all network namespaces, and reading it takes
 * several milliseconds of a processor that the booting program could use; how many sockets a namespace has is read in some microseconds.
 */
export class PortProbe {
  readonly #seen = new Map<number, Seen>();

  /** As `listensOn`; seen at once where the number of sockets changes, within 25 questions otherwise. */
  async isListening(pid: number, port: number, addresses: readonly string[]): Promise<boolean> {
    const sockets = socketsOf(pid);
    const seen = this.#seen.get(pid);
    if (sockets === "0 0") return false;
    if (sockets !== null && seen?.sockets === sockets && seen.looks < LOOKS_BETWEEN_READINGS) {
      seen.looks += 1;
      return false;
    }
    const isBound = await listensOn(pid, port, addresses);
    if (isBound || sockets === null) this.#seen.delete(pid);
    else this.#seen.set(pid, { sockets, looks: 0 });
    return isBound;
  }
}

/** How many TCP sockets, of version 4 and 6, the process's network namespace has; null: that is not told. */
function socketsOf(pid: number): string | null {
  const old = /^TCP: inuse (\d+)/m.exec(readNow(`/proc/${pid}/net/sockstat`))?.[1];
  const six = /^TCP6: inuse (\d+)/m.exec(readNow(`/proc/${pid}/net/sockstat6`))?.[1] ?? "0";
  return old === undefined ? null : `${old} ${six}`;
}

/** No disk is asked: reading such a file takes less time than to wait for it. */
function readNow(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
