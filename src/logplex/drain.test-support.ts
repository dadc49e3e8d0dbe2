import { once } from "node:events";
import { createServer as createHttp, type IncomingHttpHeaders } from "node:http";
import { createServer as createHttps } from "node:https";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTls } from "node:tls";
import { type Clock, systemClock } from "../kernel/clock.ts";

/** The machine's clock, but nobody waits for long: back-off and looks at rows. */
export const hastyClock: Clock = {
  ...systemClock,
  sleep: async (milliseconds, signal) => await systemClock.sleep(Math.min(milliseconds, 20), signal),
};

/** The messages in a stream of octet-counted frames, and what is left of a torn one. */
function unframe(bytes: Buffer): { messages: string[]; rest: Buffer } {
  const messages: string[] = [];
  let rest = bytes;
  for (;;) {
    const space = rest.indexOf(0x20);
    const length = Number(rest.toString("latin1", 0, Math.max(space, 0)));
    if (space <= 0 || rest.length < space + 1 + length) return { messages, rest };
    messages.push(rest.toString("utf8", space + 1, space + 1 + length));
    rest = rest.subarray(space + 1 + length);
  }
}

/** A syslog server for TCP, or with a certificate for TLS. */
export class SyslogServer {
  readonly messages: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Takes connections, and reads nothing from them. */
  isDeaf = false;
  port = 0;

  constructor(certificate: { cert: string; key: string } | null = null) {
    const serve = (socket: Socket): void => this.#serve(socket);
    this.#server = certificate === null ? createServer(serve) : createTls(certificate, serve);
  }

  async listen(port = 0): Promise<void> {
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = (this.#server.address() as AddressInfo).port;
  }

  /** Dies: open connections are cut. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** The texts behind the head, which `texts` of a test are. */
  get texts(): string[] {
    return this.messages.map((message) => message.slice(message.indexOf(" - - ") + 5));
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => this.#sockets.delete(socket));
    if (this.isDeaf) return void socket.pause();
    let rest: Buffer = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      const read = unframe(Buffer.concat([rest, chunk]));
      rest = read.rest;
      this.messages.push(...read.messages);
    });
  }
}

/** What an HTTPS receiver was sent in one request. */
export interface Post {
  headers: IncomingHttpHeaders;
  body: string;
  messages: string[];
}

/** A receiver of Logplex's format; `statuses` are its next answers, 200 when there is none. */
export class HttpsServer {
  readonly posts: Post[] = [];
  readonly statuses: number[] = [];
  readonly #server;
  port = 0;

  constructor(certificate: { cert: string; key: string } | null = null) {
    this.#server = certificate === null ? createHttp() : createHttps(certificate);
    this.#server.on("request", (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const body = Buffer.concat(chunks);
        const status = this.statuses.shift() ?? 200;
        const { messages, rest } = unframe(body);
        if (rest.length > 0) throw new Error(`a torn frame: ${rest.toString()}`);
        if (status === 200) this.posts.push({ headers: request.headers, body: body.toString(), messages });
        response.writeHead(status).end();
      });
    });
  }

  async listen(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  get messages(): string[] {
    return this.posts.flatMap(({ messages }) => messages);
  }
}
