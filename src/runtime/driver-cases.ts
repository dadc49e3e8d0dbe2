import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { systemClock } from "../kernel/clock.ts";
import type { Driver, DynoSpec, StartedDyno } from "./ports.ts";
import type { BuildSandbox } from "./sandbox.ts";

export type TestedDriver = Driver & { readonly sandbox: BuildSandbox; stopAll(): Promise<void> };

/** What a driver's test hands to the shared cases. `open` stands for a start of the control plane. */
export interface DriverBench {
  name: string;
  open(dynosFolder: string): Promise<TestedDriver>;
}

/** What the cases of one driver share; more cases can be added to it. */
export class Trial {
  readonly bench: DriverBench;
  readonly uid = 204_321;
  driver!: TestedDriver;
  folder!: string;
  slugRoot!: string;
  readonly exits = new Map<string, number>();
  readonly #specs = new Map<string, DynoSpec>();
  #unwatch = (): void => {};

  constructor(bench: DriverBench) {
    this.bench = bench;
  }

  async begin(): Promise<void> {
    this.folder = await mkdtemp(join(tmpdir(), "zarpa-dynos-"));
    await chmod(this.folder, 0o711);
    this.slugRoot = await this.#writeSlug();
    await this.open();
  }

  /** A new control plane on the same folders. */
  async open(): Promise<void> {
    this.#unwatch();
    this.driver = await this.bench.open(join(this.folder, "dynos"));
    this.#unwatch = this.driver.watch(({ dynoId, exitCode }) => this.exits.set(dynoId, exitCode));
  }

  async finish(): Promise<void> {
    this.#unwatch();
    await this.driver.stopAll();
    await rm(this.folder, { recursive: true, force: true });
  }

  spec(command: string, more: Partial<DynoSpec> = {}): DynoSpec {
    const dynoId = randomUUID();
    return {
      dynoId,
      app: { id: "7f3c", name: "sample", uid: this.uid },
      name: "web.1",
      slugRoot: this.slugRoot,
      stack: "heroku-24",
      command,
      env: { DYNO: "web.1", GREETING: "it's $HOME; a b" },
      port: null,
      size: { memoryBytes: 512 * 1024 * 1024, cpuShare: 1, maxProcesses: 256, diskBytes: 1024 ** 3 },
      logPath: join(this.folder, "logs", dynoId),
      ...more,
    };
  }

  async start(command: string, more: Partial<DynoSpec> = {}): Promise<StartedDyno> {
    const spec = this.spec(command, more);
    this.#specs.set(spec.dynoId, spec);
    return await this.driver.start(spec);
  }

  /** Starts a command, waits for its end, and removes it. */
  async run(command: string, more: Partial<DynoSpec> = {}): Promise<{ exitCode: number; output: string }> {
    const { dynoId } = await this.start(command, more);
    const exitCode = await this.exit(dynoId);
    const output = await this.output(dynoId);
    await this.driver.remove(dynoId);
    return { exitCode, output };
  }

  async exit(dynoId: string): Promise<number> {
    await until(() => this.exits.has(dynoId));
    return this.exits.get(dynoId) ?? -1;
  }

  /** The program's output, without what the log format adds. */
  async output(dynoId: string): Promise<string> {
    const text = await readFile(this.#specs.get(dynoId)?.logPath ?? "", "utf8").catch(() => "");
    if (this.driver.logFormat === "plain") return text;
    return text.replaceAll(/^\S+ (?:stdout|stderr) [FP] /gm, "");
  }

  async said(dynoId: string, pattern: RegExp): Promise<void> {
    await until(async () => pattern.test(await this.output(dynoId)));
  }

  async #writeSlug(): Promise<string> {
    const root = join(this.folder, "slug", "root");
    const app = join(root, "app");
    await mkdir(join(app, ".profile.d"), { recursive: true });
    await mkdir(join(app, "data"));
    await writeFile(join(app, ".profile.d", "b.sh"), 'export ORDER="${ORDER}b"\n');
    await writeFile(join(app, ".profile.d", "a.sh"), 'export ORDER="a"\n');
    await writeFile(join(app, ".profile"), 'export ORDER="${ORDER}p"\n');
    await writeFile(join(app, "data", "words"), "from the slug\n");
    if (process.getuid?.() === 0) await own(app, this.uid);
    return root;
  }
}

async function own(path: string, uid: number): Promise<void> {
  await chown(path, uid, uid);
  for (const entry of await readdir(path, { withFileTypes: true, recursive: true })) {
    await chown(join(entry.parentPath, entry.name), uid, uid);
  }
}

/** Real processes cannot be waited for with a turned clock: looks every few milliseconds, for 10 s. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1000; tries += 1) {
    if (await condition()) return;
    await systemClock.sleep(10);
  }
  assert.fail("this did not come true within 10 s");
}

/** A web server on `$PORT`. */
export const SERVER = `python3 -c '
import http.server, os
http.server.HTTPServer(("0.0.0.0", int(os.environ["PORT"])), http.server.SimpleHTTPRequestHandler).serve_forever()'`;

