import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { testCertificate } from "../../test/support/certificate.ts";
import { systemClock } from "../kernel/clock.ts";
import { newId } from "../kernel/ids.ts";
import type { Journal } from "../kernel/journal.ts";
import { hastyClock, HttpsServer, SyslogServer } from "./drain.test-support.ts";
import { Drains } from "./drains.ts";
import { Logplex } from "./logplex.ts";
import type { DrainRecord } from "./ports.ts";

const root = await mkdtemp(join(tmpdir(), "zarpa-drains-"));
after(() => rm(root, { recursive: true, force: true }));
const certificate = await testCertificate();
const faults: string[] = [];
const journal: Journal = { note: () => {}, fault: (event, cause) => faults.push(`${event}: ${String(cause)}`) };
after(() => assert.deepEqual(faults, []));
const servers: (SyslogServer | HttpsServer)[] = [];
after(async () => await Promise.all(servers.map(async (server) => await server.close())));
const LOOPBACK = { forbidden: [], allowed: ["127.0.0.0/8"] };
const everything = { source: null, process: null };

/** The log plane of a platform whose control plane can be started again. */
async function home(): Promise<{
  appId: string;
  rows: DrainRecord[];
  add(url: string): DrainRecord;
  start: () => Promise<Plane>;
}> {
  const folder = await mkdtemp(join(root, "home-"));
  const appId = newId();
  const rows: DrainRecord[] = [];
  return {
    appId,
    rows,
    add: (url) => {
      const id = newId();
      const record = { id, app_id: appId, token: `d.${id}`, url };
      rows.push(record);
      return record;
    },
    start: async () => {
      const logplex = new Logplex({ folder, clock: systemClock, journal });
      const store = { drains: async () => rows };
      const options = { logplex, store, network: LOOPBACK, authorities: certificate.ca, clock: hastyClock, journal };
      const drains = new Drains(options);
      await drains.changed(appId);
      drains.start();
      return {
        logplex,
        drains,
        say: (message, process = "web.1") => logplex.emit(appId, { source: "app", process, message }),
        [Symbol.asyncDispose]: async () => {
          await drains.close();
          await logplex.close();
        },
      };
    },
  };
}

interface Plane extends AsyncDisposable {
  logplex: Logplex;
  drains: Drains;
  say(message: string, process?: string): void;
}

async function until(condition: () => boolean | Promise<boolean>, milliseconds = 20_000): Promise<void> {
  for (let waited = 0; !(await condition()); waited += 5) {
    if (waited > milliseconds) assert.fail("this did not come true");
    await systemClock.sleep(5);
  }
}

const numbers = (count: number, from = 1): string[] => Array.from({ length: count }, (_, index) => `line ${from + index}`);

test("syslog over TCP: octet-counted messages of RFC 5424, from the moment the drain was added", async () => {
  const server = new SyslogServer();
  servers.push(server);
  await server.listen();
  const { add, start, appId } = await home();
  const { token } = add(`syslog://127.0.0.1:${server.port}`);
  await using plane = await start();
  const at = new Date("2026-11-20T12:00:00.123Z");
  plane.logplex.emit(appId, { at, source: "app", process: "web.1", message: "señal\nzwei" });
  plane.logplex.emit(appId, { at, source: "heroku", process: "router", message: 'at=info path="/"' });
  plane.logplex.emit(appId, { at, source: "heroku", process: "web.1", message: "State changed from starting to up" });
  await until(() => server.messages.length === 4);
  assert.deepEqual(server.messages, [
    `<190>1 2026-11-20T12:00:00.123000+00:00 ${token} app web.1 - - señal`,
    `<190>1 2026-11-20T12:00:00.123000+00:00 ${token} app web.1 - - zwei`,
    `<158>1 2026-11-20T12:00:00.123000+00:00 ${token} heroku router - - at=info path="/"`,
    `<134>1 2026-11-20T12:00:00.123000+00:00 ${token} heroku web.1 - - State changed from starting to up`,
  ]);
});

test("syslog over TLS holds the certificate against the authorities, and says L14 when it is not good", async () => {
  const good = new SyslogServer(certificate);
  servers.push(good);
  const stranger = new SyslogServer(await testCertificate());
  servers.push(stranger);
  await good.listen();
  await stranger.listen();
  const { add, start, appId } = await home();
  add(`syslog+tls://localhost:${good.port}`);
  add(`syslog+tls://user:secret@localhost:${stranger.port}`);
  add(`syslog+tls://localhost:${stranger.port}#insecure`);
  await using plane = await start();
  plane.say("one");
  await until(() => good.texts.includes("one") && stranger.texts.includes("one"));
  const options = { lines: 100, tail: false, afterId: null, signal: new AbortController().signal };
  const log = async (): Promise<string> =>
    (await Array.fromAsync(plane.logplex.read(appId, everything, options))).map(({ text }) => text).join("\n");
  const l14 = new RegExp(
    `heroku\\[logplex\\]: Error L14 \\(certificate validation\\): error=".+" uri="syslog\\+tls://localhost:${stranger.port}"`,
  );
  await until(async () => l14.test(await log()));
  assert.equal((await log()).match(/L14/g)?.length, 1);
  assert.equal(stranger.texts.filter((text) => text === "one").length, 1);
});

