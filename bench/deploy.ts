import type { ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestPlatform } from "../test/acceptance/support/platform.ts";
import { requestPage } from "../test/acceptance/support/user.ts";
import { createApp, WorkingCopy } from "./client.ts";
import type { Report } from "./figure.ts";
import { end, type HandRoot } from "./hand-root.ts";
import { alternate, median, spread, until } from "./measure.ts";
import { openHandRoot, type WorkPlace } from "./work-place.ts";

const ROUNDS = 7;
/** By then what a deploy leaves for later has been done, and the old dyno is gone. */
const REST_MS = 4000;
/** Each page that is asked for too early costs processor time that the deploy could use. */
const POLL_MS = 10;
const APP = "bench-deploy";
const FIRST_PORT = 21_000;
const MOST_TIMES_BY_HAND = 2;
/** What the Python buildpack sets for a dyno of the smallest size: both have as many workers and write the same access log. */
const GUNICORN_ENV = {
  WEB_CONCURRENCY: "2",
  GUNICORN_CMD_ARGS: "--access-logfile -",
  PYTHONUNBUFFERED: "true",
  PYTHONPATH: "/app",
};

/**
 * A redeploy with one changed line, from the start of `git push` to the page with the new text, beside the same work by hand: push to a
 * bare repository, check out, a `uv pip sync` that finds all in place, gunicorn's own boot to its first page.
 */
export async function benchDeploy(place: WorkPlace): Promise<Report> {
  await using closing = new AsyncDisposableStack();
  const platform = await TestPlatform.start();
  closing.defer(async () => await platform.close());
  const ours = await ourDeploys(platform, closing);
  const byHand = await deploysByHand(place, closing);
  const found = await alternate(ROUNDS, ours.deploy, byHand.deploy, REST_MS);
  return {
    figures: [
      {
        name: "redeploy, one line changed",
        ours: median(found.ours),
        peer: { what: "by hand", value: median(found.peer) },
        unit: "ms",
        compared: "ratio",
        bound: "at most",
        limit: MOST_TIMES_BY_HAND,
      },
    ],
    notes: [
      `redeploy, fastest / median / slowest of ${ROUNDS}: ${spread(found.ours)} ms; by hand ${spread(found.peer)} ms`,
      `redeploy, until git push returns: ${spread(ours.pushes.slice(1))} ms; by hand until gunicorn is started: ${spread(byHand.prepared.slice(1))} ms`,
      "redeploy: the token is in the remote's URL, so the heroku CLI's credential helper (about 0.6 s of a push) has no part in it",
    ],
  };
}

interface Deploys {
  /** Milliseconds from the beginning of the push to the new page. */
  deploy(round: number): Promise<number>;
}

async function ourDeploys(platform: TestPlatform, closing: AsyncDisposableStack): Promise<Deploys & { pushes: number[] }> {
  const copy = await WorkingCopy.make(await platform.clientEnvironment());
  closing.defer(async () => await copy.remove());
  const { remote } = await createApp(platform, APP);
  const shows = async (text: string): Promise<boolean> => {
    const page = await requestPage(platform.port, `${APP}.localhost`, "/");
    return page.status === 200 && page.body.includes(text);
  };
  await copy.git(["push", "--quiet", remote, "main"]);
  await until(async () => await shows("Hola, mundo"), "the first page");
  const pushes: number[] = [];
  return {
    pushes,
    deploy: async (round) => {
      const text = await copy.greet(`${round}`);
      const released = Promise.withResolvers<void>();
      let said = "";
      const from = performance.now();
      const push = copy.git(["push", remote, "main"], {
        onStderr: (chunk) => {
          said += chunk.toString();
          // Before that the page cannot change: asking for it would only slow the build.
          if (said.includes("Released v")) released.resolve();
        },
      });
      const pushed = push.then(() => pushes.push(performance.now() - from));
      await Promise.race([released.promise, pushed]);
      await until(async () => await shows(text), "the new page", POLL_MS);
      const milliseconds = performance.now() - from;
      await pushed;
      return milliseconds;
    },
  };
}

async function deploysByHand(place: WorkPlace, closing: AsyncDisposableStack): Promise<Deploys & { prepared: number[] }> {
  const root: HandRoot = await openHandRoot(place);
  closing.defer(async () => await root.close());
  const copy = await WorkingCopy.make();
  closing.defer(async () => await copy.remove());
  const bare = await mkdtemp(join(tmpdir(), "zarpa-bench-bare-"));
  closing.defer(async () => await rm(bare, { recursive: true, force: true }));
  await copy.git(["init", "--quiet", "--bare", "--initial-branch=main", bare]);
  let serving: ChildProcess | null = null;
  closing.defer(async () => {
    if (serving !== null) await end(serving);
  });
  const pushAndCheckOut = async (): Promise<void> => {
    await copy.git(["push", bare, "main"]);
    await copy.git(["--git-dir", bare, "--work-tree", root.app, "checkout", "--force", "main"]);
  };
  await pushAndCheckOut();
  await root.install();
  const prepared: number[] = [];
  return {
    prepared,
    deploy: async (round) => {
      const text = await copy.greet(`${round}`);
      const port = FIRST_PORT + round;
      const from = performance.now();
      await pushAndCheckOut();
      await root.run(["/opt/uv/uv", "pip", "sync", "--python", "/app/.heroku/python/bin/python", "/opt/lock.txt"]);
      prepared.push(performance.now() - from);
      const gunicorn = root.start(["gunicorn", "main:app"], { ...GUNICORN_ENV, PORT: String(port) });
      const shows = async (): Promise<boolean> => {
        const page = await requestPage(port, "localhost", "/").catch(() => null);
        return page?.body.includes(text) === true;
      };
      await until(shows, "the page by hand", POLL_MS);
      const milliseconds = performance.now() - from;
      if (serving !== null) await end(serving);
      serving = gunicorn;
      return milliseconds;
    },
  };
}
