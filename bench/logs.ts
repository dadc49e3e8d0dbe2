import { TestPlatform } from "../test/acceptance/support/platform.ts";
import { ask, createApp, WorkingCopy } from "./client.ts";
import type { Report } from "./figure.ts";
import { median, spread } from "./measure.ts";

const APP = "bench-logs";
const LINES = 100_000;
const ROUNDS = 3;
const MOST_SECONDS_MILLISECONDS = 1_000;
/** A dyno that prints a hundred thousand lines of usual length as fast as it can. */
const COMMAND = `seq -f 'line %.0f GET /orders 200 in 12 ms, user 4711, some more text to be as long as usual' ${LINES}`;

/** The lines of one dyno in a tail session: from the first to the last, and none lost. */
export async function benchLogs(): Promise<Report> {
  await using closing = new AsyncDisposableStack();
  const platform = await TestPlatform.start();
  closing.defer(async () => await platform.close());
  const copy = await WorkingCopy.make(await platform.clientEnvironment());
  closing.defer(async () => await copy.remove());
  const { remote, token } = await createApp(platform, APP);
  await copy.git(["push", "--quiet", remote, "main"]);
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) times.push(await carry(platform, `Bearer ${token}`));
  return {
    figures: [
      {
        name: `${LINES.toLocaleString("en")} log lines, from dyno to tail session, none lost`,
        ours: median(times),
        peer: null,
        unit: "ms",
        compared: "value",
        bound: "at most",
        limit: MOST_SECONDS_MILLISECONDS,
      },
    ],
    notes: [`log lines, fastest / median / slowest of ${ROUNDS}: ${spread(times)} ms from the first line to the last`],
  };
}

/** Milliseconds from the first to the last line in a tail session; fails when one is missing. */
async function carry(platform: TestPlatform, authorization: string): Promise<number> {
  const session = (await ask(platform, `/apps/${APP}/log-sessions`, authorization, { lines: 0, tail: true })) as {
    logplex_url: string;
  };
  const response = await fetch(session.logplex_url, { headers: { accept: "text/event-stream" } });
  if (response.body === null) throw new Error(`the log session answers ${response.status} without a body`);
  await ask(platform, `/apps/${APP}/dynos`, authorization, { command: COMMAND, attach: false });
  let rest = "";
  let seen = 0;
  let began = 0;
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = `${rest}${chunk}`.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const number = Number(/ app\[run\.\d+\]: line (\d+) /.exec(line)?.[1] ?? 0);
      if (number === 0) continue;
      if (number !== seen + 1) throw new Error(`line ${number} came after line ${seen}`);
      seen = number;
      if (seen === 1) began = performance.now();
      if (seen === LINES) return performance.now() - began;
    }
  }
  throw new Error(`the log session ended after ${seen} lines`);
}
