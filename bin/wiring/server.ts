import { chmod, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { FastifyInstance } from "fastify";
import { MAX_HEADER_BYTES } from "../../src/api/server.ts";
import type { GitHandler } from "../../src/git/handler.ts";

/** Git's URLs are `/NAME.git/…`; everything else is the API's. */
const GIT_URL = /^\/[^/?]+\.git(\/|$)/;
/** Longer than the router keeps its connections, so that it is never the one to find them closed. */
const KEEP_ALIVE_MS = 120_000;

/** The control plane's HTTP server, on a Unix socket behind the router. */
export async function listen(
  socket: string,
  rooms: { api: FastifyInstance; git: GitHandler },
): Promise<{ close(): Promise<void> }> {
  const server = createServer(
    { maxHeaderSize: MAX_HEADER_BYTES, keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0 },
    (request, response) => {
      if (GIT_URL.test(request.url ?? "")) rooms.git.handle(request, response);
      else rooms.api.routing(request, response);
    },
  );
  // What a killed control plane has left would be taken for a listener.
  await rm(socket, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(socket, resolve);
  });
  await chmod(socket, 0o660);
  return {
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
