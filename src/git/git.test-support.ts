import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { systemClock } from "../kernel/clock.ts";
import { type CommandResult, mustRun, runCommand } from "../kernel/command.ts";
import { newId } from "../kernel/ids.ts";
import { Refusal } from "../kernel/refusal.ts";
import { GIT_ENVIRONMENT } from "./repository.ts";
import { createGitHandler, type GitHandler, type GitOptions } from "./handler.ts";
import type { GitPlatform, ReleasePhase } from "./ports.ts";

type Ordered = Parameters<GitPlatform["createBuild"]>[0];

/** A build under the test's control: what it prints and how it ends. */
export class ScriptedBuild {
  readonly id = newId();
  readonly order: Ordered;
  #output: Buffer[] = [];
  #ended = Promise.withResolvers<{ status: "succeeded" | "failed" }>();
  #more = Promise.withResolvers<void>();
  #over = false;

  constructor(order: Ordered) {
    this.order = order;
  }

  print(text: string): void {
    this.#output.push(Buffer.from(text));
    this.#wake();
  }

  end(status: "succeeded" | "failed"): void {
    this.#over = true;
    this.#ended.resolve({ status });
    this.#wake();
  }

  get result(): Promise<{ status: "succeeded" | "failed" }> {
    return this.#ended.promise;
  }

  async *follow(signal: AbortSignal): AsyncGenerator<Buffer> {
    for (let at = 0; ;) {
      const chunk = this.#output[at];
      if (chunk !== undefined) {
        at += 1;
        yield chunk;
      } else if (this.#over || signal.aborted) return;
      else await this.#more.promise;
    }
  }

  #wake(): void {
    const more = this.#more;
    this.#more = Promise.withResolvers();
    more.resolve();
  }
}

/** The platform as the git room sees it, in memory: one account, one app `shop`, builds that end as `onBuild` says. */
export class MemoryPlatform implements GitPlatform {
  readonly token = "a-token";
  readonly account = { id: newId(), email: "ana@example.test" };
  readonly app = { id: newId(), name: "shop" };
  readonly builds: ScriptedBuild[] = [];
  readonly sizes: number[] = [];
  phase: ReleasePhase | null = null;
  onBuild: (build: ScriptedBuild) => void = (build) => {
    build.print("-----> Building on the Heroku-24 stack\n");
    build.end("succeeded");
  };
  #waiting = new Set<() => void>();

  async authenticate(token: string): Promise<{ id: string; email: string } | null> {
    return token === this.token ? this.account : null;
  }

  async openApp(name: string): Promise<{ id: string; name: string }> {
    if (name !== this.app.name) throw new Refusal("not_found", "Couldn't find that app.");
    return this.app;
  }

