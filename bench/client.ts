import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CommandOptions, type CommandResult, CommandError, runCommand } from "../src/kernel/command.ts";
import { inheritedEnvironment } from "../test/acceptance/support/heroku-cli.ts";
import { ADMIN, type TestPlatform } from "../test/acceptance/support/platform.ts";

const FLASK = join(import.meta.dirname, "..", "test", "apps", "flask");
const GREETING = /default="Hola, mundo[^"]*"/;

/** A working copy of the Flask app whose one line changes again and again, and git as somebody who deploys has it. */
export class WorkingCopy {
  readonly folder: string;
  readonly #home: string;
  readonly #environment: Record<string, string>;

  private constructor(home: string, environment: Record<string, string>) {
    this.#home = home;
    this.folder = join(home, "app");
    this.#environment = { ...inheritedEnvironment(), ...environment, HOME: home, LC_ALL: "C.UTF-8", GIT_TERMINAL_PROMPT: "0" };
  }

  static async make(environment: Record<string, string> = {}): Promise<WorkingCopy> {
    const copy = new WorkingCopy(await mkdtemp(join(tmpdir(), "zarpa-bench-copy-")), environment);
    await writeFile(join(copy.#home, ".gitconfig"), "[user]\n\tname = Ana\n\temail = ana@example.test\n");
    await cp(FLASK, copy.folder, { recursive: true });
    await copy.git(["init", "--quiet", "--initial-branch=main"]);
    await copy.commit();
    return copy;
  }

  /** `git …` in the folder; fails on any exit code but 0. */
  async git(args: string[], options: CommandOptions = {}): Promise<CommandResult> {
    const result = await runCommand(["git", ...args], { cwd: this.folder, ...options, env: this.#environment });
    if (result.exitCode !== 0) throw new CommandError(["git", ...args], result);
    return result;
  }

  /** Changes the line that says what the page greets with, and commits that. Resolves with the page's new text. */
  async greet(name: string): Promise<string> {
    const file = join(this.folder, "main.py");
    const text = `Hola, mundo ${name}.`;
    await writeFile(file, (await readFile(file, "utf8")).replace(GREETING, `default="${text}"`));
    await this.commit();
    return text;
  }

  async remove(): Promise<void> {
    await rm(this.#home, { recursive: true, force: true });
  }

  /** Commits everything that has changed. */
  async commit(): Promise<void> {
    await this.git(["add", "--all"]);
    await this.git(["commit", "--quiet", "--message", "A change"]);
  }
}

/** An app on a platform, a token of its owner, and the URL that git pushes to, with that token in it. */
export async function createApp(platform: TestPlatform, name: string): Promise<{ remote: string; token: string }> {
  const credentials = Buffer.from(`${ADMIN.email}:${ADMIN.password}`).toString("base64");
  const { access_token } = (await ask(platform, "/oauth/authorizations", `Basic ${credentials}`, { scope: ["global"] })) as {
    access_token: { token: string };
  };
  await ask(platform, "/apps", `Bearer ${access_token.token}`, { name });
  const { token } = access_token;
  return { token, remote: `https://bench:${token}@localhost:${platform.tlsPort}/${name}.git` };
}

/** A request to the Platform API, a POST when nothing else is said. */
export async function ask(
  platform: TestPlatform,
  path: string,
  authorization: string,
  body?: unknown,
  method = "POST",
): Promise<unknown> {
  const response = await fetch(platform.origin + path, {
    method,
    headers: { accept: "application/vnd.heroku+json; version=3", "content-type": "application/json", authorization },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return await response.json();
}
