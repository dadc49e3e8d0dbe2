import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect } from "node:tls";
import { testCertificate } from "../../test/support/certificate.ts";
import { MemoryFormation } from "../../test/support/memory-formation.ts";
import { systemClock } from "../kernel/clock.ts";
import { newId, newToken, tokenDigest } from "../kernel/ids.ts";
import { Logplex } from "../logplex/logplex.ts";
import type { AppRoute, DynoRecord } from "./ports.ts";
import { createProcessDriver, type ProcessDriver } from "./process/driver.ts";
import { createRuntime, type Runtime } from "./runtime.ts";

// The whole life of dynos with real processes, real logs and a real `heroku run` connection; only the rows are in memory.

const journal = { note: () => {}, fault: (event: string, cause: unknown) => console.error(event, cause) };
const certificate = await testCertificate();
const home = await mkdtemp(join(tmpdir(), "zarpa-life-"));
const store = new MemoryFormation(systemClock);
const { id: appId } = store.must().app;
const routes: AppRoute[] = [];
let driver: ProcessDriver;
let logplex: Logplex;
let runtime: Runtime;

async function startPlane(): Promise<void> {
  driver = await createProcessDriver({ dynosFolder: join(home, "dynos"), journal, clock: systemClock });
  logplex = new Logplex({ folder: join(home, "logs"), clock: systemClock, journal });
  runtime = createRuntime({
    driver,
    store,
    log: logplex,
    routes: { publish: (route) => void routes.push(route), withdraw: () => {} },
    clock: systemClock,
    journal,
    logsFolder: join(home, "dynos"),
    rendezvous: { port: 0, cert: certificate.cert, key: certificate.key },
    sleepTimes: { idle: null, frozen: 0 },
  });
  await runtime.start();
}

async function stopPlane(): Promise<void> {
  await runtime.stop();
  await logplex.close();
}

before(async () => {
  await chmod(home, 0o711);
  await mkdir(join(home, "slug", "app"), { recursive: true });
  const server = `import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(os.environ["GREETING"].encode())
        print("served", self.path, flush=True)
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
`;
  await writeFile(join(home, "slug", "app", "server.py"), server);
  await startPlane();
});

after(async () => {
  await stopPlane();
  await driver.stopAll();
  await rm(home, { recursive: true, force: true });
});

function deploy(greeting: string): void {
  store.deploy({ GREETING: greeting }).slugRoot = join(home, "slug");
  runtime.appChanged(appId);
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1_000; tries += 1) {
    if (await condition()) return;
    await systemClock.sleep(10);
  }
  assert.fail(`this did not come true: ${condition.toString()}; ${store.states().join(" ")}; ${(await lines()).join("\n")}`);
}

async function lines(process: string | null = null): Promise<string[]> {
  const options = { lines: 1_500, tail: false, afterId: null, signal: new AbortController().signal };
  const all = await Array.fromAsync(logplex.read(appId, { source: null, process }, options));
  return all.map(({ text }) => text.slice(text.indexOf(" ") + 1));
}

async function get(path: string): Promise<string> {
  const backend = routes.at(-1)?.backends[0];
  return await (await fetch(`http://${backend?.address}:${backend?.port}${path}`)).text();
}

function oneOff(more: Partial<DynoRecord>): void {
  const release = store.must().release!;
  const now = systemClock.now();
  store.rows.push({
    id: newId(),
    app_id: appId,
    release_id: release.id,
    type: "run",
    name: "run.1234",
    size: "Eco",
    command: "true",
    state: "created",
    kind: "one-off",
    attach: false,
    force_no_tty: false,
    env: {},
    attach_digest: null,
    time_to_live: null,
    stop_requested: false,
    crashes: 0,
    restart_at: null,
    address: null,
    port: null,
    created_at: now,
    updated_at: now,
    ...more,
  });
  runtime.appChanged(appId);
}

