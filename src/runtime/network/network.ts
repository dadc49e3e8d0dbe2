import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { mustRun, runCommand } from "../../kernel/command.ts";
import type { Journal } from "../../kernel/journal.ts";
import { type FirewallFacts, firewallRemoval, firewallRules, forwardExceptions } from "./firewall.ts";
import { findResolvers, resolvConf } from "./resolvers.ts";
import { addressAt, chooseSubnet, gatewayOf, IndexPool, overlaps, type Subnet, subnetText } from "./subnet.ts";

const JOIN_HOOK = fileURLToPath(new URL("join.sh", import.meta.url));
const MAX_MTU = 1500;

/** A dyno's place in the network. `index` is what is written down to reserve it again after a restart. */
export interface Lease {
  index: number;
  address: string;
}

/** The network of one installation's containers. */
export interface DynoNetwork {
  readonly subnet: string;
  readonly gateway: string;
  take(): Lease;
  reserve(index: number): void;
  release(index: number): void;
  /** The command by which the OCI runtime links a new container: an executable and its argv. */
  hook(lease: Lease): { path: string; args: string[] };
  /** Text for the dyno's /etc/resolv.conf, of this moment; opens the way to name servers that have changed. */
  resolvConf(): Promise<string>;
  /** Takes the packet rules away; the links go with their containers. */
  remove(): Promise<void>;
}

/**
 * Prepares the host: chooses the subnet once (kept in `folder`/network.json), switches forwarding on, loads the packet rules. Harmless
 * when repeated, also while dynos run. Needs root, `ip`, `nft` and `nsenter`.
 */
export async function openNetwork(options: { folder: string; tag: string; journal: Journal }): Promise<DynoNetwork> {
  const { tag, journal } = options;
  const prefix = `z${tag}`;
  const subnet = await rememberedSubnet(join(options.folder, "network.json"), tag, prefix);
  const facts: FirewallFacts = {
    table: `zarpa_${tag}`,
    interfacePrefix: prefix,
    subnet: subnetText(subnet),
    resolvers: await findResolvers(),
  };
  await switchForwardingOn();
  await loadRules(firewallRules(facts));
  await letThroughForward(prefix, journal);
  const mtu = await uplinkMtu();
  const pool = new IndexPool(Date.now());
  return {
    subnet: facts.subnet,
    gateway: gatewayOf(subnet),
    take: () => {
      const index = pool.take();
      return { index, address: addressAt(subnet, index) };
    },
    reserve: (index) => pool.reserve(index),
    release: (index) => pool.release(index),
    hook: (lease) => ({
      path: "/bin/sh",
      args: ["sh", JOIN_HOOK, `${prefix}${lease.index.toString(36)}`, lease.address, gatewayOf(subnet), String(mtu)],
    }),
    resolvConf: async () => {
      const resolvers = await findResolvers();
      if (resolvers.join() !== facts.resolvers.join()) {
        facts.resolvers = resolvers;
        await loadRules(firewallRules(facts));
      }
      return resolvConf(resolvers);
    },
    remove: async () => {
      await loadRules(firewallRemoval(facts.table));
      for (const rule of forwardExceptions(prefix)) {
        await runCommand(["iptables", "-w", "-D", ...rule]).catch(() => null);
      }
    },
  };
}

async function rememberedSubnet(file: string, tag: string, prefix: string): Promise<Subnet> {
  const taken = await takenRanges(prefix);
  const text = await readFile(file, "utf8").catch(() => null);
  const remembered = text === null ? null : (JSON.parse(text) as Subnet);
  if (remembered !== null && !overlaps(remembered, taken)) return remembered;
  const subnet = chooseSubnet(tag, taken);
  await writeFile(file, `${JSON.stringify(subnet)}\n`);
  return subnet;
}

/** What the host routes, but for the links of our own dynos. */
async function takenRanges(prefix: string): Promise<string[]> {
  const { stdout } = await mustRun(["ip", "-json", "-4", "route", "show", "table", "all"]);
  const routes = JSON.parse(stdout) as { dst?: string; gateway?: string; dev?: string }[];
  const others = routes.filter((route) => route.dev?.startsWith(prefix) !== true);
  return others.flatMap((route) => [route.dst, route.gateway].filter((text) => text !== undefined));
}

async function switchForwardingOn(): Promise<void> {
  const file = "/proc/sys/net/ipv4/ip_forward";
  if ((await readFile(file, "utf8")).trim() !== "1") await writeFile(file, "1");
}

async function loadRules(rules: string): Promise<void> {
  await mustRun(["nft", "-f", "-"], { input: rules });
}

async function letThroughForward(prefix: string, journal: Journal): Promise<void> {
  const chain = await runCommand(["iptables", "-w", "-S", "FORWARD"]).catch(() => null);
  // No iptables on the host, or nobody uses it: nothing to pass.
  if (chain === null || chain.exitCode !== 0 || chain.stdout.trim() === "-P FORWARD ACCEPT") return;
  for (const rule of forwardExceptions(prefix)) {
    const there = await runCommand(["iptables", "-w", "-C", ...rule]);
    if (there.exitCode === 0) continue;
    const added = await runCommand(["iptables", "-w", "-I", ...rule]);
    if (added.exitCode !== 0) journal.fault("network.forward", added.stderr, { rule: rule.join(" ") });
  }
}

async function uplinkMtu(): Promise<number> {
  const { stdout } = await mustRun(["ip", "-json", "-4", "route", "show", "default"]);
  const device = (JSON.parse(stdout) as { dev?: string }[])[0]?.dev;
  if (device === undefined) return MAX_MTU;
  const text = await readFile(join("/sys/class/net", device, "mtu"), "utf8").catch(() => "");
  return Math.min(MAX_MTU, Number(text) || MAX_MTU);
}
