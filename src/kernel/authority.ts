import { createPrivateKey, randomBytes, webcrypto, X509Certificate } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import type { Clock } from "./clock.ts";

/** The files of the local certificate authority, all PEM. Keys have mode 0600, the rest is for everybody to read. */
export interface Authority {
  /** The authority's own certificate: what a browser imports. */
  caFile: string;
  /** The server's certificate. */
  certFile: string;
  keyFile: string;
  /** The machine's own authorities and ours: what a client trusts that talks to us and to the world. */
  bundleFile: string;
  /** Whether the server's certificate was made anew: servers that hold the former one must read it again. */
  renewed: boolean;
}

export interface AuthorityOptions {
  folder: string;
  /** Host names and IP addresses that the server's certificate is for. */
  names: readonly string[];
  /** The machine's own bundle of trusted authorities; null when it has none. */
  hostBundle: string | null;
  clock: Clock;
}

const DAY_MS = 86_400_000;
const CA_DAYS = 3650;
/** Apple's and the browsers' limit for server certificates, less two days for clocks that go wrong. */
const LEAF_DAYS = 396;
const RENEW_BEFORE_DAYS = 30;
const KEY_ALGORITHM = { name: "ECDSA", namedCurve: "P-256" };
const SIGNING_ALGORITHM = { name: "ECDSA", hash: "SHA-256" };
const SERIAL_BYTES = 16;

/**
 * Makes the authority and the server's certificate when they are missing, cannot be used, or end within 30 days; and the server's
 * certificate also when `names` changed. Files are replaced by renaming, so that no reader meets half of one.
 */
export async function ensureAuthority(options: AuthorityOptions): Promise<Authority> {
  const { folder, clock } = options;
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const file = (name: string): string => join(folder, name);
  const ca = { certFile: file("ca.crt"), keyFile: file("ca.key") };
  const leaf = { certFile: file("server.crt"), keyFile: file("server.key") };
  if (!isUsable(ca, clock.now())) save(ca, await issueAuthority(clock.now()));
  const renewed = !isUsable(leaf, clock.now()) || !isLeafRight(leaf.certFile, ca.certFile, options.names);
  if (renewed) save(leaf, await issueLeaf(ca, options.names, clock.now()));
  const bundleFile = file("bundle.crt");
  const host = options.hostBundle === null ? "" : readFileSync(options.hostBundle, "utf8").trimEnd();
  replace(bundleFile, `${host}\n${readFileSync(ca.certFile, "utf8")}`.trimStart(), 0o644);
  return { caFile: ca.certFile, ...leaf, bundleFile, renewed };
}

interface Pair {
  certFile: string;
  keyFile: string;
}

interface Issued {
  certificate: string;
  key: string;
}

function isUsable(pair: Pair, now: Date): boolean {
  if (!existsSync(pair.certFile) || !existsSync(pair.keyFile)) return false;
  try {
    const certificate = new X509Certificate(readFileSync(pair.certFile));
    const end = new Date(certificate.validTo).getTime();
    return (
      certificate.checkPrivateKey(createPrivateKey(readFileSync(pair.keyFile))) &&
      end - now.getTime() > RENEW_BEFORE_DAYS * DAY_MS
    );
  } catch {
    // Not PEM: half a file after a power cut, or somebody's edit. Made anew.
    return false;
  }
}

function isLeafRight(certFile: string, caFile: string, names: readonly string[]): boolean {
  const leaf = new X509Certificate(readFileSync(certFile));
  if (!leaf.verify(new X509Certificate(readFileSync(caFile)).publicKey)) return false;
  const held = new Set((leaf.subjectAltName ?? "").split(", "));
  const wanted = names.map((name) => (isIP(name) === 0 ? `DNS:${name}` : `IP Address:${printedAddress(name)}`));
  return wanted.every((name) => held.has(name)) && held.size === wanted.length;
}

/** Node prints IPv6 addresses in certificates with all eight groups. */
function printedAddress(address: string): string {
  return address === "::1" ? "0:0:0:0:0:0:0:1" : address;
}

/** Loaded only when something has to be issued; its dependency injection wants the metadata polyfill first. */
async function loadX509(): Promise<typeof import("@peculiar/x509")> {
  await import("reflect-metadata");
  return await import("@peculiar/x509");
}

async function issueAuthority(now: Date): Promise<Issued> {
  const x509 = await loadX509();
  const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    // Each authority has a name of its own: two installations on one machine must not be taken for each other.
    name: `CN=Zarpa local authority ${randomBytes(4).toString("hex")}, O=Zarpa`,
    notBefore: new Date(now.getTime() - DAY_MS),
    notAfter: new Date(now.getTime() + CA_DAYS * DAY_MS),
    signingAlgorithm: SIGNING_ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: certificate.toString("pem"), key: await exportKey(keys.privateKey) };
}

async function issueLeaf(ca: Pair, names: readonly string[], now: Date): Promise<Issued> {
  const x509 = await loadX509();
  const issuer = new x509.X509Certificate(readFileSync(ca.certFile, "utf8"));
  const issuerKey = createPrivateKey(readFileSync(ca.keyFile)).export({ type: "pkcs8", format: "der" });
  const signingKey = await webcrypto.subtle.importKey("pkcs8", issuerKey, KEY_ALGORITHM, false, ["sign"]);
  const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: `CN=${names[0] ?? "localhost"}, O=Zarpa`,
    issuer: issuer.subject,
    notBefore: new Date(now.getTime() - DAY_MS),
    notAfter: new Date(now.getTime() + LEAF_DAYS * DAY_MS),
    signingAlgorithm: SIGNING_ALGORITHM,
    publicKey: keys.publicKey,
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(names.map((name) => ({ type: isIP(name) === 0 ? "dns" : "ip", value: name }))),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return { certificate: certificate.toString("pem"), key: await exportKey(keys.privateKey) };
}

/** A positive serial number without a leading zero, as RFC 5280 §4.1.2.2 wants it. */
function newSerial(): string {
  const bytes = randomBytes(SERIAL_BYTES);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString("hex");
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const body = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", key)).toString("base64");
  return `-----BEGIN PRIVATE KEY-----\n${(body.match(/.{1,64}/g) ?? []).join("\n")}\n-----END PRIVATE KEY-----\n`;
}

/** The key first: a power cut between the two leaves a pair that does not fit, which the next start makes anew. */
function save(pair: Pair, issued: Issued): void {
  replace(pair.keyFile, issued.key, 0o600);
  replace(pair.certFile, `${issued.certificate.trimEnd()}\n`, 0o644);
}

function replace(path: string, text: string, mode: number): void {
  if (existsSync(path) && readFileSync(path, "utf8") === text) return;
  const half = `${path}.new`;
  writeFileSync(half, text, { mode });
  chmodSync(half, mode);
  renameSync(half, path);
}
