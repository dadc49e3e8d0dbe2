import http from "node:http";
import https from "node:https";
import type { SecureContext } from "node:tls";
import type { DrainAddress } from "../contract/drain-url.ts";
import type { Clock } from "../kernel/clock.ts";
import { newId } from "../kernel/ids.ts";
import { type DrainCarrier, Rejection } from "./drain-carrier.ts";
import { logplexFrame } from "./drain-frame.ts";
import type { DrainNetwork } from "./drain-network.ts";

/** For the whole of it: a receiver that answers drop by drop holds up nobody. */
const TIMEOUT_MILLISECONDS = 60_000;
/** Answers that say that this body is bad, not that the receiver is away or does not (yet) know the drain. */
const REJECTIONS = new Set([400, 413, 415, 422]);

export interface HttpsOptions {
  url: string;
  address: DrainAddress;
  token: string;
  network: DrainNetwork;
  secureContext: SecureContext;
  clock: Clock;
}

/** POSTs in Logplex's format: https://devcenter.heroku.com/articles/log-drains#https-drains. Redirects are not followed. */
export class HttpsCarrier implements DrainCarrier {
  readonly #options: HttpsOptions;
  readonly #agent: http.Agent;
  readonly #url: URL;

  constructor(options: HttpsOptions) {
    this.#options = options;
    this.#url = new URL(options.url);
    const { lookup } = options.network;
    const kept = { keepAlive: true, maxSockets: 1, lookup };
    this.#agent = options.address.tls ? new https.Agent({ ...kept, secureContext: options.secureContext }) : new http.Agent(kept);
  }

  async deliver(texts: readonly string[], signal: AbortSignal): Promise<void> {
    const { address, network, token } = this.#options;
    // An address is connected to without a lookup.
    await network.resolve(address.host);
    const body = Buffer.from(texts.map(logplexFrame).join(""));
    const headers = {
      "content-type": "application/logplex-1",
      "content-length": body.length,
      "logplex-msg-count": texts.length,
      "logplex-frame-id": newId(),
      "logplex-drain-token": token,
      "user-agent": "Logplex/v72",
    };
    const status = await this.#post(body, headers, signal);
    if (status >= 200 && status < 300) return;
    if (REJECTIONS.has(status)) throw new Rejection(`the receiver answers ${status}`);
    throw new Error(`the receiver answers ${status}`);
  }

  close(): void {
    this.#agent.destroy();
  }

  async #post(body: Buffer, headers: http.OutgoingHttpHeaders, signal: AbortSignal): Promise<number> {
    const { request } = this.#options.address.tls ? https : http;
    return await new Promise((resolve, reject) => {
      const asked = request(this.#url, { method: "POST", agent: this.#agent, headers, signal });
      const tooLong = new Error(`no complete answer within ${TIMEOUT_MILLISECONDS / 1000} s`);
      const cancel = this.#options.clock.after(TIMEOUT_MILLISECONDS, () => asked.destroy(tooLong));
      asked.once("close", cancel);
      asked.once("error", reject);
      asked.once("response", (response) => {
        response.resume();
        response.once("error", reject);
        // Read to its end, so that the connection can be used again.
        response.once("end", () => resolve(response.statusCode ?? 0));
      });
      asked.end(body);
    });
  }
}
