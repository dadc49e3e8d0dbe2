import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";

/** Why one of the TCP ports cannot be listened on, in words for the operator; null when all can. */
export async function explainBindFailure(ports: readonly number[]): Promise<string | null> {
  for (const port of ports) {
    const code = await bindError(port);
    if (code === "EADDRINUSE") {
      const holder = holderOf(port);
      return `Port ${port} is taken${holder === null ? "" : ` by ${holder}`}: end that program, or choose other ports with ZARPA_PORT and ZARPA_TLS_PORT.`;
    }
    if (code === "EACCES")
      return `Only root may listen on port ${port}: choose one above 1023 with ZARPA_PORT and ZARPA_TLS_PORT.`;
    if (code !== null) return `Port ${port} cannot be listened on: ${code}`;
  }
  return null;
}

async function bindError(port: number): Promise<string | null> {
  const server = createServer();
  return await new Promise((resolve) => {
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ port, host: "0.0.0.0", exclusive: true }, () => server.close(() => resolve(null)));
  });
}

const LISTENING = "0A";

/** `apache2 (process 812)`, as far as this user may see it. */
function holderOf(port: number): string | null {
  const inodes = new Set<string>();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of read(table).split("\n").slice(1)) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      if (state === LISTENING && inode !== undefined && Number.parseInt(local?.split(":")[1] ?? "", 16) === port)
        inodes.add(inode);
    }
  }
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    if (socketsOf(pid).some((inode) => inodes.has(inode))) return `${read(`/proc/${pid}/comm`).trim()} (process ${pid})`;
  }
  return null;
}

function socketsOf(pid: string): string[] {
  const folder = `/proc/${pid}/fd`;
  // Nothing of another user's process, nor of one that has just ended.
  const descriptors = orNull(() => readdirSync(folder)) ?? [];
  return descriptors.flatMap(
    (name) => /^socket:\[(\d+)\]$/.exec(orNull(() => readlinkSync(`${folder}/${name}`)) ?? "")?.[1] ?? [],
  );
}

function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

function read(file: string): string {
  return orNull(() => readFileSync(file, "utf8")) ?? "";
}
