import { createHash } from "node:crypto";
import { lookup as resolveName } from "node:dns";
import { createWriteStream } from "node:fs";
import { request as requestHttp, type IncomingMessage, type RequestOptions } from "node:http";
import { request as requestHttps } from "node:https";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { networkInterfaces } from "node:os";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { BuildFailure } from "./build-failure.ts";

const MAX_REDIRECTS = 5;
const SILENCE_MILLISECONDS = 60_000;

export interface Download {
  url: string;
  /** File to write; truncated. */
  to: string;
  maxBytes: number;
  /** Origins that may lie on this machine: the platform's own. Any other address of the machine itself is refused. */
  trustedOrigins: readonly string[];
  signal: AbortSignal;
}

/**
 * Addresses of this machine and of clouds' metadata services: what a user's URL must not make the platform read. Those of its network
 * cards count too, and are looked up each time, since they change.
 */
function ownAddresses(): BlockList {
  const own = new BlockList();
  own.addSubnet("0.0.0.0", 8);
  own.addSubnet("127.0.0.0", 8);
  own.addSubnet("169.254.0.0", 16);
  own.addAddress("::", "ipv6");
  own.addAddress("::1", "ipv6");
  own.addSubnet("fe80::", 10, "ipv6");
  for (const card of Object.values(networkInterfaces())) {
    for (const { address, family } of card ?? []) own.addAddress(address.replace(/%.*/, ""), family === "IPv6" ? "ipv6" : "ipv4");
  }
  return own;
}

/**
 * Downloads over HTTP(S), following redirects, with a limit of size; answers the SHA-256 in hex. What the URL or its server did wrong
 * is a `BuildFailure`.
 */
export async function download(order: Download): Promise<string> {
  let url = parse(order.url);
  for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
    const response = await get(url, order);
    const status = response.statusCode ?? 0;
    if (status >= 300 && status < 400 && response.headers.location !== undefined) {
      response.destroy();
      url = parse(new URL(response.headers.location, url).href);
      continue;
    }
    if (status !== 200) {
      response.destroy();
      throw new BuildFailure(`Could not download ${shown(url)}: the server answered ${status}.`);
    }
    return await save(response, url, order);
  }
  throw new BuildFailure(`Could not download ${order.url}: more than ${MAX_REDIRECTS} redirects.`);
}

function parse(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new BuildFailure(`"${text}" cannot be downloaded: it must be an http:// or https:// URL.`);
  }
  return url;
}

/** Without the query and user part, where the signatures and passwords are. */
function shown(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

async function get(url: URL, order: Download): Promise<IncomingMessage> {
  const trusted = order.trustedOrigins.includes(url.origin);
  const literal = url.hostname.replace(/^\[|\]$/g, "");
  if (!trusted && isIP(literal) !== 0 && isOwn(literal)) throw ownAddress(url);
  const options: RequestOptions = { signal: order.signal, headers: { accept: "*/*", "user-agent": "zarpa" }, agent: false };
  if (!trusted) options.lookup = guardedLookup;
  return await new Promise((resolve, reject) => {
    const request = (url.protocol === "https:" ? requestHttps : requestHttp)(url, options, resolve);
    request.setTimeout(SILENCE_MILLISECONDS, () => request.destroy(new Error("no answer for 60 seconds")));
    request.on("error", (error: NodeJS.ErrnoException) => {
      if (order.signal.aborted) reject(error);
      else if (error.code === "EOWNADDRESS") reject(ownAddress(url));
      else reject(new BuildFailure(`Could not download ${shown(url)}: ${error.message || error.code}.`));
    });
    request.end();
  });
}

function ownAddress(url: URL): BuildFailure {
  return new BuildFailure(`${shown(url)} is not downloaded: it lies on this machine itself.`);
}

function isOwn(address: string): boolean {
  const own = ownAddresses();
  // An IPv4 address in IPv6 clothes is checked as what it is.
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return own.check(mapped);
  if (/^::ffff:/i.test(address)) return true;
  return own.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}

/** Checks the very addresses that the connection then uses, so that a second answer of the name server changes nothing. */
const guardedLookup: LookupFunction = (hostname, options, callback) => {
  resolveName(hostname, options, (error, address, family) => {
    const found = Array.isArray(address) ? address.map((one) => one.address) : [address];
    if (error === null && found.some((one) => isOwn(one))) {
      callback(Object.assign(new Error("own address"), { code: "EOWNADDRESS" }), "", 0);
      return;
    }
    callback(error, address, family);
  });
};

async function save(response: IncomingMessage, url: URL, order: Download): Promise<string> {
  const sum = createHash("sha256");
  let size = 0;
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      if (size > order.maxBytes) {
        done(new BuildFailure(`${shown(url)} is larger than the ${Math.floor(order.maxBytes / 1024 / 1024)}M allowed.`));
        return;
      }
      sum.update(chunk);
      done(null, chunk);
    },
  });
  try {
    await pipeline(response, counter, createWriteStream(order.to, { mode: 0o600 }), { signal: order.signal });
  } catch (error) {
    if (error instanceof BuildFailure || order.signal.aborted) throw error;
    throw new BuildFailure(`The download of ${shown(url)} broke off: ${(error as Error).message}.`);
  }
  return sum.digest("hex");
}
