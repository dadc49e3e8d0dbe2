import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { mustRun, runCommand } from "../../../src/kernel/command.ts";
import { inheritedEnvironment } from "./heroku-cli.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");
const CACHE = join(ROOT, ".cache");
/** The first start of a run may have to build the stack. */
const START_TIMEOUT_MS = 180_000;
const POLL_MS = 50;

export const ADMIN = { email: "ana@example.test", password: "correct horse battery" };

/** A whole platform in a home of its own, started the way its user starts it. */
export class TestPlatform {
  readonly home: string;
  readonly port: number;
  readonly tlsPort: number;
  readonly #folder: string;
  readonly #settings: Record<string, string>;
  #process: ChildProcess | null = null;
  #output = "";

  private constructor(folder: string, ports: { port: number; tlsPort: number }, settings: Record<string, string>) {
    this.#folder = folder;
    this.home = join(folder, "home");
    this.port = ports.port;
    this.tlsPort = ports.tlsPort;
    this.#settings = settings;
  }

  /** Starts a platform; `settings` are further `ZARPA_…` variables. */
  static async start(settings: Record<string, string> = {}): Promise<TestPlatform> {
    const folder = await mkdtemp(join(tmpdir(), "zarpa-acceptance-"));
    await chmod(folder, 0o711);
    const platform = new TestPlatform(folder, await freePorts(), settings);
    await mkdir(platform.home, { mode: 0o755 });
    // The stack takes half a minute to build and uv is 50 MB: all test platforms share them.
    for (const shared of ["stacks", "tools"]) {
      await mkdir(join(CACHE, shared), { recursive: true });
      await symlink(join(CACHE, shared), join(platform.home, shared));
    }
    try {
      await platform.boot();
    } catch (error) {
      await platform.close();
      throw error;
    }
    return platform;
  }

  get origin(): string {
    return `http://localhost:${this.port}`;
  }

  /** Everything the platform has written to its terminal. */
  get output(): string {
    return this.#output;
  }

  /** The control plane's process id; null when it does not run. */
  get pid(): number | null {
    const file = join(this.home, "run", "platform.pid");
    if (!existsSync(file)) return null;
    const pid = Number(readFileSync(file, "utf8").trim());
    return pid > 0 && existsSync(`/proc/${pid}`) ? pid : null;
  }

  /** `npm start`, until the platform answers; resolves with the milliseconds that took. */
  async boot(): Promise<number> {
    const from = performance.now();
    const child = spawn("npm", ["start", "--silent"], {
      cwd: ROOT,
      env: this.environment,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    this.#process = child;
    const keep = (chunk: Buffer): void => {
      this.#output += chunk.toString();
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    while (performance.now() - from < START_TIMEOUT_MS) {
      if (child.exitCode !== null)
        throw new Error(`the platform ended with status ${child.exitCode}:\n${this.#output}${this.journal()}`);
      if (await this.isReady()) return performance.now() - from;
      await delay(POLL_MS);
    }
    throw new Error(`the platform was not ready after ${START_TIMEOUT_MS} ms:\n${this.#output}`);
  }

  async isReady(): Promise<boolean> {
    try {
      const response = await fetch(`${this.origin}/api/v4/current-status`, { signal: AbortSignal.timeout(1000) });
      await response.body?.cancel();
      return response.status === 200;
    } catch {
      return false;
    }
  }

  /** Sends the control plane a signal and waits until it is gone. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    const pid = this.pid;
    if (pid === null) throw new Error("the control plane does not run");
    process.kill(pid, signal);
    for (let waited = 0; this.pid !== null && waited < 30_000; waited += POLL_MS) await delay(POLL_MS);
    if (this.pid !== null) throw new Error(`the control plane has not ended after ${signal}`);
  }

  /** `npm stop`: control plane, router, dynos and database. */
  async stop(): Promise<string> {
    const result = await runCommand(["npm", "stop", "--silent"], { cwd: ROOT, env: this.environment });
    return result.stdout + result.stderr;
  }

  /** What `eval "$(npx zarpa env)"` puts into a user's shell. */
  async clientEnvironment(): Promise<Record<string, string>> {
    const script = 'eval "$("$1" "$2" env)" && env -0';
    const zarpa = join(ROOT, "bin", "zarpa.mjs");
    const node = join(ROOT, "node_modules", ".bin", "node");
    const { PATH = "" } = process.env;
    const { stdout } = await mustRun(["bash", "-c", script, "bash", node, zarpa], { env: { PATH, ZARPA_HOME: this.home } });
    const variables = stdout.split("\0").map((entry): [string, string] => {
      const equals = entry.indexOf("=");
      return [entry.slice(0, equals), entry.slice(equals + 1)];
    });
    return Object.fromEntries(
      variables.filter(([name]) => /^(HEROKU_|NODE_EXTRA_CA_CERTS|GIT_SSL|DISABLE_TELEMETRY)/.test(name)),
    );
  }

  /** The tail of the platform's own journal, to explain a failed test. */
  journal(): string {
    const file = join(this.home, "platform.log");
    return existsSync(file) ? readFileSync(file, "utf8").slice(-6000) : "";
  }

  /** Ends everything and removes the home. */
  async close(): Promise<void> {
    const said = await this.stop();
    if (this.#process?.exitCode === null) this.#process.kill("SIGKILL");
    if (process.env["ZARPA_TEST_KEEP"] === "1") {
      process.stderr.write(`kept: ${this.home}\n${said}`);
      return;
    }
    // The links go first: what they lead to is everybody's.
    for (const shared of ["stacks", "tools"]) await rm(join(this.home, shared), { force: true });
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  get environment(): Record<string, string> {
    return {
      ...inheritedEnvironment(),
      LC_ALL: "C.UTF-8",
      ZARPA_HOME: this.home,
      ZARPA_PORT: String(this.port),
      ZARPA_TLS_PORT: String(this.tlsPort),
      ZARPA_ADMIN_EMAIL: ADMIN.email,
      ZARPA_ADMIN_PASSWORD: ADMIN.password,
      ...this.#settings,
    };
  }
}

/** A free port for HTTP, and one for TLS whose successor is free too. */
async function freePorts(): Promise<{ port: number; tlsPort: number }> {
  for (;;) {
    const [port, tlsPort] = [await freePort(0), await freePort(0)];
    if (port === null || tlsPort === null || tlsPort + 1 === port) continue;
    if ((await freePort(tlsPort + 1)) !== null) return { port, tlsPort };
  }
}

async function freePort(wanted: number): Promise<number | null> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(null));
    server.listen(wanted, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : null));
    });
  });
}
