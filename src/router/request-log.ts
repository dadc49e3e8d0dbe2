import { readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../kernel/clock.ts";
import type { Journal } from "../kernel/journal.ts";
import { ROUTER_FILES } from "./configuration.ts";
import { LogFile } from "./log-file.ts";
import { type Cut, cutLine, type RequestLine, requestLine } from "./request-line.ts";

export interface RequestLogOptions {
  /** The router's folder. */
  folder: string;
  clock: Clock;
  journal: Journal;
  /** Is given the requests in nginx's order; those of a call that throws come again. */
  onRequests: (requests: RequestLine[]) => void | Promise<void>;
  /** Tells nginx to open its logs anew. */
  reopenLogs: () => void;
  /** Size at which a log file is set aside; the one before it is deleted. */
  maxBytes?: number;
}

const POLL_MILLISECONDS = 100;
const MAX_BYTES = 32 * 1024 * 1024;
/** nginx's workers write to the renamed file until the signal has reached them. */
const REOPEN_MILLISECONDS = 5_000;
/** How much of the error log is read again at the start, for the requests that a former control plane did not get to. */
const ERROR_BACKLOG_BYTES = 256 * 1024;
/** What the error log said is forgotten after one to two of these: the request's own line comes within a second. */
const CUTS_MILLISECONDS = 3_000;

type Positions = { inode: number; offset: number }[];

/**
 * Follows nginx's request log and turns it into Heroku's router lines. How far it has come is kept in a file, so that a control plane
 * that starts again goes on where the last one stopped; nginx writes meanwhile.
 */
export class RequestLog {
  readonly #options: RequestLogOptions;
  readonly #path: string;
  readonly #errorPath: string;
  readonly #ending = new AbortController();
  #running: Promise<void> = Promise.resolve();
  /** The file set aside last, as long as something may come in it, then the present one. */
  #files: LogFile[] = [];
  #errors: LogFile | null = null;
  #cuts = new Map<string, Cut>();
  #formerCuts = new Map<string, Cut>();
  #cutsSince = 0;
  #setAsideAt = 0;

  constructor(options: RequestLogOptions) {
    this.#options = options;
    this.#path = join(options.folder, ROUTER_FILES.requests);
    this.#errorPath = join(options.folder, ROUTER_FILES.errors);
  }

  start(): void {
    this.#running = this.#follow();
  }

  /** Reads what is there and ends. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  async #follow(): Promise<void> {
    const { clock, journal } = this.#options;
    const positions = await this.#readPositions();
    for (let last = false; !last;) {
      last = this.#ending.signal.aborted;
      try {
        await this.#pass(positions);
      } catch (cause) {
        journal.fault("router.requests", cause);
      }
      if (!last) await clock.sleep(POLL_MILLISECONDS, this.#ending.signal).catch(() => {});
    }
    for (const file of [...this.#files, this.#errors]) await file?.close();
  }

  async #pass(positions: Positions): Promise<void> {
    const known = (inode: number): number | null => positions.find((position) => position.inode === inode)?.offset ?? null;
    if (this.#files.length === 0) {
      const former = await LogFile.open(`${this.#path}.1`, known);
      const present = await LogFile.open(this.#path, (inode, size) => {
        const offset = known(inode) ?? 0;
        return offset > size ? 0 : offset;
      });
      this.#files = [former, present].filter((file) => file !== null);
      this.#setAsideAt = this.#now();
    }
    for (const file of this.#files) await this.#read(file);
    await this.#turnOver();
  }

  async #read(file: LogFile): Promise<void> {
    for (;;) {
      const { lines, bytes } = await file.next();
      if (bytes === 0) return;
      // After the requests: what the error log says of them was written before.
      await this.#readErrors();
      const requests = lines
        .map((line) => requestLine(line, (connection) => this.#takeCut(connection)))
        .filter((request) => request !== null);
      if (requests.length > 0) await this.#options.onRequests(requests);
      file.offset += bytes;
      await this.#writePositions();
    }
  }

  /** Once: the other requests of an HTTP/2 connection were not cut. */
  #takeCut(connection: string): Cut | null {
    for (const cuts of [this.#cuts, this.#formerCuts]) {
      const cut = cuts.get(connection);
      if (cuts.delete(connection) && cut !== undefined) return cut;
    }
    return null;
  }

  async #readErrors(): Promise<void> {
    this.#errors ??= await LogFile.open(this.#errorPath, (_, size) => Math.max(0, size - ERROR_BACKLOG_BYTES));
    if (this.#errors === null) return;
    if (this.#now() - this.#cutsSince > CUTS_MILLISECONDS) {
      this.#formerCuts = this.#cuts;
      this.#cuts = new Map();
      this.#cutsSince = this.#now();
    }
    for (;;) {
      const { lines, bytes } = await this.#errors.next();
      if (bytes === 0) return;
      this.#errors.offset += bytes;
      for (const line of lines) {
        const about = cutLine(line);
        if (about !== null) this.#cuts.set(about.connection, about.cut);
      }
    }
  }

  /** Sets full files aside, and follows nginx to the new ones. */
  async #turnOver(): Promise<void> {
    const { reopenLogs, maxBytes = MAX_BYTES } = this.#options;
    const present = this.#files.at(-1);
    if (this.#files.length === 2 && this.#now() - this.#setAsideAt > REOPEN_MILLISECONDS) await this.#files.shift()?.close();
    if (present !== undefined && (await inodeOf(this.#path)) !== present.inode) {
      const next = await LogFile.open(this.#path, () => 0);
      if (next === null) {
        reopenLogs();
      } else {
        for (const old of this.#files.splice(0, this.#files.length - 1)) await old.close();
        this.#files.push(next);
        this.#setAsideAt = this.#now();
      }
    } else if (present !== undefined && this.#files.length === 1 && present.offset > maxBytes) {
      await rename(this.#path, `${this.#path}.1`);
      reopenLogs();
    }
    if (this.#errors === null) return;
    if ((await inodeOf(this.#errorPath)) !== this.#errors.inode) {
      await this.#errors.close();
      this.#errors = await LogFile.open(this.#errorPath, () => 0);
    } else if ((await this.#errors.size()) > maxBytes) {
      await rename(this.#errorPath, `${this.#errorPath}.1`);
      reopenLogs();
    }
  }

  #now(): number {
    return this.#options.clock.now().getTime();
  }

  async #readPositions(): Promise<Positions> {
    try {
      return JSON.parse(await readFile(`${this.#path}.position`, "utf8")) as Positions;
    } catch {
      // The first start, or a file that a power cut left empty: from the beginning.
      return [];
    }
  }

  async #writePositions(): Promise<void> {
    const draft = `${this.#path}.position.new`;
    const positions: Positions = this.#files.map(({ inode, offset }) => ({ inode, offset }));
    await writeFile(draft, JSON.stringify(positions), { mode: 0o600 });
    await rename(draft, `${this.#path}.position`);
  }
}

async function inodeOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).ino;
  } catch {
    return null;
  }
}
