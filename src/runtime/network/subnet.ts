import { createHash } from "node:crypto";

/** A private /16 for one installation's dynos, as its two leading numbers. */
export interface Subnet {
  first: number;
  second: number;
}

/** Index of the gateway: `a.b.0.1`, an address of the host on every dyno's link. */
const GATEWAY_INDEX = 1;
const FIRST_DYNO_INDEX = 16;
const LAST_DYNO_INDEX = 65_500;

/** Room for the dynos: 10.64.0.0/16 to 10.191.0.0/16, away from the beginnings that routers and Docker like. */
const SECOND_FROM = 64;
const SECOND_COUNT = 128;

/** A short name of this installation for interfaces, cgroups and firewall tables, so that two of them do not clash. */
export function installationTag(folder: string): string {
  return createHash("sha256").update(folder).digest("hex").slice(0, 6);
}

/**
 * The first private /16, counted from one that depends on the installation's tag, that overlaps none of the host's routes
 * and addresses (`10.0.0.0/8`, `192.168.1.4/24`, …; `default` and 0.0.0.0/0 do not count). Throws when all are taken.
 */
export function chooseSubnet(tag: string, taken: readonly string[]): Subnet {
  const start = Number.parseInt(tag, 16) % SECOND_COUNT;
  for (let step = 0; step < SECOND_COUNT; step += 1) {
    const subnet = { first: 10, second: SECOND_FROM + ((start + step) % SECOND_COUNT) };
    if (!overlaps(subnet, taken)) return subnet;
  }
  throw new Error("no private /16 network between 10.64.0.0 and 10.191.0.0 is free on this host: dynos have no addresses");
}

/** Whether one of the host's routes or addresses lies in the subnet or contains it. */
export function overlaps(subnet: Subnet, taken: readonly string[]): boolean {
  const from = toNumber([subnet.first, subnet.second, 0, 0]);
  const to = from + 0xffff;
  return taken.map(parseRange).some((range) => range !== null && range.from <= to && range.to >= from);
}

export function subnetText(subnet: Subnet): string {
  return `${subnet.first}.${subnet.second}.0.0/16`;
}

export function addressAt(subnet: Subnet, index: number): string {
  return `${subnet.first}.${subnet.second}.${index >> 8}.${index & 0xff}`;
}

export function gatewayOf(subnet: Subnet): string {
  return addressAt(subnet, GATEWAY_INDEX);
}

/** Hands out indexes round robin, so that an address comes back as late as possible (connections to it may linger). */
export class IndexPool {
  readonly #used = new Set<number>();
  #next: number;

  constructor(start: number) {
    this.#next = FIRST_DYNO_INDEX + (start % (LAST_DYNO_INDEX - FIRST_DYNO_INDEX));
  }

  reserve(index: number): void {
    this.#used.add(index);
  }

  release(index: number): void {
    this.#used.delete(index);
  }

  take(): number {
    for (let step = FIRST_DYNO_INDEX; step <= LAST_DYNO_INDEX; step += 1) {
      const index = this.#next;
      this.#next = index >= LAST_DYNO_INDEX ? FIRST_DYNO_INDEX : index + 1;
      if (this.#used.has(index)) continue;
      this.#used.add(index);
      return index;
    }
    throw new Error("all addresses for dynos are in use");
  }
}

function parseRange(text: string): { from: number; to: number } | null {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)(?:\/(\d+))?$/.exec(text);
  if (match === null) return null;
  const length = match[5] === undefined ? 32 : Number(match[5]);
  if (length === 0) return null;
  const size = 2 ** (32 - length);
  const from = Math.floor(toNumber(match.slice(1, 5).map(Number)) / size) * size;
  return { from, to: from + size - 1 };
}

function toNumber(parts: readonly number[]): number {
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}
