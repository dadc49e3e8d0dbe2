import { connect, type Socket } from "node:net";
import { connect as connectTls, type SecureContext } from "node:tls";
import type { DrainAddress } from "../contract/drain-url.ts";
import type { Clock } from "../kernel/clock.ts";
import type { DrainCarrier } from "./drain-carrier.ts";
import { syslogFrame } from "./drain-frame.ts";
import type { DrainNetwork } from "./drain-network.ts";
import type { SendQueues } from "./send-queue.ts";

const CONNECT_MILLISECONDS = 10_000;
/** A receiver that takes nothing for so long is given up, and connected to again. */
const STALL_MILLISECONDS = 60_000;
const WRITE_BYTES = 64 * 1024;
const FIRST_LOOK_MILLISECONDS = 2;
const LAST_LOOK_MILLISECONDS = 250;
const KEEP_ALIVE_MILLISECONDS = 60_000;

export interface SyslogOptions {
  address: DrainAddress;
  token: string;
  network: DrainNetwork;
  secureContext: SecureContext;
  queues: SendQueues;
  clock: Clock;
}

interface Connection {
  socket: Socket;
  /** Rejects when the connection ends, whoever ends it. */
  broken: Promise<never>;
}

/** Syslog over TCP or TLS with octet counting (RFC 6587, RFC 5425): one connection that stays open. */
export class SyslogCarrier implements DrainCarrier {
  readonly #options: SyslogOptions;
  #connection: Connection | null = null;

  constructor(options: SyslogOptions) {
    this.#options = options;
  }

  async deliver(texts: readonly string[], signal: AbortSignal): Promise<void> {
    const connection = (this.#connection ??= await this.#connect());
    const stop = (): void => void connection.socket.destroy(new Error("the drain was closed"));
    signal.addEventListener("abort", stop, { once: true });
    try {
      const bytes = Buffer.from(texts.map((text) => syslogFrame(text, this.#options.token)).join(""));
      for (let start = 0; start < bytes.length; start += WRITE_BYTES) {
        await this.#write(connection, bytes.subarray(start, start + WRITE_BYTES));
      }
      await this.#acknowledged(connection);
    } catch (cause) {
      this.close();
      throw cause;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  close(): void {
    this.#connection?.socket.destroy();
    this.#connection = null;
  }

  async #connect(): Promise<Connection> {
    const { address, network, secureContext } = this.#options;
    const { host, port, tls, verify } = address;
    // An address is connected to without a lookup.
    await network.resolve(host);
    const common = { host, port, lookup: network.lookup };
    const socket = tls
      ? connectTls({ ...common, secureContext, rejectUnauthorized: verify, servername: /[^\d.:]/.test(host) ? host : "" })
      : connect(common);
    socket.setKeepAlive(true, KEEP_ALIVE_MILLISECONDS);
    // Receivers do not talk; what one says is not kept.
    socket.resume();
    const ended = Promise.withResolvers<never>();
    ended.promise.catch(() => {});
    const end = (cause: Error): void => {
      ended.reject(cause);
      if (this.#connection?.socket === socket) this.#connection = null;
    };
    socket.on("error", end);
    socket.once("end", () => end(new Error("the receiver has closed the connection")));
    socket.once("close", () => end(new Error("the connection has ended")));
    socket.setTimeout(CONNECT_MILLISECONDS, () => socket.destroy(new Error(`no connection within ${CONNECT_MILLISECONDS} ms`)));
    const ready = new Promise<void>((resolve) => socket.once(tls ? "secureConnect" : "connect", resolve));
    await Promise.race([ready, ended.promise]);
    socket.setTimeout(0);
    return { socket, broken: ended.promise };
  }

  async #write({ socket, broken }: Connection, bytes: Buffer): Promise<void> {
    const { clock } = this.#options;
    const written = Promise.withResolvers<void>();
    const cancel = clock.after(STALL_MILLISECONDS, () => written.reject(stalled()));
    socket.write(bytes, (error) => (error ? written.reject(error) : written.resolve()));
    try {
      await Promise.race([written.promise, broken]);
    } finally {
      cancel();
      // The other one may still fail, and nobody waits for it here.
      written.promise.catch(() => {});
    }
  }

  /** Resolves when the receiver's machine has acknowledged every byte. */
  async #acknowledged({ socket, broken }: Connection): Promise<void> {
    const { clock, queues } = this.#options;
    let least = Infinity;
    let progressAt = clock.now().getTime();
    for (let pause = FIRST_LOOK_MILLISECONDS; ; pause = Math.min(pause * 2, LAST_LOOK_MILLISECONDS)) {
      const waiting = await Promise.race([queues.unacknowledged(socket), broken]);
      if (waiting === 0) return;
      const now = clock.now().getTime();
      if (waiting !== null && waiting < least) {
        progressAt = now;
        least = waiting;
      } else if (now - progressAt > STALL_MILLISECONDS) {
        throw stalled();
      }
      await Promise.race([clock.sleep(pause), broken]);
    }
  }
}

function stalled(): Error {
  return new Error(`the receiver has taken nothing for ${STALL_MILLISECONDS / 1000} s`);
}
