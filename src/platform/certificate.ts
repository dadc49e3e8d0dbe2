import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { rootCertificates } from "node:tls";
import { invalid } from "./refusals.ts";

/** What is known of a certificate and its key; texts are PEM. */
export interface Certificate {
  /** In the order that a server sends: its own, then each one's issuer. */
  chain: string;
  key: string;
  /** Hosts it is for, as written in it: `*.example.com` is one. */
  domains: string[];
  startsAt: Date;
  expiresAt: Date;
  /** `/C=ES/O=…/CN=…`. */
  issuer: string;
  subject: string;
  selfSigned: boolean;
}

const MIN_RSA_BITS = 2048;
const MAX_CHAIN_CERTIFICATES = 10;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * Reads a chain and its key, in whatever order the chain is, and refuses with words what no browser would take: a key of another
 * certificate, one with a passphrase, a certificate that has ended or is for no host.
 */
export function readCertificate(chainText: string, keyText: string, now: Date): Certificate {
  const all = readChain(chainText);
  const key = readKey(keyText);
  const leaf = all.find((certificate) => certificate.checkPrivateKey(key));
  if (leaf === undefined) throw invalid("The private key does not belong to the certificate.");
  const details = describeCertificate(leaf);
  if (details.expiresAt <= now) throw invalid(`The certificate has ended on ${details.expiresAt.toISOString().slice(0, 10)}.`);
  if (details.domains.length === 0) throw invalid("The certificate is for no host: it has no subject alternative name.");
  const { asymmetricKeyType: type, asymmetricKeyDetails: about } = key;
  if (type === "rsa" && (about?.modulusLength ?? 0) < MIN_RSA_BITS) {
    throw invalid(`The key has ${about?.modulusLength} bits; browsers want ${MIN_RSA_BITS} or more.`);
  }
  const chain = inOrder(leaf, all).map((certificate) => certificate.toString());
  return { ...details, chain: chain.join(""), key: key.export({ type: "pkcs8", format: "pem" }).toString() };
}

/** The details of the first certificate of a chain that was read before. */
export function describeChain(chain: string): Omit<Certificate, "chain" | "key"> {
  return describeCertificate(new X509Certificate(chain));
}

/** Whether the first certificate of a chain is for this host; `*.example.com` is for that wildcard only if it names it. */
export function isFor(chain: string, hostname: string): boolean {
  const leaf = new X509Certificate(chain);
  if (hostname.startsWith("*.")) return describeCertificate(leaf).domains.includes(hostname);
  return leaf.checkHost(hostname) !== undefined;
}

/** Whether one of the authorities that everybody trusts has signed the end of the chain. */
export function isSignedByKnownAuthority(chain: string): boolean {
  const last = readChain(chain).at(-1);
  if (last === undefined) return false;
  return rootCertificates.some((root) => {
    const authority = new X509Certificate(root);
    return last.fingerprint256 === authority.fingerprint256 || (last.checkIssued(authority) && last.verify(authority.publicKey));
  });
}

function readChain(text: string): X509Certificate[] {
  const blocks = text.match(PEM_CERTIFICATE) ?? [];
  if (blocks.length === 0) throw invalid("The certificate is not PEM: it must hold -----BEGIN CERTIFICATE-----.");
  if (blocks.length > MAX_CHAIN_CERTIFICATES) throw invalid(`A chain may have ${MAX_CHAIN_CERTIFICATES} certificates at most.`);
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw invalid(`Certificate ${index + 1} of the chain cannot be read: is the file whole?`);
    }
  });
}

function readKey(text: string): KeyObject {
  if (/ENCRYPTED/.test(text)) {
    throw invalid("The private key has a passphrase: take it off with openssl pkey -in server.key -out plain.key.");
  }
  try {
    return createPrivateKey(text);
  } catch {
    throw invalid("The private key cannot be read: it must be PEM and hold -----BEGIN PRIVATE KEY-----.");
  }
}

function describeCertificate(leaf: X509Certificate): Omit<Certificate, "chain" | "key"> {
  const names = (leaf.subjectAltName ?? "").split(", ").flatMap((name) => (name.startsWith("DNS:") ? [name.slice(4)] : []));
  return {
    domains: names.map((name) => name.toLowerCase()),
    startsAt: new Date(leaf.validFrom),
    expiresAt: new Date(leaf.validTo),
    issuer: slashed(leaf.issuer),
    subject: slashed(leaf.subject),
    selfSigned: leaf.checkIssued(leaf) && leaf.verify(leaf.publicKey),
  };
}

/** From each certificate to its issuer; what belongs to none of them is left out, as is the root, which clients have. */
function inOrder(leaf: X509Certificate, all: readonly X509Certificate[]): X509Certificate[] {
  const chain = [leaf];
  for (let last = leaf; ;) {
    const issuer = all.find((one) => !chain.includes(one) && last.checkIssued(one) && last.verify(one.publicKey));
    if (issuer === undefined) return chain;
    if (issuer.checkIssued(issuer)) return chain;
    chain.push(issuer);
    last = issuer;
  }
}

function slashed(name: string | undefined): string {
  return (name ?? "")
    .split("\n")
    .map((part) => `/${part}`)
    .join("");
}