test("HTTPS in Logplex's format: headers, frames, credentials, retry", async () => {
  const server = new HttpsServer(certificate);
  servers.push(server);
  await server.listen();
  server.statuses.push(503, 401);
  const { add, start } = await home();
  const { token } = add(`https://ana:s3cret@localhost:${server.port}/logs?app=demo`);
  await using plane = await start();
  for (const text of numbers(3_000)) plane.say(text);
  await until(() => server.messages.length === 3_000);
  assert.deepEqual(
    server.messages.map((message) => message.slice(message.indexOf(" - ") + 3)),
    numbers(3_000).map((text) => `${text}\n`),
  );
  assert.match(server.messages[0]!, /^<190>1 \d{4}-\S+\+00:00 host app web\.1 - line 1\n$/);
  const frames = new Set<string>();
  for (const { headers, messages } of server.posts) {
    assert.equal(headers["content-type"], "application/logplex-1");
    assert.equal(headers["logplex-drain-token"], token);
    assert.equal(headers["logplex-msg-count"], String(messages.length));
    assert.equal(headers["authorization"], `Basic ${Buffer.from("ana:s3cret").toString("base64")}`);
    assert.ok(messages.length <= 1_024);
    frames.add(String(headers["logplex-frame-id"]));
  }
  assert.equal(frames.size, server.posts.length);
});

test("what a receiver rejects is counted and said", async () => {
  const server = new HttpsServer();
  servers.push(server);
  await server.listen();
  server.statuses.push(413);
  const { add, start } = await home();
  const { id } = add(`http://127.0.0.1:${server.port}/`);
  await using plane = await start();
  plane.say("too long");
  await until(() => server.statuses.length === 0);
  plane.say("short");
  await until(() => server.messages.length === 2);
  assert.match(
    server.messages[0]!,
    /^<172>1 \S+ host heroku logplex - Error L10 \(output buffer overflow\): 1 messages dropped since 20\S+Z\.\n$/,
  );
  assert.match(server.messages[1]!, / - short\n$/);
  const status = plane.drains.status(id);
  assert.deepEqual([status?.delivered, status?.dropped], [1, 1]);
});

test("a receiver that dies and comes back gets what came meanwhile; one that never reads holds up nobody", async () => {
  const server = new SyslogServer();
  servers.push(server);
  await server.listen();
  const deaf = new SyslogServer();
  servers.push(deaf);
  deaf.isDeaf = true;
  await deaf.listen();
  const { add, start } = await home();
  const { id } = add(`syslog://127.0.0.1:${server.port}`);
  add(`syslog://127.0.0.1:${deaf.port}`);
  await using plane = await start();
  plane.say("before");
  await until(() => plane.drains.status(id)?.delivered === 1);
  await server.close();
  for (const text of numbers(5_000)) plane.say(text);
  await until(() => plane.drains.status(id)?.state === "retrying");
  const again = new SyslogServer();
  servers.push(again);
  await again.listen(server.port);
  await until(() => again.texts.length >= 5_000);
  assert.deepEqual(again.texts, numbers(5_000));
  await until(() => plane.drains.status(id)?.state === "ok");
});

test("L10: lines that the log has dropped before the receiver came back are counted, none is lost in silence", async () => {
  const { add, start, appId } = await home();
  const dead = new SyslogServer();
  servers.push(dead);
  await dead.listen();
  await dead.close();
  add(`syslog://127.0.0.1:${dead.port}`);
  await using plane = await start();
  const count = 40_000;
  const filler = "x".repeat(900);
  for (let block = 0; block < count; block += 1_000) {
    const lines = numbers(1_000, block + 1).map((text) => ({
      appId,
      source: "app" as const,
      process: "web.1",
      message: `${text} ${filler}`,
    }));
    plane.logplex.emitMany(lines);
    await plane.logplex.settled(appId);
  }
  const server = new SyslogServer();
  servers.push(server);
  await server.listen(dead.port);
  await until(() => server.texts.at(-1)?.startsWith(`line ${count} `) === true);
  let dropped = 0;
  let received = 0;
  let last = 0;
  for (const text of server.texts) {
    const lost = /^Error L10 \(output buffer overflow\): (\d+) messages dropped since \S+Z\.$/.exec(text);
    if (lost === null) {
      const number = Number(text.split(" ")[1]);
      assert.ok(number > last);
      last = number;
      received += 1;
    } else {
      dropped += Number(lost[1]);
    }
  }
  assert.ok(dropped > 10_000, `${dropped} dropped`);
  assert.equal(received + dropped, count);
});

