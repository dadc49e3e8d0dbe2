// Hostile apps: each is stopped and named in its log, reaches nothing that is not its own, and its neighbour is served as before.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { TestPlatform } from "./support/platform.ts";
import { User } from "./support/user.ts";

const NEIGHBOUR = "vecina";
const HOSTILE = "rebelde";
const REQUESTS = 40;
const REQUEST_PAUSE_MS = 10;
/** What the issue allows: twice the quiet figure. Other programs of this machine disturb a round; nobody disturbs all of them. */
const MOST_TIMES_SLOWER = 2;
const ROUNDS = 4;
/** Enough for the attack, and little for the machine. */
const DISK_GIGABYTES = 0.125;
/** An attack takes a moment to be at its worst. */
const ONSET_MS = 3000;

/** Would be made by names that are shell code, if anybody ran them. */
const MARK = "zarpa-hostile-mark";
/** All are files in the pushed app. */
const NAMES = [
  `$(touch ${MARK})`,
  `\`touch ${MARK}\``,
  `; touch ${MARK};`,
  `| touch ${MARK}`,
  `a\ntouch ${MARK}`,
  "-rf",
  "'\"\\",
  "*",
];

/** A process type of the app, and what its log says of it. */
const ATTACKS: { type: string; line: RegExp | null }[] = [
  { type: "forks", line: /Process limit reached: 256 processes and threads at a time, \d+ more were refused/ },
  { type: "zombies", line: /Process limit reached: 256 processes and threads at a time, \d+ more were refused/ },
  { type: "memory", line: /Error R15 \(Memory quota vastly exceeded\)/ },
  { type: "disk", line: /Disk quota exceeded: \d+M are written, no more fits/ },
  { type: "files", line: /Disk quota exceeded: there are \d+ files, no more fit/ },
  { type: "flood", line: /Error L10 \(output buffer overflow\): \d+ messages dropped since / },
  { type: "spin", line: null },
];

interface Probe {
  found: { tried: string; got: string | null; error: string | null }[];
  /** Processes in sight that are somebody else's. */
  strangers: string[];
  names: string[];
}

