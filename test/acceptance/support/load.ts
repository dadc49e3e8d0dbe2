import { Agent, request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

export interface LoadOptions {
  port: number;
  /** The app's host name. */
  host: string;
  /** Visitors that keep one connection each, and visitors that come with a new one each time. */
  kept: number;
  fresh: number;
  /** Between an answer and the visitor's next request. */
  pauseMs: number;
}

export interface LoadResult {
  requests: number;
  failures: string[];
}

/** Visitors of an app, each asking for a page again and again, every third time with a POST, which nobody may repeat. */
export class Load {
  readonly #options: LoadOptions;
  readonly #ended = new AbortController();
  readonly #visitors: Promise<void>[] = [];
  readonly #result: LoadResult = { requests: 0, failures: [] };

  private constructor(options: LoadOptions) {
    this.#options = options;
  }

  static start(options: LoadOptions): Load {
    const load = new Load(options);
    for (let index = 0; index < options.kept + options.fresh; index += 1) {
      load.#visitors.push(load.#visit(index < options.kept));
    }
    return load;
  }

  /** Requests answered so far. */
  get requests(): number {
    return this.#result.requests;
  }

  async stop(): Promise<LoadResult> {
    this.#ended.abort();
    await Promise.all(this.#visitors);
    return this.#result;
  }

  async #visit(keeps: boolean): Promise<void> {
    const agent = keeps ? new Agent({ keepAlive: true, maxSockets: 1 }) : false;
    for (let turn = 0; !this.#ended.signal.aborted; turn += 1) {
      const method = turn % 3 === 2 ? "POST" : "GET";
      const at = new Date().toISOString();
      const problem = await this.#ask(method, agent);
      this.#result.requests += 1;
      if (problem !== null) this.#result.failures.push(`${at} ${method} ${problem}`);
      await delay(this.#options.pauseMs);
    }
    if (agent !== false) agent.destroy();
  }

  async #ask(method: string, agent: Agent | false): Promise<string | null> {
    const { port, host } = this.#options;
    return await new Promise((resolve) => {
      const outgoing = request({ host: "127.0.0.1", port, method, path: "/", agent, headers: { host } }, (answer) => {
        answer.resume();
        answer.on("error", (error: Error) => resolve(error.message));
        // Other methods than GET may be refused by the app: what counts is whether the router had an answer.
        answer.on("end", () => resolve((answer.statusCode ?? 0) < 500 ? null : `status ${answer.statusCode}`));
      });
      outgoing.setTimeout(40_000, () => outgoing.destroy(new Error("no answer within 40 s")));
      outgoing.on("error", (error) => resolve(error.message));
      outgoing.end(method === "POST" ? "some text" : undefined);
    });
  }
}
