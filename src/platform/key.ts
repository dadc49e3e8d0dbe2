import { createHash } from "node:crypto";
import type { Selectable } from "kysely";
import type { Key } from "../contract/key.ts";
import { isId, newId } from "../kernel/ids.ts";
import type { Platform } from "./context.ts";
import type { Keys } from "./database/tables.ts";
import type { Identity } from "./identity.ts";
import { invalid, isDuplicate, notFound } from "./refusals.ts";

type KeyRow = Selectable<Keys>;

const KEY_TYPES = new Set([
  "ssh-rsa",
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "sk-ssh-ed25519@openssh.com",
  "sk-ecdsa-sha2-nistp256@openssh.com",
]);
const LENGTH_BYTES = 4;

export function keyResource(identity: Identity, row: KeyRow): Key {
  return {
    comment: row.comment ?? "",
    created_at: row.created_at.toISOString(),
    email: identity.email,
    fingerprint: row.fingerprint,
    id: row.id,
    public_key: row.public_key,
    updated_at: row.updated_at.toISOString(),
  };
}

export async function listKeys(ctx: Platform, identity: Identity): Promise<KeyRow[]> {
  return await ctx.db
    .selectFrom("keys")
    .selectAll()
    .where("account_id", "=", identity.accountId)
    .orderBy("created_at")
    .orderBy("id")
    .execute();
}

/** One of the account's keys, by id or fingerprint. */
export async function findKey(ctx: Platform, identity: Identity, idOrFingerprint: string): Promise<KeyRow> {
  const rows = await listKeys(ctx, identity);
  const row = rows.find(({ id, fingerprint }) => (isId(idOrFingerprint) ? id : fingerprint) === idOrFingerprint.toLowerCase());
  if (row === undefined) throw notFound("key");
  return row;
}

/** Stores a public key in OpenSSH's one-line form: `ssh-ed25519 AAAA… comment`. */
export async function addKey(ctx: Platform, identity: Identity, publicKey: string): Promise<KeyRow> {
  const parsed = parsePublicKey(publicKey);
  const now = ctx.clock.now();
  try {
    return await ctx.db
      .insertInto("keys")
      .values({ id: newId(), account_id: identity.accountId, ...parsed, created_at: now, updated_at: now })
      .returningAll()
      .executeTakeFirstOrThrow();
  } catch (error) {
    if (isDuplicate(error)) throw invalid("Fingerprint has already been taken: this key is on your account already.");
    throw error;
  }
}

export async function removeKey(ctx: Platform, identity: Identity, idOrFingerprint: string): Promise<KeyRow> {
  const row = await findKey(ctx, identity, idOrFingerprint);
  await ctx.db.deleteFrom("keys").where("id", "=", row.id).execute();
  return row;
}

/** The parts of a public key and its MD5 fingerprint in Heroku's spelling (`17:63:a4:…`); refuses what is not one. */
export function parsePublicKey(text: string): { public_key: string; fingerprint: string; comment: string | null } {
  const line = text.trim();
  const [type = "", encoded = "", ...comment] = line.split(/\s+/);
  if (/PRIVATE KEY/.test(line)) throw invalid("This is a private key. Keep it to yourself and add the public one (*.pub).");
  const blob = Buffer.from(encoded, "base64");
  // RFC 4253 §6.6: the blob begins with the length and the name of its own type.
  const inner =
    blob.length > LENGTH_BYTES ? blob.subarray(LENGTH_BYTES, LENGTH_BYTES + blob.readUInt32BE(0)).toString("latin1") : "";
  if (/[\r\n]/.test(line) || !KEY_TYPES.has(type) || inner !== type || !/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) {
    throw invalid("Key is invalid. It must be one line as in ~/.ssh/id_ed25519.pub: type, key and comment.");
  }
  const fingerprint = createHash("md5").update(blob).digest("hex").match(/../g)?.join(":") ?? "";
  return { public_key: line, fingerprint, comment: comment.join(" ") || null };
}
