import { randomBytes } from "node:crypto";
import { type LookupFunction } from "node:net";
import { request } from "node:http";

export interface ReachOptions {
  /** Has the router answer `/.well-known/acme-challenge/<token>`. */
  challenge(token: string, answer: string): Promise<void>;
  /** Port at which the authority will ask: 80. */
  port: number;
  /** How names are resolved; left out: as the machine does. */
  lookup?: LookupFunction;
}

const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 1024;

/** Asks a host the way an ACME authority will; null when the answer comes from this router, else why not, in words for the user. */
export async function whyNotHere(hostname: string, options: ReachOptions): Promise<string | null> {
  const [token, secret] = [`zarpa-${randomBytes(16).toString("hex")}`, randomBytes(16).toString("hex")];
  await options.challenge(token, secret);
  return await new Promise((resolve) => {
    const { port, lookup } = options;
    const path = `/.well-known/acme-challenge/${token}`;
    const asked = request({ host: hostname, port, path, agent: false, ...(lookup ? { lookup } : {}) }, (answer) => {
      let text = "";
      answer.on("data", (chunk: Buffer) => {
        text += chunk.toString("latin1");
        if (text.length > MAX_ANSWER_BYTES) asked.destroy();
      });
      answer.on("close", () => resolve(text === secret ? null : "Its DNS leads to another server than this one."));
    });
    asked.setTimeout(TIMEOUT_MS, () => asked.destroy(new Error("no answer in 10 seconds")));
    asked.on("error", (error: NodeJS.ErrnoException) => resolve(wordsOf(error, port)));
    asked.end();
  });
}

function wordsOf(error: NodeJS.ErrnoException, port: number): string {
  if (error.code === "ENOTFOUND" || error.code === "EAI_AGAIN") return "It has no address in the DNS.";
  return `It does not answer at port ${port}: ${error.code ?? error.message}.`;
}
