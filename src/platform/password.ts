import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import type { Secret } from "../kernel/secret.ts";

const derive = promisify<string, Buffer, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(scrypt);

/** OWASP's setting for 32 MiB of memory: https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html */
const COST = { N: 32_768, r: 8, p: 3 };
const HASH_BYTES = 32;
const SALT_BYTES = 16;
const MAX_MEMORY_BYTES = 256 * 1024 * 1024;

/** `scrypt$N$r$p$salt$hash`, salt and hash in base64url. */
export async function hashPassword(password: Secret): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const hash = await derive(password.reveal(), salt, HASH_BYTES, { ...COST, maxmem: MAX_MEMORY_BYTES });
  return ["scrypt", COST.N, COST.r, COST.p, salt.toString("base64url"), hash.toString("base64url")].join("$");
}

/** Takes as long when there is no such account (`stored` is null) as when the password is wrong. */
export async function verifyPassword(password: Secret, stored: string | null): Promise<boolean> {
  const [scheme, N, r, p, salt = "", hash = ""] = (stored ?? "").split("$");
  const known = scheme === "scrypt";
  const cost = known ? { N: Number(N), r: Number(r), p: Number(p) } : COST;
  const expected = known ? Buffer.from(hash, "base64url") : randomBytes(HASH_BYTES);
  const salted = known ? Buffer.from(salt, "base64url") : randomBytes(SALT_BYTES);
  const actual = await derive(password.reveal(), salted, expected.length, { ...cost, maxmem: MAX_MEMORY_BYTES });
  return timingSafeEqual(actual, expected) && known;
}
