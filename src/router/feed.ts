import { Agent, request } from "node:http";

const TIMEOUT_MILLISECONDS = 10_000;

/** The control plane's side of nginx's route feed (`lua/zarpa/feed.lua`). Every call throws when nginx is not there. */
export class Feed {
  readonly #socket: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(socket: string) {
    this.#socket = socket;
  }

  /** All route lines that nginx has. */
  async read(): Promise<string[]> {
    const text = await this.#ask("GET", "/routes", "");
    return text.split("\n").filter((line) => line !== "");
  }

  /** Adds, changes and (`state=gone`) removes apps; live when this resolves. */
  async change(lines: readonly string[]): Promise<void> {
    await this.#ask("PATCH", "/routes", lines.join("\n"));
  }

  /** Makes these the only apps. */
  async replace(lines: readonly string[]): Promise<void> {
    await this.#ask("PUT", "/routes", lines.join("\n"));
  }

  /** Makes these the only certificates. */
  async certificates(lines: readonly string[]): Promise<void> {
    await this.#ask("PUT", "/certificates", lines.join("\n"));
  }

  /** From now on, for an hour, `/.well-known/acme-challenge/<token>` of every host has this answer. */
  async challenge(token: string, answer: string): Promise<void> {
    await this.#ask("PUT", "/challenge", `${token} ${answer}`);
  }

  /** The stamp of the configuration that runs; null when nothing answers. */
  async stamp(): Promise<string | null> {
    return await this.#ask("GET", "/stamp", "").catch(() => null);
  }

  close(): void {
    this.#agent.destroy();
  }

  async #ask(method: string, path: string, body: string): Promise<string> {
    return await new Promise((resolve, reject) => {
      const outgoing = request(
        {
          socketPath: this.#socket,
          agent: this.#agent,
          method,
          path,
          timeout: TIMEOUT_MILLISECONDS,
          headers: { "content-length": Buffer.byteLength(body), host: "feed" },
        },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on("data", (chunk: Buffer) => chunks.push(chunk));
          answer.on("error", reject);
          answer.on("end", () => {
            const text = Buffer.concat(chunks).toString("utf8");
            if (answer.statusCode === 200) resolve(text);
            else reject(new Error(`the router answers ${answer.statusCode} to ${method} ${path}: ${text.trim().slice(0, 500)}`));
          });
        },
      );
      outgoing.on("timeout", () => outgoing.destroy(new Error(`the router does not answer ${method} ${path}`)));
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  }
}
