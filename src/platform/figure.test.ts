import assert from "node:assert/strict";
import { test } from "node:test";
import { testPlatform } from "../../test/support/platform.ts";
import { newId } from "../kernel/ids.ts";
import { DynoSampler, runtimeMetricsLines, sampleValues } from "./dyno-sample.ts";
import { boundOf, bucketOf, percentile } from "./figure.ts";
import { FigureIntake } from "./figure-intake.ts";
import { expireFigures, storeFigures } from "./figure-store.ts";
import { countSeries, gaugeSeries, latencySeries, metricQuery, readFigures } from "./metric.ts";
import { Totals } from "./prometheus.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function routerLine(service: number | null, status = 200, code = "", path = "/"): string {
  const head = code === "" ? "at=info" : `at=error code=${code} desc="x"`;
  const dyno = service === null ? "" : "web.1";
  return `${head} method=GET path="${path}" host=a.example.com request_id=1 fwd="10.0.0.1" dyno=${dyno} connect=0ms service=${service === null ? "" : `${service}ms`} status=${status} bytes=5 protocol=http`;
}

test("buckets: a percentile is right within 4.5 percent, whatever the times are", () => {
  for (const milliseconds of [0, 1, 1.5, 2, 3, 7, 10, 99, 250, 1_000, 29_999, 55_000]) {
    const bound = boundOf(bucketOf(milliseconds));
    assert.ok(bound >= milliseconds * 0.999 && (milliseconds <= 1 || bound / milliseconds < 1.0906), `${milliseconds}: ${bound}`);
  }
  const latency: Record<string, number> = {};
  for (let time = 1; time <= 1_000; time += 1) latency[bucketOf(time)] = (latency[bucketOf(time)] ?? 0) + 1;
  for (const [share, exact] of [
    [0.5, 500],
    [0.95, 950],
    [0.99, 990],
    [1, 1_000],
  ] as const) {
    const found = percentile(latency, share) ?? 0;
    assert.ok(Math.abs(found / exact - 1) < 0.05, `${share}: ${found}`);
  }
  assert.equal(percentile({}, 0.5), null);
});

test("router lines: only the router's own words count, and 20,000 of them take far less than a second", () => {
  const intake = new FigureIntake();
  const appId = newId();
  const at = new Date("2026-01-01T00:00:30Z");
  intake.request({ appId, at, message: routerLine(12) });
  intake.request({ appId, at, message: routerLine(30_000, 503, "H12") });
  intake.request({ appId, at, message: routerLine(null, 503, "H14") });
  intake.request({ appId, at, message: `sock=client ${routerLine(5, 499, "H27")}` });
  const forged = '/?x=\\" dyno=web.7 connect=0ms service=9ms status=599 code=H99';
  intake.request({ appId, at, message: routerLine(4, 404, "", forged) });
  const figures = intake.take().sort((a, b) => (a.process < b.process ? -1 : 1));
  assert.deepEqual(
    figures.map(({ process, figure }) => [process, figure.counters]),
    [
      ["router", { 503: 1, H14: 1 }],
      ["web.1", { 200: 1, 404: 1, 499: 1, 503: 1, H12: 1, H27: 1 }],
    ],
  );
  assert.equal(figures[0]?.at, new Date("2026-01-01T00:00:00Z").getTime());
  const lines = Array.from({ length: 20_000 }, (_, index) => ({
    appId: `app ${index % 20}`,
    at,
    message: routerLine(index % 300, 200, "", "/a/rather/long/path?with=a&query=in&it="),
  }));
  const began = performance.now();
  for (const line of lines) intake.request(line);
  const elapsed = performance.now() - began;
  assert.ok(elapsed < 500, `${elapsed} ms`);
});

test("figures are kept by the minute for a day, by ten for three days, by the hour for thirty, and add up in each", async () => {
  await using platform = await testPlatform();
  const { ctx, clock, app } = platform;
  const intake = new FigureIntake();
  const start = clock.now();
  const days = 4;
  for (let minute = 0; minute < days * 24 * 60; minute += 30) {
    for (let request = 0; request < 3; request += 1) {
      intake.request({ appId: app.id, at: clock.now(), message: routerLine(100 * (request + 1)) });
    }
    intake.line({ appId: app.id, process: "web.1", message: "Error R14 (Memory quota exceeded)", at: clock.now() });
    intake.line({ appId: app.id, process: "web.1", message: "State changed from starting to up", at: clock.now() });
    intake.sample(app.id, "web.1", clock.now(), { "memory.rss.bytes": minute + 1 });
    // In two parts: what is added to a row is added to what it holds.
    if (minute % 60 === 0) await storeFigures(ctx, intake.take());
    await clock.advance(30 * MINUTE);
  }
  intake.request({ appId: newId(), at: clock.now(), message: routerLine(1) });
  await storeFigures(ctx, intake.take());
  await expireFigures(ctx);
  const counts = await ctx.db
    .selectFrom("figures")
    .select((is) => ["step", is.fn.countAll<number>().as("rows")])
    .groupBy("step")
    .orderBy("step")
    .execute();
  assert.deepEqual(
    counts.map(({ step, rows }) => [step, Number(rows)]),
    [
      [60, 48],
      [600, 144],
      [3600, 96],
    ],
  );

  const read = async (from: Date, step: string): ReturnType<typeof readFigures> =>
    await readFigures(ctx, app.id, metricQuery(ctx, { start_time: from.toISOString(), step }, null));
  const total = (values: readonly (number | null)[] | undefined): number =>
    (values ?? []).reduce<number>((sum, one) => sum + (one ?? 0), 0);
  const all = await read(start, "1h");
  assert.equal(all.length, days * 24);
  assert.equal(total(countSeries(all, /^2/)["200"]), days * 48 * 3);
  assert.deepEqual([...new Set(countSeries(all, /^R/)["R14"])], [2]);
  const latency = latencySeries(all);
  for (const [name, exact] of [
    ["latency.ms.p50", 200],
    ["latency.ms.p95", 300],
  ] as const) {
    assert.ok(Math.abs((latency[name]?.[0] ?? 0) / exact - 1) < 0.05, `${name}: ${latency[name]?.[0]}`);
  }
  assert.deepEqual(gaugeSeries(all, "memory.")["memory.rss.bytes.mean"]?.slice(0, 2), [16, 76]);
  assert.deepEqual(gaugeSeries(all, "memory.")["memory.rss.bytes.max"]?.slice(0, 2), [31, 91]);
  const twoDays = await read(new Date(clock.now().getTime() - 48 * HOUR), "1m");
  assert.equal(twoDays.length, 288, "older than a day: ten minutes");
  assert.equal(total(countSeries(twoDays, /^2/)["200"]), 2 * 48 * 3);
  const lastHour = await read(new Date(clock.now().getTime() - HOUR), "1m");
  assert.deepEqual([lastHour.length, total(countSeries(lastHour, /^2/)["200"])], [60, 6]);
});

