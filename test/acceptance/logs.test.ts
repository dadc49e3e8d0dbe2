// The log plane and the figures of a whole platform: drains through the death of the control plane, what the CLI and Prometheus are told.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { HttpsServer, SyslogServer } from "../../src/logplex/drain.test-support.ts";
import { TestPlatform } from "./support/platform.ts";
import { User } from "./support/user.ts";

const REQUESTS = 60;

async function until(condition: () => boolean | Promise<boolean>, what: string, seconds = 40): Promise<void> {
  for (let tries = 0; tries < seconds * 20; tries += 1) {
    if (await condition()) return;
    await delay(50);
  }
  assert.fail(`not within ${seconds} s: ${what}`);
}

describe("an app with drains", () => {
  let platform: TestPlatform;
  let user: User;
  const syslog = new SyslogServer();
  const https = new HttpsServer();
  before(async () => {
    platform = await TestPlatform.start({ ZARPA_DRAIN_NETWORKS: "127.0.0.0/8" });
    user = await User.arrive(platform);
    await syslog.listen();
    await https.listen();
    await user.deploy("tiny", "talk");
    await user.untilPage("talk", ({ status }) => status === 200);
  });
  after(async () => {
    await user?.leave();
    await platform?.close();
    await syslog.close();
    await https.close();
  });

  test("every line of dyno and router reaches both drains, also those of the time without a control plane", async () => {
    await user.mustHeroku(["labs:enable", "log-runtime-metrics", "-a", "talk"]);
    await user.mustHeroku(["drains:add", `syslog://127.0.0.1:${syslog.port}`, "-a", "talk"]);
    await user.mustHeroku(["drains:add", `http://127.0.0.1:${https.port}/logs`, "-a", "talk"]);
    const extended = async (): Promise<{ extended: { state: string } }[]> =>
      (await user.api("GET", "/apps/talk/log-drains?extended=true")).body as { extended: { state: string } }[];
    await until(async () => (await extended()).every((drain) => drain.extended.state === "ok"), "both drains run");
    for (let number = 0; number < REQUESTS; number += 1) {
      if (number === REQUESTS / 3) await platform.signal("SIGKILL");
      assert.equal((await user.page("talk", `/?number=${number};`)).status, 200);
      if (number === (2 * REQUESTS) / 3) await platform.boot();
    }
    const missing = (messages: readonly string[], origin: string): number[] => {
      const own = messages.filter((message) => message.includes(origin));
      const numbers = Array.from({ length: REQUESTS }, (_, number) => number);
      return numbers.filter((number) => !own.some((message) => message.includes(`?number=${number};`)));
    };
    for (const { messages } of [syslog, https]) {
      for (const origin of [" app web.1 - ", " heroku router - "]) {
        await until(() => missing(messages, origin).length === 0, `lines of${origin}: ${missing(messages, origin).join()}`);
      }
    }
  });

  test("log-runtime-metrics are in the log, figures in the API and on Prometheus' page", async () => {
    const sample =
      / heroku web\.1 - - source=web\.1 dyno=heroku\.\d+\.[0-9a-f-]{36} sample#memory_total=\d+\.\d\dMB sample#memory_rss=/;
    await until(() => syslog.messages.some((message) => sample.test(message)), "a sample of the dyno's memory");
    const sum = async (path: string, name: string): Promise<number> => {
      const { body } = await user.api("GET", `/apps/talk/${path}`);
      const { data } = body as { data: Record<string, (number | null)[]> };
      return (data[name] ?? []).reduce<number>((total, value) => total + (value ?? 0), 0);
    };
    await until(async () => (await sum("router-metrics/status", "200")) >= REQUESTS, "all requests are counted");
    assert.ok((await sum("formation/web/metrics/memory", "memory.rss.bytes.mean")) > 1_000_000);
    assert.ok((await sum("router-metrics/latency", "latency.ms.p95")) > 0);
    const page = async (): Promise<string> => {
      const { body } = await user.api("GET", "/metrics");
      return String(body);
    };
    await until(async () => /^zarpa_dyno_memory_rss_bytes\{app="talk",dyno="web\.1"\} \d+$/m.test(await page()), "the page");
    assert.match(await page(), /^zarpa_requests_total\{app="talk",dyno="web\.1",status="200"\} \d+$/m);
    assert.match(await page(), /^zarpa_drain_lines_total\{app="talk",drain="d\.[0-9a-f-]{36}",outcome="delivered"\} \d+$/m);
  });
});
