import { createServer, type Server, type TLSSocket } from "node:tls";
import type { Clock } from "../kernel/clock.ts";
import { tokenDigest } from "../kernel/ids.ts";
import type { Journal } from "../kernel/journal.ts";
import { runSession } from "./attach-session.ts";
import type { AttachedDyno } from "./ports.ts";

/** A dyno that a client may attach to, once. */
export interface Attachable {
  hasTerminal: boolean;
  /** Starts the program; null when that failed, and the log says why. */
  attach(): Promise<AttachedDyno | null>;
  onDetached(): void;
}

export interface RendezvousOptions {
  port: number;
  /** PEM. */
  cert: string;
  key: string;
  clock: Clock;
  journal: Journal;
  /** The dyno that waits for the client with this secret (its SHA-256); null: unknown. */
  claim(digest: Buffer): Promise<Attachable | null>;
}

/** The secret and its line break; `heroku run` sends 34 characters. */
const MAX_LINE_BYTES = 1_024;
const LINE_MILLISECONDS = 10_000;
const HANDSHAKE_MILLISECONDS = 10_000;
const MAX_CONNECTIONS = 1_000;

/** Opens the TLS server that `heroku run` connects to; `close` ends all connections. */
export async function openRendezvous(options: RendezvousOptions): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<TLSSocket>();
  const server: Server = createServer(
    { cert: options.cert, key: options.key, handshakeTimeout: HANDSHAKE_MILLISECONDS, noDelay: true },
    (socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      // Whatever goes wrong on the wire is a hang-up, which the session hears of.
      socket.on("error", () => {});
      serve(socket, options).catch((cause: unknown) => {
        socket.destroy();
        options.journal.fault("runtime.rendezvous", cause);
      });
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, resolve);
  });
  server.on("error", (cause) => options.journal.fault("runtime.rendezvous", cause));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : options.port,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function serve(socket: TLSSocket, { claim, clock }: RendezvousOptions): Promise<void> {
  const first = await readLine(socket, clock);
  const attachable = first === null ? null : await claim(tokenDigest(secretOf(first.line)));
  const dyno = (await attachable?.attach()) ?? null;
  if (first === null || attachable === null || dyno === null) {
    socket.destroy();
    return;
  }
  const { hasTerminal, onDetached } = attachable;
  await runSession({ socket, dyno, hasTerminal, early: first.rest, clock, onDetached });
}

/** `SECRET[?query]`. */
function secretOf(line: string): string {
  return line.split("?", 1)[0] ?? "";
}

/** The first line, and what came with it; the socket is paused then. Null: there was none in time. */
async function readLine(socket: TLSSocket, clock: Clock): Promise<{ line: string; rest: Buffer } | null> {
  return await new Promise((resolve) => {
    let bytes = Buffer.alloc(0);
    const done = (result: { line: string; rest: Buffer } | null): void => {
      cancel();
      socket.pause();
      socket.off("data", take);
      socket.off("close", gone);
      resolve(result);
    };
    const gone = (): void => done(null);
    const take = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      const end = bytes.indexOf("\r\n");
      if (end !== -1) done({ line: bytes.toString("utf8", 0, end), rest: bytes.subarray(end + 2) });
      else if (bytes.length > MAX_LINE_BYTES) done(null);
    };
    const cancel = clock.after(LINE_MILLISECONDS, gone);
    socket.on("data", take);
    socket.on("close", gone);
  });
}