/** What every driver does; `more` adds what one can do beyond that. */
export function describeDriver(bench: DriverBench, more: (trial: Trial) => void = () => {}): void {
  describe(`the ${bench.name} driver`, () => {
    const trial = new Trial(bench);
    before(async () => await trial.begin());
    after(async () => await trial.finish());
    describeLife(trial);
    describeRemains(trial);
    describeAttached(trial);
    more(trial);
  });
}

function describeLife(trial: Trial): void {
  test("a dyno has its environment, home and profile, and tells its exit code", async () => {
    const { exitCode, output } = await trial.run(
      'pwd; echo "$HOME|$DYNO|$GREETING|$ORDER|$PORT"; cat data/words; echo bad >&2; exit 7',
      {
        port: 5000,
      },
    );
    const [folder, facts, words] = output.split("\n");
    assert.equal(exitCode, 7);
    assert.match(facts ?? "", new RegExp(`^${folder}\\|web\\.1\\|it's \\$HOME; a b\\|abp\\|\\d+$`));
    assert.equal(words, "from the slug");
    assert.match(output, /^bad$/m);
  });

  test("an app may change every file of its own, and the slug stays what it is", async () => {
    const { output } = await trial.run(
      'echo more >> data/words && rm .profile && touch data/new new && cat data/words && id -u && echo "$UID"',
    );
    assert.match(output, /from the slug\nmore\n/);
    if (process.getuid?.() === 0) assert.match(output, /^204321$/m);
    assert.equal(await readFile(join(trial.slugRoot, "app/data/words"), "utf8"), "from the slug\n");
    assert.deepEqual((await readdir(join(trial.slugRoot, "app"))).sort(), [".profile", ".profile.d", "data"]);
  });

  test("an app without a slug has an empty home, and a command that does not exist is said so", async () => {
    const { exitCode, output } = await trial.run("ls -A; no-such-command", { slugRoot: null });
    assert.equal(exitCode, 127);
    assert.match(output, /^[^\n]*no-such-command[^\n]*not found\n$/);
  });

  test("the port counts as bound once something listens on it", async () => {
    const dyno = await trial.start(SERVER, { port: 5000 });
    const port = dyno.port ?? 0;
    await until(async () => await trial.driver.isListening(dyno, port));
    assert.equal((await fetch(`http://${dyno.address}:${port}/data/words`)).status, 200);
    await trial.driver.signal(dyno.dynoId, "SIGTERM");
    assert.equal(await trial.exit(dyno.dynoId), 143);
    assert.equal(await trial.driver.isListening(dyno, port), false);
    await trial.driver.remove(dyno.dynoId);
  });

  test("SIGTERM reaches grandchildren, and orphans are no zombies", async () => {
    const { dynoId } = await trial.start(
      `(trap 'echo grandchild got it; exit 0' TERM; while :; do sleep 0.05; done) & (sleep 0.01 & exec true); sleep 0.1
       trap 'echo child got it; wait; exit 5' TERM; for i in {1..40}; do zombies=$(ps -o stat= --ppid 1 -u "$(id -u)" | grep -c Z); [ "$zombies" = 0 ] && break; sleep 0.05; done
       echo "zombies: $zombies, ready"; while :; do sleep 0.05; done`,
    );
    await trial.said(dynoId, /ready/);
    await trial.driver.signal(dynoId, "SIGTERM");
    assert.equal(await trial.exit(dynoId), 5);
    const output = await trial.output(dynoId);
    assert.match(output, /zombies: 0/);
    assert.match(output, /grandchild got it/);
    await trial.driver.remove(dynoId);
  });

  test("SIGKILL leaves nothing, whatever was forked out of sight", async () => {
    const mark = `31${process.pid}`;
    const { dynoId } = await trial.start(
      `setsid setsid sleep ${mark} & (setsid sh -c 'sleep ${mark} & disown' &); sleep 0.2; echo ready; sleep ${mark}`,
    );
    await trial.said(dynoId, /ready/);
    assert.ok((await sleepers(mark)) >= 3);
    await trial.driver.signal(dynoId, "SIGKILL");
    assert.equal(await trial.exit(dynoId), 137);
    await until(async () => (await sleepers(mark)) === 0);
    await trial.driver.remove(dynoId);
    await trial.driver.remove(dynoId);
    await trial.driver.signal(dynoId, "SIGTERM");
  });

  test("a new control plane finds what runs and what has ended meanwhile", async () => {
    const running = await trial.start("echo first; sleep 300");
    const ending = await trial.start("sleep 0.3; exit 9");
    await trial.said(running.dynoId, /first/);
    await trial.open();
    await trial.exit(ending.dynoId);
    const list = await trial.driver.list();
    const found = (dynoId: string) => list.find((dyno) => dyno.dynoId === dynoId);
    assert.deepEqual(found(running.dynoId), { dynoId: running.dynoId, running: true, exitCode: null, started: running });
    assert.equal(found(ending.dynoId)?.running, false);
    assert.equal(found(ending.dynoId)?.exitCode, 9);
    await trial.driver.remove(ending.dynoId);
    await trial.driver.remove(running.dynoId);
    assert.deepEqual(await trial.driver.list(), []);
  });
}

