import { rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";

const APP_ID = /^[A-Za-z0-9-]{1,64}$/;

/**
 * Listens to the router's news of sleeping apps that somebody asks for (`lua/zarpa/wake.lua`): ids, one a line, on a Unix socket. The same
 * wake may be told more than once.
 */
export async function listenForWakes(socketPath: string, onWake: (appId: string) => void): Promise<{ close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    // A worker that is reloaded goes without a farewell.
    socket.on("error", () => {});
    createInterface(socket).on("line", (line) => {
      if (APP_ID.test(line)) onWake(line);
    });
  });
  // What a killed control plane has left would be taken for a listener.
  await rm(socketPath, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(socketPath, resolve);
  });
  return {
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