describe("hostile apps", { skip: process.getuid?.() !== 0 && "containers need root" }, () => {
  let platform: TestPlatform;
  let user: User;
  let log: { text: string; close(): void };
  before(async () => {
    platform = await TestPlatform.start();
    user = await User.arrive(platform);
    const smaller = await user.api("PATCH", "/dyno-sizes/Eco", { disk: DISK_GIGABYTES });
    assert.equal(smaller.status, 200, JSON.stringify(smaller.body));
    await user.deploy("tiny", NEIGHBOUR);
    await user.untilPage(NEIGHBOUR, ({ status }) => status === 200);
    await user.mustHeroku(["config:set", "SECRET=of-the-neighbour", "-a", NEIGHBOUR]);
    await user.untilPage(NEIGHBOUR, ({ status }) => status === 200);
    const folder = await user.copyApp("hostile", HOSTILE);
    await mkdir(join(folder, "names"));
    for (const name of NAMES) await writeFile(join(folder, "names", name), "");
    await mkdir(join(folder, "links"));
    for (const [name, target] of Object.entries(linksOf(platform, user))) await symlink(target, join(folder, "links", name));
    await user.commit(folder, "Names and links");
    await user.mustHeroku(["create", HOSTILE], { cwd: folder });
    const [targets, secrets] = [await targetsOf(platform), secretsOf(platform, user)];
    const variables = [`TARGETS=${JSON.stringify(targets)}`, `SECRETS=${JSON.stringify(secrets)}`, `SHELL_CODE=$(touch ${MARK})`];
    await user.mustHeroku(["config:set", ...variables, "-a", HOSTILE]);
    const push = await user.push(folder);
    assert.equal(push.exitCode, 0, push.stderr);
    log = await tailLog(user);
  });
  after(async () => {
    log?.close();
    await user?.leave();
    await platform?.close();
  });

  const scale = async (type: string, quantity: number): Promise<void> => {
    const { status, body } = await user.api("PATCH", `/apps/${HOSTILE}/formation/${type}`, { quantity });
    assert.equal(status, 200, JSON.stringify(body));
  };
  const isGone = async (type: string): Promise<boolean> => {
    const { body } = await user.api("GET", `/apps/${HOSTILE}/dynos`);
    return !(body as { type: string }[]).some((dyno) => dyno.type === type);
  };
  const named = async (type: string, line: RegExp, seconds = 45): Promise<void> => {
    const pattern = new RegExp(`heroku\\[(?:${type}\\.1|logplex)\\]: ${line.source}`);
    for (let waited = 0; !pattern.test(log.text); waited += 100) {
      assert.ok(waited < seconds * 1000, `the log of ${type} does not say ${line.source}:\n${log.text.slice(-3000)}`);
      await delay(100);
    }
  };
  const halt = async (type: string): Promise<void> => {
    await scale(type, 0);
    await user.api("DELETE", `/apps/${HOSTILE}/dynos/${type}`);
    for (let waited = 0; !(await isGone(type)); waited += 100) {
      assert.ok(waited < 45_000, `${type} does not end`);
      await delay(100);
    }
  };
  const isRunning = async (type: string): Promise<boolean> => {
    const { body } = await user.api("GET", `/apps/${HOSTILE}/dynos`);
    return (body as { type: string; state: string }[]).some((dyno) => dyno.type === type && dyno.state === "up");
  };
  const untilRunning = async (type: string): Promise<void> => {
    for (let waited = 0; !(await isRunning(type)); waited += 50) {
      assert.ok(waited < 20_000, `${type} does not start:\n${platform.journal()}`);
      await delay(50);
    }
  };
  /** Milliseconds of the median request to the neighbour; every one is answered. */
  const neighbour = async (): Promise<number> => {
    const times: number[] = [];
    for (let request = 0; request < REQUESTS; request += 1) {
      const from = performance.now();
      assert.equal((await user.page(NEIGHBOUR)).status, 200);
      times.push(performance.now() - from);
      await delay(REQUEST_PAUSE_MS);
    }
    return times.toSorted((a, b) => a - b)[REQUESTS / 2] ?? Number.NaN;
  };

  test("reach nothing that is not their own: neither over the network nor in files, devices or the kernel", async () => {
    const page = await user.untilPage(HOSTILE, ({ status }) => status === 200, 60);
    const { found, strangers } = JSON.parse(page.body) as Probe;
    const reached = found.filter(({ tried, got }) => got !== null && !tried.startsWith("read links/"));
    assert.deepEqual(reached, []);
    assert.ok(found.length > 40, `${found.length} attempts`);
    assert.deepEqual(strangers, []);
    const { stdout } = await user.mustHeroku(["logs", "-n", "200", "--source", "app", "-a", HOSTILE]);
    assert.match(stdout, /app\[web\.1\]: probe /);
    assert.match(stdout, /Operation not permitted/);
  });

  test("gain nothing by links that point outside: they lead nowhere, or into their own stack", async () => {
    const { found } = JSON.parse((await user.page(HOSTILE)).body) as Probe;
    const links = new Map(
      found.filter(({ tried }) => tried.startsWith("read links/")).map((entry) => [entry.tried.slice(11), entry]),
    );
    assert.deepEqual([...links.keys()].toSorted(), ["climbing", "home", "netrc", "passwd"]);
    for (const name of ["home", "netrc"]) assert.equal(links.get(name)?.got, null, JSON.stringify(links.get(name)));
    assert.match(links.get("passwd")?.got ?? "", /root:x:0:0/);
    assert.match(links.get("climbing")?.got ?? "", /'app'/, "the root it climbs to is its own");
  });

  test("gain nothing by names that are shell code", async () => {
    const { names } = JSON.parse((await user.page(HOSTILE)).body) as Probe;
    assert.deepEqual(names, NAMES.toSorted());
    for (const name of ["$(touch x)", "a;reboot", "../etc", "-rf", "a b", "`id`"]) {
      const { status } = await user.api("POST", "/apps", { name });
      assert.equal(status, 422, name);
    }
    const { stdout } = await user.mustHeroku(["run", 'echo "$SHELL_CODE"', "-a", HOSTILE]);
    assert.ok(stdout.includes("$(touch "), stdout);
    for (const folder of [platform.home, user.home, process.cwd(), "/", "/tmp"]) {
      assert.equal(existsSync(join(folder, MARK)), false, folder);
    }
  });

  for (const { type, line } of ATTACKS) {
    test(`the neighbour does not notice: ${type}`, async (context) => {
      const ratios: number[] = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        const quiet = await neighbour();
        await scale(type, 1);
        await untilRunning(type);
        await delay(ONSET_MS);
        const attacked = await neighbour();
        assert.ok(await isRunning(type), `${type} ended by itself`);
        if (line !== null && round === 0) await named(type, line);
        await halt(type);
        const quietAgain = await neighbour();
        ratios.push(attacked / Math.max(quiet, quietAgain));
        context.diagnostic(`median ${attacked.toFixed(1)} ms; quiet ${quiet.toFixed(1)} and ${quietAgain.toFixed(1)} ms`);
        if (attacked <= MOST_TIMES_SLOWER * Math.max(quiet, quietAgain)) break;
      }
      assert.ok(Math.min(...ratios) <= MOST_TIMES_SLOWER, `slower by ${ratios.map((ratio) => ratio.toFixed(1)).join(", ")}`);
    });
  }

  test("are stopped although they ignore SIGTERM", async () => {
    await scale("stubborn", 1);
    await untilRunning("stubborn");
    await delay(ONSET_MS);
    await scale("stubborn", 0);
    await named("stubborn", /Error R12 \(Exit timeout\) -> Process failed to exit within 30 seconds of SIGTERM/, 60);
    await named("stubborn", /Process exited with status 137/);
  });

  test("leave a platform that is whole", async () => {
    assert.equal((await user.page(NEIGHBOUR)).status, 200);
    assert.equal((await user.page(HOSTILE)).status, 200);
    assert.doesNotMatch(platform.journal(), /of-the-neighbour/);
  });
});

