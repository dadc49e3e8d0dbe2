import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { type CommandOptions, type CommandResult, runCommand } from "../../../src/kernel/command.ts";
import { herokuCli, inheritedEnvironment } from "./heroku-cli.ts";
import { ADMIN, type TestPlatform } from "./platform.ts";

const SAMPLES = join(import.meta.dirname, "..", "..", "apps");
const COMMAND_TIMEOUT_MS = 240_000;
const POLL_MS = 50;
/** Leaves the processors to what is being measured. */
const VISIT_PAUSE_MS = 10;

export type Outcome = CommandResult & { milliseconds: number };

/** Somebody at a terminal: a home of their own, the heroku CLI and git, pointed at the platform by `zarpa env`. */
export class User {
  readonly platform: TestPlatform;
  readonly home: string;
  readonly environment: Record<string, string>;

  private constructor(platform: TestPlatform, home: string, environment: Record<string, string>) {
    this.platform = platform;
    this.home = home;
    this.environment = environment;
  }

  /** A user with an empty home; `logIn` gives them a token without the login dialogue. */
  static async arrive(platform: TestPlatform, options: { logIn: boolean } = { logIn: true }): Promise<User> {
    const [programs, client] = [await herokuCli(), await platform.clientEnvironment()];
    const home = await mkdtemp(join(tmpdir(), "zarpa-user-"));
    const inherited = inheritedEnvironment();
    const environment = {
      ...inherited,
      PATH: `${programs}:${inherited["PATH"] ?? ""}`,
      HOME: home,
      LC_ALL: "C.UTF-8",
      NO_COLOR: "1",
      ...client,
    };
    await writeFile(
      join(home, ".gitconfig"),
      "[user]\n\tname = Ana\n\temail = ana@example.test\n[init]\n\tdefaultBranch = main\n",
    );
    const user = new User(platform, home, environment);
    if (options.logIn) await user.#logIn();
    return user;
  }

  /** Runs `heroku …`; any exit code. */
  async heroku(args: string[], options: CommandOptions = {}): Promise<Outcome> {
    return await this.run(["heroku", ...args], options);
  }

  /** Runs `heroku …` and fails on any exit code but 0. */
  async mustHeroku(args: string[], options: CommandOptions = {}): Promise<Outcome> {
    return this.#succeeded(["heroku", ...args], await this.heroku(args, options));
  }

  /** Runs a program as this user, for four minutes at most; its output without colours. */
  async run(argv: string[], options: CommandOptions = {}): Promise<Outcome> {
    const from = performance.now();
    const env = { ...this.environment, ...options.env };
    const result = await runCommand(argv, { cwd: this.home, signal: AbortSignal.timeout(COMMAND_TIMEOUT_MS), ...options, env });
    return { ...result, stdout: stripVTControlCharacters(result.stdout), milliseconds: performance.now() - from };
  }

  /** `git …` in a folder; fails on any exit code but 0. */
  async git(folder: string, ...args: string[]): Promise<Outcome> {
    return this.#succeeded(["git", ...args], await this.run(["git", ...args], { cwd: folder }));
  }

  /** A working copy of one of `test/apps`, committed. */
  async copyApp(sample: string, name = sample.replaceAll("/", "-")): Promise<string> {
    const folder = join(this.home, name);
    await cp(join(SAMPLES, sample), folder, { recursive: true });
    await this.git(folder, "init", "--quiet");
    await this.commit(folder, "First version");
    return folder;
  }

  async commit(folder: string, message: string): Promise<void> {
    await this.git(folder, "add", "--all");
    await this.git(folder, "commit", "--quiet", "--allow-empty", "--message", message);
  }

  /** Replaces a text in a file of a working copy and commits that. */
  async edit(folder: string, file: string, from: string, to: string): Promise<void> {
    const path = join(folder, file);
    const before = await readFile(path, "utf8");
    if (!before.includes(from)) throw new Error(`${file} does not contain "${from}"`);
    await writeFile(path, before.replace(from, to));
    await this.commit(folder, `Edit ${file}`);
  }

  /** Adds a file to the working copy of that name and commits it. */
  async addFile(copy: string, file: string, text: string): Promise<void> {
    await writeFile(join(this.home, copy, file), text);
    await this.commit(join(this.home, copy), `Add ${file}`);
  }

  /** `git push heroku main`; any exit code. */
  async push(folder: string, ...args: string[]): Promise<Outcome> {
    return await this.run(["git", "push", ...args, "heroku", "main"], { cwd: folder });
  }

  /** Copies a sample, creates an app of that name and pushes it; fails unless that worked. */
  async deploy(sample: string, name: string): Promise<string> {
    const folder = await this.copyApp(sample, name);
    await this.mustHeroku(["create", name], { cwd: folder });
    this.#succeeded(["git", "push"], await this.push(folder));
    return folder;
  }

  /** One request to an app, as a browser makes it. */
  async page(app: string, path = "/"): Promise<Page> {
    return await requestPage(this.platform.port, `${app}.localhost`, path);
  }

  /** Repeats a request until it answers as wanted, for `seconds` at most. */
  async untilPage(app: string, wanted: (page: Page) => boolean, seconds = 20, path = "/"): Promise<Page> {
    for (let waited = 0; ; waited += POLL_MS) {
      const page = await this.page(app, path);
      if (wanted(page)) return page;
      if (waited > seconds * 1000)
        throw new Error(`${app}${path} still answers ${page.status} after ${seconds} s:\n${page.body}`);
      await delay(POLL_MS);
    }
  }