function describeRemains(trial: Trial): void {
  test("whatever a dyno leaves on the disk is removed", async () => {
    const deep = "import os\nfor _ in range(3000): os.mkdir('d' * 20); os.chdir('d' * 20)";
    const { output } = await trial.run(
      `mkdir closed && touch closed/file && chmod 0 closed; touch "$(printf 'a\\nb')" -- '-rf *'; python3 -c "${deep}"; echo made`,
    );
    assert.match(output, /made/);
    assert.deepEqual(await readdir(join(trial.folder, "dynos/live")), []);
  });

  test("a dyno that cannot be started leaves nothing, and the error says why", async () => {
    await assert.rejects(
      trial.start("true", { slugRoot: join(trial.folder, "no-such-slug") }),
      /no-such-slug|could not be created/,
    );
    assert.deepEqual(await readdir(join(trial.folder, "dynos/live")), []);
    assert.deepEqual(await trial.driver.list(), []);
  });
}

async function sleepers(mark: string): Promise<number> {
  let count = 0;
  for (const pid of await readdir("/proc")) {
    const line = /^\d+$/.test(pid) ? await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "") : "";
    if (line === `sleep\0${mark}\0`) count += 1;
  }
  return count;
}

function describeAttached(trial: Trial): void {
  test("an attached dyno has a terminal of the asked size", async () => {
    const attached = await trial.driver.attach(trial.spec("tty >/dev/null && stty size; read -r line; echo got:$line; exit 4"), {
      columns: 101,
      rows: 31,
    });
    let output = "";
    attached.onOutput((chunk) => (output += chunk.toString()));
    await until(() => output.includes("31 101"));
    attached.write(Buffer.from("hé\r"));
    assert.deepEqual(await attached.exited, { exitCode: 4 });
    assert.match(output, /got:hé/);
  });

  test("input and Ctrl-D that come before the program wait for it", async () => {
    const attached = await trial.driver.attach(trial.spec("cat"), { columns: 80, rows: 24 });
    let output = "";
    attached.onOutput((chunk) => (output += chunk.toString()));
    attached.write(Buffer.from("early\n\u0004"));
    assert.deepEqual(await attached.exited, { exitCode: 0 });
    // The terminal's echo, and the program's.
    assert.deepEqual(output.match(/early\r\n/g)?.length, 2);
  });

  test("a dyno's memory, processor time and load can be read while it runs", async () => {
    const { dynoId } = await trial.start(
      "exec python3 -c 'x = bytearray(60 << 20); print(\"ready\", flush=True)\nwhile True: pass'",
    );
    await trial.said(dynoId, /ready/);
    await until(async () => ((await trial.driver.usage(dynoId))?.cpuMilliseconds ?? 0) > 100);
    const usage = await trial.driver.usage(dynoId);
    assert.ok(usage !== null && usage.rssBytes > 60 << 20 && usage.rssBytes < 120 << 20, JSON.stringify(usage));
    assert.ok(usage.runnable >= 1);
    await trial.driver.signal(dynoId, "SIGKILL");
    await trial.exit(dynoId);
    await trial.driver.remove(dynoId);
    assert.equal(await trial.driver.usage(dynoId), null);
  });

  test("an attached dyno has pipes, whose end it sees, and one stream of output", async () => {
    const attached = await trial.driver.attach(trial.spec("tr a-z A-Z; echo err >&2; echo out"), null);
    let output = "";
    attached.onOutput((chunk) => (output += chunk.toString()));
    attached.write(Buffer.from("hello\n"));
    attached.end();
    assert.deepEqual(await attached.exited, { exitCode: 0 });
    assert.equal(output, "HELLO\nerr\nout\n");
  });

  test("Ctrl-D, SIGHUP and SIGKILL end an attached dyno, and it leaves nothing behind", async () => {
    const shell = await trial.driver.attach(trial.spec("bash --norc"), { columns: 80, rows: 24 });
    let prompt = "";
    shell.onOutput((chunk) => (prompt += chunk.toString()));
    await until(() => prompt.includes("$"));
    shell.end();
    assert.deepEqual(await shell.exited, { exitCode: 0 });
    for (const [signal, exitCode] of [["SIGHUP", 129] as const, ["SIGKILL", 137] as const]) {
      const attached = await trial.driver.attach(trial.spec("echo ready; exec sleep 300"), null);
      let output = "";
      attached.onOutput((chunk) => (output += chunk.toString()));
      await until(() => output.includes("ready"));
      await attached.signal(signal);
      assert.deepEqual(await attached.exited, { exitCode });
    }
    assert.deepEqual(await readdir(join(trial.folder, "dynos/live")), []);
  });
}