/** What the platform says of the app from now on; not through the CLI, which a flood would keep busy. */
async function tailLog(user: User): Promise<{ text: string; close(): void }> {
  const { body } = await user.api("POST", `/apps/${HOSTILE}/log-sessions`, { source: "heroku", tail: true, lines: 1500 });
  const ended = new AbortController();
  const log = { text: "", close: () => ended.abort() };
  const response = await fetch((body as { logplex_url: string }).logplex_url, { signal: ended.signal });
  const read = async (): Promise<void> => {
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) log.text += chunk;
  };
  // It ends with the test, by its signal.
  read().catch(() => {});
  return log;
}

/** Files outside of the app that links of the slug point to. */
function linksOf(platform: TestPlatform, user: User): Record<string, string> {
  return { home: platform.home, netrc: join(user.home, ".netrc"), passwd: "/etc/passwd", climbing: "../../../../../../.." };
}

/** The platform's ports at every address of this machine, the neighbour, and the cloud's metadata. */
async function targetsOf(platform: TestPlatform): Promise<[host: string, port: number][]> {
  const live = join(platform.home, "dynos", "live");
  // Links of dynos (`z…`) have the address of their installation's gateway; another installation's may be gone, and its address anybody's.
  const own = Object.entries(networkInterfaces()).flatMap(([name, list]) => (/^z[0-9a-f]{6}/.test(name) ? [] : (list ?? [])));
  const hosts = new Set(["127.0.0.1", ...own.filter(({ family }) => family === "IPv4").map(({ address }) => address)]);
  const targets: [string, number][] = [["169.254.169.254", 80]];
  for (const id of await readdir(live)) {
    const note = JSON.parse(await readFile(join(live, id, "note.json"), "utf8")) as { address: string; port: number | null };
    if (note.port === null) continue;
    targets.push([note.address, note.port]);
    hosts.add(note.address.replace(/\d+\.\d+$/, "0.1"));
  }
  assert.ok(targets.length > 1, "the neighbour runs");
  for (const host of hosts) {
    for (const port of [platform.port, platform.tlsPort, platform.tlsPort + 1, 22]) targets.push([host, port]);
  }
  return targets;
}

/** What other apps and the platform keep on this machine. */
function secretsOf(platform: TestPlatform, user: User): string[] {
  const below = ["", "dynos", "dynos/live", "slugs", "repositories", "postgres", "vault.key", "logs", "platform.log"];
  const home = below.map((name) => join(platform.home, name));
  return [
    ...home,
    join(user.home, ".netrc"),
    "/etc/shadow",
    "/root",
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/proc/kcore",
    "/proc/1/mem",
  ];
}