test("what the database does not take waits for the next time", () => {
  const intake = new FigureIntake();
  const at = new Date("2026-01-01T00:00:00Z");
  intake.request({ appId: "a", at, message: routerLine(1) });
  const taken = intake.take();
  intake.request({ appId: "a", at, message: routerLine(1) });
  assert.equal(intake.giveBack(taken), 0);
  assert.deepEqual(
    intake.take().map(({ figure }) => figure.counters),
    [{ 200: 2 }],
  );
});

test("log-runtime-metrics: load averages that follow slowly, memory in megabytes", () => {
  const sampler = new DynoSampler();
  const use = {
    rssBytes: 20 << 20,
    cacheBytes: 1 << 20,
    swapBytes: 0,
    pagesIn: 348_836,
    pagesOut: 343_403,
    cpuMilliseconds: 0,
    runnable: 0,
  };
  const at = new Date("2026-01-01T00:00:00Z");
  const dyno = { id: "d97d0ea7", app_id: "a", number: 7, name: "web.1", memoryBytes: 512 << 20, isLogged: true };
  sampler.add(dyno.id, use, at);
  const sample = sampler.add(dyno.id, { ...use, runnable: 2, cpuMilliseconds: 10_000 }, new Date(at.getTime() + 20_000));
  assert.equal(sample.processors, 0.5);
  assert.deepEqual(runtimeMetricsLines(dyno, sample), [
    "source=web.1 dyno=heroku.7.d97d0ea7 sample#load_avg_1m=0.57 sample#load_avg_5m=0.13 sample#load_avg_15m=0.04",
    "source=web.1 dyno=heroku.7.d97d0ea7 sample#memory_total=21.00MB sample#memory_rss=20.00MB sample#memory_cache=1.00MB sample#memory_swap=0.00MB sample#memory_pgpgin=348836pages sample#memory_pgpgout=343403pages sample#memory_quota=512.00MB",
  ]);
  assert.equal(sampleValues(sample, 1)["memory.total.bytes"], 21 << 20);
});

test("Prometheus' page: every line is a comment or a value, histograms grow, apps that are gone are left out", async () => {
  await using platform = await testPlatform();
  const { ctx, app, clock } = platform;
  const intake = new FigureIntake();
  for (const service of [3, 40, 700]) intake.request({ appId: app.id, at: clock.now(), message: routerLine(service) });
  intake.request({ appId: newId(), at: clock.now(), message: routerLine(3) });
  const totals = new Totals();
  totals.add(intake.take());
  totals.sampled([{ appId: app.id, process: "web.1", values: { "memory.rss.bytes": 1_000 } }]);
  const page = await totals.expose(ctx, [{ app_id: app.id, token: "d.1", delivered: 5, dropped: 2 }]);
  for (const line of page.trimEnd().split("\n"))
    assert.match(line, /^(# (HELP|TYPE) \w+ .+|\w+\{app="first-light"(,\w+="[^"]*")*\} [\d.e+-]+)$/);
  for (const line of [
    'zarpa_requests_total{app="first-light",dyno="web.1",status="200"} 3',
    'zarpa_response_seconds_bucket{app="first-light",le="0.005"} 1',
    'zarpa_response_seconds_bucket{app="first-light",le="0.05"} 2',
    'zarpa_response_seconds_bucket{app="first-light",le="1"} 3',
    'zarpa_response_seconds_count{app="first-light"} 3',
    'zarpa_dyno_memory_rss_bytes{app="first-light",dyno="web.1"} 1000',
    'zarpa_drain_lines_total{app="first-light",drain="d.1",outcome="dropped"} 2',
  ]) {
    assert.ok(page.split("\n").includes(line), `${line}\n${page}`);
  }
});
