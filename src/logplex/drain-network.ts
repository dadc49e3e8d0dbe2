import { lookup } from "node:dns/promises";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { networkInterfaces } from "node:os";

/** The machine itself, its links, and addresses that are no host's. Other private networks may hold a log server. */
const NEVER = [
  "0.0.0.0/8",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "224.0.0.0/3",
  "::/128",
  "::1/128",
  "fe80::/10",
  "ff00::/8",
  // Embedded IPv4 addresses: translators would lead to the machine again.
  "64:ff9b::/96",
  "2002::/16",
];

export interface DrainNetworkOptions {
  /** Networks of the platform's own, such as the dynos' (`10.64.0.0/16`). */
  forbidden: readonly string[];
  /** Addresses and networks that the administrator opens, though they are the machine's own. */
  allowed: readonly string[];
}

/** A drain's URL leads to a place where drains must not go. */
class ForbiddenAddress extends Error {
  override name = "ForbiddenAddress";
}

/**
 * Which addresses drains may connect to: users name them, and the control plane connects from inside the machine. Names are resolved
 * here and the connection goes to the address that was looked at, so that a name that changes its mind leads nowhere else.
 */
export class DrainNetwork {
  readonly #forbidden: BlockList;
  readonly #allowed: BlockList;

  constructor({ forbidden, allowed }: DrainNetworkOptions) {
    this.#forbidden = blockList([...NEVER, ...forbidden]);
    this.#allowed = blockList(allowed);
  }

  /** Whether a connection to this IP address is allowed. */
  allows(address: string): boolean {
    // The lists see through IPv4 addresses in the clothes of IPv6 (`::ffff:7f00:1`).
    const family = familyOf(address);
    if (this.#allowed.check(address, family)) return true;
    return !this.#forbidden.check(address, family) && !blockList(ownAddresses()).check(address, family);
  }

  /** The addresses of a host that drains may go to, in the resolver's order. Throws a `ForbiddenAddress` when there is none. */
  async resolve(host: string): Promise<{ address: string; family: number }[]> {
    const found = isIP(host) === 0 ? await lookup(host, { all: true }) : [{ address: host, family: isIP(host) }];
    const open = found.filter(({ address }) => this.allows(address));
    if (open.length === 0) throw new ForbiddenAddress(`${host} is an address of this platform, where drains must not lead`);
    return open;
  }

  /** For `net.connect` and its kin. */
  get lookup(): LookupFunction {
    return (host, options, done) => void this.#look(host, options.all === true, done);
  }

  async #look(host: string, all: boolean, done: Parameters<LookupFunction>[2]): Promise<void> {
    let open: { address: string; family: number }[];
    try {
      open = await this.resolve(host);
    } catch (cause) {
      done(cause as Error, "");
      return;
    }
    if (all) done(null, open);
    else done(null, open[0]!.address, open[0]!.family);
  }
}

/** An IP address, or a network in CIDR notation. */
function parseNetwork(text: string): { address: string; family: "ipv4" | "ipv6"; bits: number } {
  const [address = "", bits] = text.split("/");
  const family = familyOf(address);
  return { address, family, bits: bits === undefined ? (family === "ipv4" ? 32 : 128) : Number(bits) };
}

function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const { address, bits, family } = parseNetwork(network);
    list.addSubnet(address, bits, family);
  }
  return list;
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}

/** Asked each time: addresses come and go. */
function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((links) => (links ?? []).map(({ address }) => address));
}