/** A control plane that carries one dyno's output to a drain until it is killed. */
const CONTROL_PLANE = `
import { systemClock } from "${import.meta.resolve("../kernel/clock.ts")}";
import { Drains } from "${import.meta.resolve("./drains.ts")}";
import { Logplex } from "${import.meta.resolve("./logplex.ts")}";
const [folder, path, row] = process.argv.slice(1);
const journal = { note: console.error, fault: console.error };
const record = JSON.parse(row);
const logplex = new Logplex({ folder, clock: systemClock, journal });
const network = { forbidden: [], allowed: ["127.0.0.0/8"] };
const store = { drains: async () => [record] };
const drains = new Drains({ logplex, store, network, authorities: null, clock: systemClock, journal });
await drains.changed(record.app_id);
drains.start();
logplex.follow({ dynoId: "d", appId: record.app_id, process: "web.1", path, format: "plain" });
await systemClock.sleep(60_000);
`;

for (const kind of ["syslog", "http"]) {
  test(`a control plane killed with -9 loses no line of a drain (${kind})`, { timeout: 60_000 }, async () => {
    const server = kind === "syslog" ? new SyslogServer() : new HttpsServer();
    servers.push(server);
    await server.listen();
    const folder = await mkdtemp(join(root, "killed-"));
    const output = join(folder, "dyno.log");
    await writeFile(output, "");
    const id = newId();
    const record = { id, app_id: newId(), token: `d.${id}`, url: `${kind}://127.0.0.1:${server.port}` };
    const argv = [
      "--input-type=module-typescript",
      "--eval",
      CONTROL_PLANE,
      join(folder, "logs"),
      output,
      JSON.stringify(record),
    ];
    const total = 18_000;
    for (let round = 0; round < 3; round += 1) {
      const child = spawn(process.execPath, argv, { stdio: ["ignore", "ignore", "inherit"] });
      const had = server.messages.length;
      // Not before the drain stands: it begins with what comes then.
      if (round === 0)
        await until(async () =>
          (await readdir(join(folder, "logs"), { recursive: true }).catch(() => [])).some((name) => name.endsWith(".json")),
        );
      await appendFile(output, `${numbers(total / 3, round * (total / 3) + 1).join("\n")}\n`);
      await until(() => server.messages.length > had);
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    const child = spawn(process.execPath, argv, { stdio: ["ignore", "ignore", "inherit"] });
    await until(() => server.messages.some((message) => message.trimEnd().endsWith(` line ${total}`)));
    child.kill("SIGKILL");
    await once(child, "exit");
    const seen = new Set(server.messages.map((message) => Number(/line (\d+)\n?$/.exec(message)?.[1])));
    assert.equal(seen.size, total);
    const repeated = server.messages.length - total;
    assert.ok(repeated <= 3 * 1_024 + 3, `${repeated} came twice`);
  });
}

test("a drain that is removed ends, and leaves nothing", async () => {
  const server = new SyslogServer();
  servers.push(server);
  await server.listen();
  const { add, rows, start, appId } = await home();
  add(`syslog://127.0.0.1:${server.port}`);
  await using plane = await start();
  plane.say("one");
  await until(() => server.texts.length === 1);
  rows.length = 0;
  await plane.drains.changed(appId);
  plane.say("two");
  await plane.logplex.settled(appId);
  assert.deepEqual(
    (await readdir(plane.logplex.folderOf(appId))).filter((name) => name.startsWith("drain-")),
    [],
  );
  assert.deepEqual(server.texts, ["one"]);
});

test("drains do not lead to the platform itself, whatever it is called", async () => {
  const { start } = await home();
  await using plane = await start();
  const closed = new Drains({
    logplex: plane.logplex,
    store: { drains: async () => [] },
    network: { forbidden: ["10.77.0.0/16"], allowed: ["192.0.2.7"] },
    authorities: null,
    clock: systemClock,
    journal,
  });
  const own = Object.values(networkInterfaces())
    .flatMap((links) => links ?? [])
    .filter(({ family }) => family === "IPv4")
    .map(({ address }) => address);
  for (const url of [
    "https://localhost/",
    "https://127.0.0.1:8443/",
    "https://0x7f.1/",
    "syslog://0x7f.1:514",
    "syslog://[::1]:514",
    "syslog://[::ffff:127.0.0.1]:514",
    "syslog://0.0.0.0:514",
    "http://169.254.169.254/latest/meta-data/",
    "syslog://10.77.3.4:5000",
    "syslog://[::]:514",
    ...own.flatMap((address) => [`https://${address}/`, `https://[::ffff:${address}]/`, `syslog://[::ffff:${address}]:514`]),
  ]) {
    assert.match((await closed.refusalOf(url)) ?? "allowed", /an address of this platform/, url);
  }
  for (const url of ["ftp://logs.example.com", "logs.example.com:514", "https://", "file:///etc/passwd", "syslog://:514"]) {
    assert.equal(await closed.refusalOf(url), "Url is invalid", url);
  }
  for (const url of ["syslog://192.0.2.7:514", "https://192.0.2.8/", "syslog+tls://192.168.7.9:6514"]) {
    assert.equal(await closed.refusalOf(url), null, url);
  }
  await closed.close();
});
