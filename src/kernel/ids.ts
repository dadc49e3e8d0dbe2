import { createHash, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** A new random (v4) UUID. */
export function newId(): string {
  return randomUUID();
}

/** Whether a path parameter is an id rather than a name. */
export function isId(text: string): boolean {
  return UUID.test(text);
}

/** An unguessable text of `bytes` random bytes in base64url. */
export function newToken(bytes = 24): string {
  return randomBytes(bytes).toString("base64url");
}

/** What is stored of a token: its SHA-256. Tokens are random, so no salt is needed. */
export function tokenDigest(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

/** Compares two texts in a time that does not tell where they differ. */
export function equalInConstantTime(a: string, b: string): boolean {
  return timingSafeEqual(tokenDigest(a), tokenDigest(b));
}