/** What `heroku run` does with a pipe: the secret, input after the greeting, Ctrl-D at its end. */
async function run(more: Partial<DynoRecord>, input: string): Promise<string> {
  const secret = newToken();
  const socket = connect({ port: runtime.rendezvousPort, ca: certificate.ca, checkServerIdentity: () => undefined });
  await once(socket, "secureConnect");
  socket.write(`${secret}\r\n`);
  // The client may be faster than the plan.
  oneOff({ attach: true, attach_digest: tokenDigest(secret), ...more });
  const [greeting] = (await once(socket, "data")) as [Buffer];
  assert.equal(greeting.toString(), "rendezvous\r\n");
  if (input !== "") socket.write(input);
  socket.write("\u0004");
  let output = "";
  socket.on("data", (chunk: Buffer) => (output += chunk.toString()));
  await once(socket, "end");
  socket.destroy();
  return output;
}

test("deploy, redeploy without a gap, control plane restart, crash, scale to zero", { timeout: 60_000 }, async () => {
  store.scale("web", 1, "exec python3 server.py");
  deploy("one");
  await until(() => routes.at(-1)?.state === "up");
  assert.equal(await get("/first"), "one");
  await until(async () => (await lines("web")).includes("app[web.1]: served /first"));

  deploy("two");
  // There is no router here: a request to the old dyno may meet its end.
  await until(async () => routes.at(-1)?.state === "up" && (await get("/second").catch(() => "")) === "two");
  await until(() => store.states().join() === "web.1:up");

  await stopPlane();
  assert.equal(await get("/alone"), "two");
  await startPlane();
  await until(async () => (await lines("web")).includes("app[web.1]: served /alone"));
  assert.equal((await lines("web")).filter((line) => line === "app[web.1]: served /first").length, 1);
  assert.equal(store.rows.length, 2);

  const { id } = store.rows.at(-1)!;
  await driver.signal(id, "SIGKILL");
  await until(() => store.rows.length === 3 && store.rows[2]?.state === "up");
  await until(() => routes.at(-1)?.state === "up");
  assert.equal(await get("/again"), "two");
  assert.ok((await lines("web.1")).includes("heroku[web.1]: State changed from up to crashed"));

  store.scale("web", 0);
  runtime.appChanged(appId);
  await until(() => store.states().length === 0);
  assert.equal(routes.at(-1)?.state, "none");
  await until(async () => (await lines("web.1")).at(-1) === "heroku[web.1]: State changed from up to down");
  assert.ok(!(await lines("web.1")).some((line) => line.includes("Terminated")));
});

test("heroku run: pipes, a terminal, the exit code; run:detached; the release phase", { timeout: 60_000 }, async () => {
  deploy("three");
  const sentinel = '; echo "\uFFFF heroku-command-exit-status: $?"';
  assert.equal(await run({ command: "tr a-z A-Z", force_no_tty: true }, "piped\n"), "PIPED\n");
  await until(() => store.states().length === 0);
  const terminal = await run({ command: `stty size; (exit 7) ${sentinel}`, env: { COLUMNS: "100", LINES: "30" } }, "");
  assert.match(terminal, /^30 100\r\n\uFFFF heroku-command-exit-status: 7\r\n$/);
  await until(() => store.states().length === 0);

  oneOff({ name: "run.5678", command: "echo $GREETING; exit 3" });
  await until(() => store.rows.at(-1)?.exit_code === 3);
  const said = [
    "heroku[run.5678]: Starting process with command `echo $GREETING; exit 3`",
    "heroku[run.5678]: State changed from starting to up",
    "app[run.5678]: three",
    "heroku[run.5678]: Process exited with status 3",
    "heroku[run.5678]: State changed from up to complete",
  ];
  await until(async () => (await lines("run.5678")).length >= said.length);
  // A program may speak before it is known to be up.
  assert.deepEqual((await lines("run.5678")).toSorted(), said.toSorted());

  const output: string[] = [];
  const phase = {
    appId,
    releaseId: store.must().release!.id,
    command: "echo migrated",
    onOutput: (text: string) => output.push(text),
  };
  assert.deepEqual(await runtime.runRelease(phase), { exitCode: 0 });
  assert.deepEqual(output, ["migrated\n"]);
});
