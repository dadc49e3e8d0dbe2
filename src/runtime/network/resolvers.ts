import { readFile } from "node:fs/promises";

/** Where a stub resolver on the host keeps the list of the real ones: systemd-resolved, NetworkManager. */
const UPSTREAM_FILES = ["/run/systemd/resolve/resolv.conf", "/run/NetworkManager/no-stub-resolv.conf"];

/** Used only when the host's own list names nothing that a dyno could reach (Cloudflare, Quad9). */
const PUBLIC_RESOLVERS = ["1.1.1.1", "9.9.9.9"];

/** resolv.conf(5): at most three name servers are asked. */
const MAX_RESOLVERS = 3;

/** The IPv4 name servers in the text of a resolv.conf that can be reached from another network namespace. */
export function reachableResolvers(text: string): string[] {
  const found: string[] = [];
  for (const line of text.split("\n")) {
    const address = /^\s*nameserver\s+(\d+\.\d+\.\d+\.\d+)\s*$/.exec(line)?.[1];
    if (address !== undefined && !address.startsWith("127.") && address !== "0.0.0.0") found.push(address);
  }
  return [...new Set(found)].slice(0, MAX_RESOLVERS);
}

/** The name servers for dynos: the host's, looked up behind a stub on 127.0.0.x, or public ones. */
export async function findResolvers(files: readonly string[] = ["/etc/resolv.conf", ...UPSTREAM_FILES]): Promise<string[]> {
  for (const file of files) {
    const text = await readFile(file, "utf8").catch(() => "");
    const resolvers = reachableResolvers(text);
    if (resolvers.length > 0) return resolvers;
  }
  return PUBLIC_RESOLVERS;
}

/** A dyno's /etc/resolv.conf. */
export function resolvConf(resolvers: readonly string[]): string {
  return `${resolvers.map((address) => `nameserver ${address}`).join("\n")}\n`;
}
