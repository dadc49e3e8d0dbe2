import { Agent } from "node:https";
import { axios, Client, crypto } from "acme-client";
import { Secret } from "../kernel/secret.ts";

export interface AcmeOptions {
  /** The authority's directory (RFC 8555), as `https://acme-v02.api.letsencrypt.org/directory`. */
  directoryUrl: string;
  /** PEM; the account is made when the authority does not know it. */
  accountKey: Secret;
  /** Where the authority writes to before something ends; null: nowhere. */
  email: string | null;
  /** Has the router answer `/.well-known/acme-challenge/<token>`. */
  challenge(token: string, answer: string): Promise<void>;
  /** Certificates (PEM) by which the authority's own server is known, beside those that everybody trusts. */
  ca?: string;
  /** Pause between two looks at an order, at least and at most. */
  poll?: { least: number; most: number };
}

const POLL = { least: 2_000, most: 20_000 };
const POLLS = 15;

/**
 * A certificate for the hosts, from any authority that speaks ACME, by HTTP-01: the authority asks each host over HTTP, and the router
 * answers. Throws the authority's words when it gives none.
 */
export async function obtainCertificate(
  hostnames: readonly string[],
  options: AcmeOptions,
): Promise<{ chain: string; key: Secret }> {
  const [commonName] = hostnames;
  if (commonName === undefined) throw new Error("a certificate is for one host at least");
  const { least, most } = options.poll ?? POLL;
  // The library's only way to say whom it trusts.
  if (options.ca !== undefined) axios.defaults.httpsAgent = new Agent({ ca: options.ca });
  const client = new Client({
    directoryUrl: options.directoryUrl,
    accountKey: options.accountKey.reveal(),
    backoffAttempts: POLLS,
    backoffMin: least,
    backoffMax: most,
  });
  const [key, csr] = await crypto.createCsr({ commonName, altNames: [...hostnames] }, await crypto.createPrivateEcdsaKey());
  const chain = await client.auto({
    csr,
    ...(options.email === null ? {} : { email: options.email }),
    termsOfServiceAgreed: true,
    challengePriority: ["http-01"],
    // The platform has asked every host before, by the same way.
    skipChallengeVerification: true,
    challengeCreateFn: async (_, challenge, answer) => await options.challenge(challenge.token, answer),
    challengeRemoveFn: async () => {},
  });
  return { chain, key: new Secret(key.toString()) };
}