  async createBuild(order: Ordered): Promise<{ id: string }> {
    const build = new ScriptedBuild(order);
    this.onBuild(build);
    this.builds.push(build);
    for (const wake of this.#waiting) wake();
    return { id: build.id };
  }

  followBuild(buildId: string, signal: AbortSignal): AsyncIterable<Buffer> {
    return this.#find(buildId).follow(signal);
  }

  async buildResult(buildId: string): Promise<{ status: "succeeded" | "failed" }> {
    return await this.#find(buildId).result;
  }

  async releasePhase(): Promise<ReleasePhase | null> {
    return this.phase;
  }

  async repositoryChanged(_appId: string, size: number): Promise<void> {
    this.sizes.push(size);
  }

  /** The build with that number, as soon as it has been ordered. */
  async build(index: number): Promise<ScriptedBuild> {
    for (;;) {
      const build = this.builds[index];
      if (build !== undefined) return build;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  #find(buildId: string): ScriptedBuild {
    const build = this.builds.find(({ id }) => id === buildId);
    if (build === undefined) throw new Error("no such build");
    return build;
  }
}

/** A git server on a free port with folders of its own, and a working copy `work` beside it. */
export interface Bench {
  platform: MemoryPlatform;
  handler: GitHandler;
  origin: string;
  /** URL of the app with the token. */
  remote: string;
  folder: string;
  repository: string;
  builds: string;
  faults: string[];
  /** Writes files, commits them, and returns the commit. */
  commit(files: Record<string, string>, message?: string): Promise<string>;
  git(...args: string[]): Promise<CommandResult>;
  /** What a ref of the server's repository names, or null. */
  serverRef(ref: string): Promise<string | null>;
  close(): Promise<void>;
}

export async function startBench(options: Partial<GitOptions> = {}): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), "zarpa-git-"));
  const [work, builds] = [join(folder, "work"), join(folder, "builds")];
  const platform = new MemoryPlatform();
  const faults: string[] = [];
  const handler = createGitHandler({
    platform,
    repositoriesFolder: join(folder, "repositories"),
    buildsFolder: builds,
    clock: systemClock,
    journal: { note: () => {}, fault: (event, cause) => faults.push(`${event}: ${String(cause)}`) },
    ...options,
  });
  await handler.recover();
  const server = createServer({ requestTimeout: 0 }, handler.handle);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const repository = join(folder, "repositories", `${platform.app.id}.git`);
  const git = async (...args: string[]): Promise<CommandResult> =>
    await runCommand(["git", ...args], { cwd: work, env: clientEnvironment(folder) });
  await mkdir(work);
  await git("init", "--quiet", "--initial-branch=main");
  const remote = origin.replace("//", `//heroku:${platform.token}@`) + `/${platform.app.name}.git`;
  await git("remote", "add", "heroku", remote);
  return {
    platform,
    handler,
    origin,
    remote,
    folder,
    repository,
    builds,
    faults,
    git,
    async commit(files, message = "A change") {
      for (const [name, content] of Object.entries(files)) {
        await mkdir(dirname(join(work, name)), { recursive: true });
        await writeFile(join(work, name), content);
      }
      await git("add", "--all");
      await git("commit", "--quiet", "--allow-empty", "--message", message);
      return (await git("rev-parse", "HEAD")).stdout.trim();
    },
    async serverRef(ref) {
      const { exitCode, stdout } = await git("--git-dir", repository, "rev-parse", "--verify", "--quiet", ref);
      return exitCode === 0 ? stdout.trim() : null;
    },
    async close() {
      await stop(server);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function clientEnvironment(folder: string): Record<string, string> {
  return {
    PATH: GIT_ENVIRONMENT["PATH"] ?? "",
    HOME: folder,
    LC_ALL: "C.UTF-8",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
    GIT_AUTHOR_NAME: "Ana",
    GIT_AUTHOR_EMAIL: "ana@example.test",
    GIT_COMMITTER_NAME: "Ana",
    GIT_COMMITTER_EMAIL: "ana@example.test",
  };
}

/** Starts a git command of the working copy, and kills it as soon as its output contains `text`. */
export async function gitUntil(bench: Bench, text: string, ...args: string[]): Promise<void> {
  const child = spawn("git", args, { cwd: join(bench.folder, "work"), env: clientEnvironment(bench.folder), detached: true });
  let seen = "";
  await new Promise<void>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", () => resolve());
    child.stderr.on("data", (chunk: Buffer) => {
      seen += chunk.toString();
      // The whole group: git's HTTP helper holds the connection.
      if (seen.includes(text) && child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    });
  });
}

/** A file of random, hence incompressible, bytes. */
export async function randomFile(path: string, megabytes: number): Promise<void> {
  await mustRun(["dd", "if=/dev/urandom", `of=${path}`, "bs=1M", `count=${megabytes}`, "status=none"]);
}

async function stop(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** How many pushes of the app are being received. */
export async function quarantines(bench: Bench): Promise<number> {
  return (await readdir(join(bench.repository, "objects"))).filter((name) => name.startsWith("tmp_")).length;
}

/** Polls until the condition holds. */
export async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error("it did not happen within 10 s");
    await new Promise((resolve) => setImmediate(resolve));
  }
}