  /** Asks for a page again and again until the returned function is called, which gives all the answers. */
  visitAllAlong(app: string): () => Promise<Page[]> {
    const pages: Page[] = [];
    const ended = new AbortController();
    const visiting = (async () => {
      while (!ended.signal.aborted) {
        const failed = (error: Error): Page => ({ status: 0, headers: {}, body: error.message });
        pages.push(await this.page(app).catch(failed));
        await delay(VISIT_PAUSE_MS);
      }
    })();
    return async () => {
      ended.abort();
      await visiting;
      return pages;
    };
  }

  /** Repeats a heroku command until its output matches. */
  async untilOutput(args: string[], wanted: RegExp, seconds = 20): Promise<string> {
    const deadline = performance.now() + seconds * 1000;
    for (;;) {
      const { stdout, stderr } = await this.heroku(args);
      if (wanted.test(stdout)) return stdout;
      if (performance.now() > deadline)
        throw new Error(`heroku ${args.join(" ")} never showed ${wanted}, but:\n${stdout}${stderr}`);
    }
  }

  /** Waits until the newest build of an app has the status. */
  async untilBuild(app: string, status: string, seconds = 30): Promise<void> {
    for (let waited = 0; ; waited += POLL_MS) {
      const { body } = await this.api("GET", `/apps/${app}/builds`);
      const builds = (body as { created_at: string; status: string }[]).toSorted((a, b) =>
        a.created_at.localeCompare(b.created_at),
      );
      if (builds.at(-1)?.status === status) return;
      if (waited > seconds * 1000) throw new Error(`no build of ${app} became ${status}: ${JSON.stringify(builds)}`);
      await delay(POLL_MS);
    }
  }

  /** Until the newest build of the app does not only wait: it has said something. */
  async untilBuilding(app: string): Promise<void> {
    await this.untilBuild(app, "pending");
    const { body } = await this.api("GET", `/apps/${app}/builds`);
    const builds = body as { status: string; output_stream_url: string }[];
    const { output_stream_url: url = "" } = builds.find(({ status }) => status === "pending") ?? {};
    const reader = (await fetch(url)).body?.getReader();
    await reader?.read();
    await reader?.cancel();
  }

  async untilFile(path: string, seconds = 10): Promise<void> {
    for (let waited = 0; !existsSync(path); waited += POLL_MS) {
      if (waited > seconds * 1000) throw new Error(`${path} did not appear`);
      await delay(POLL_MS);
    }
  }

  /** A request to the Platform API with this user's token; an answer that is no JSON is a text. */
  async api(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
    const netrc = await readFile(join(this.home, ".netrc"), "utf8");
    const [, token = ""] = /password (\S+)/.exec(netrc) ?? [];
    const response = await fetch(this.platform.origin + path, {
      method,
      headers: {
        accept: "application/vnd.heroku+json; version=3",
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const isJson = response.headers.get("content-type")?.includes("json") === true;
    return { status: response.status, body: await (isJson ? response.json() : response.text()) };
  }

  async leave(): Promise<void> {
    await rm(this.home, { recursive: true, force: true });
  }

  async #logIn(): Promise<void> {
    const { email, password } = ADMIN;
    const response = await fetch(`${this.platform.origin}/oauth/authorizations`, {
      method: "POST",
      headers: {
        accept: "application/vnd.heroku+json; version=3",
        "content-type": "application/json",
        authorization: `Basic ${Buffer.from(`${email}:${password}`).toString("base64")}`,
      },
      body: JSON.stringify({ description: "acceptance tests", scope: ["global"] }),
    });
    const answer = (await response.json()) as { access_token?: { token?: string } };
    const token = answer.access_token?.token;
    if (token === undefined) throw new Error(`no token: ${response.status} ${JSON.stringify(answer)}`);
    const hosts = [`localhost:${this.platform.port}`, `localhost:${this.platform.tlsPort}`];
    const entries = hosts.map((host) => `machine ${host}\n  login ${email}\n  password ${token}\n`);
    await writeFile(join(this.home, ".netrc"), entries.join(""), { mode: 0o600 });
    // The CLI makes this folder on its first command; made here, two first commands at once do not race for it.
    await mkdir(join(this.home, ".local", "share", "heroku"), { recursive: true });
  }

  #succeeded(argv: string[], outcome: Outcome): Outcome {
    if (outcome.exitCode === 0) return outcome;
    const output = `${outcome.stdout}${outcome.stderr}`;
    throw new Error(`${argv.join(" ")} exited with status ${outcome.exitCode}:\n${output}\n${this.platform.journal()}`);
  }
}

export interface Page {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

/** `GET` with a Host header, since `NAME.localhost` need not resolve outside of browsers. */
export async function requestPage(port: number, host: string, path: string): Promise<Page> {
  return await new Promise((resolve, reject) => {
    const request = get({ host: "127.0.0.1", port, path, headers: { host: `${host}:${port}` }, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString() });
      });
    });
    request.setTimeout(40_000, () => request.destroy(new Error("no answer within 40 s")));
    request.on("error", reject);
  });
}

/** The lines the server sent during a push, without git's prefix and padding. */
export function remoteLines(push: CommandResult): string {
  return [...push.stderr.matchAll(/^remote: ?(.*)$/gm)].map(([, line]) => (line ?? "").trimEnd()).join("\n");
}
