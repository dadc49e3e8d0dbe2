import assert from "node:assert/strict";
import { test } from "node:test";
import { backOff } from "./back-off.ts";
import { type DynoFact, launchingFact } from "./facts.ts";
import { planAbandoned } from "./plan.ts";
import {
  ago,
  ahead,
  type Case,
  crashed,
  desired,
  type FactPatch,
  MINUTES,
  NOW,
  old,
  oneOff,
  row,
  show,
  starting,
  testCases,
} from "./plan.test-support.ts";

const DAY = 24 * 60 * MINUTES;
const RELEASE = desired(1).release!;

const cases: Case[] = [
  { title: "nothing is deployed yet", desired: desired(1, { release: null }), records: [], actions: [] },
  {
    title: "what is missing is started",
    desired: desired(2),
    records: [],
    actions: ["start web.1 crashes=0 after=-", "start web.2 crashes=0 after=-"],
  },
  { title: "what is right is left alone", records: [row("a")], actions: [] },
  { title: "a launch under way is waited for", records: [row("a", starting)], facts: { a: { phase: "launching" } }, actions: [] },
  { title: "web waits for its port", records: [row("a", starting)], actions: [], wakeIn: 55 },
  { title: "web with its port bound is up", records: [row("a", starting)], facts: { a: { listening: true } }, actions: ["up a"] },
  {
    title: "others are up when started",
    desired: desired(0, { formation: [{ type: "worker", quantity: 1, size: "Eco", command: "work" }] }),
    records: [row("a", { ...starting, type: "worker", name: "worker.1", command: "work" })],
    actions: ["up a"],
  },
  { title: "R10 after 60 seconds", records: [row("a", { ...starting, created_at: ago(60) })], actions: ["boot-timeout a"] },
  { title: "R10 once", records: [row("a", { ...starting, created_at: ago(61) })], facts: { a: { killed: true } }, actions: [] },
  { title: "a new release starts beside the old one", records: [old("a")], actions: ["start web.1 crashes=0 after=-"] },
  { title: "the old one serves while the new one boots", records: [old("a"), row("b", starting)], actions: [], wakeIn: 55 },
  {
    title: "of two old ones only the newer serves while the new one boots",
    records: [row("a", { release_id: "v0" }), old("b"), row("c", starting)],
    actions: ["stop a"],
    wakeIn: 55,
  },
  { title: "the old one stops when the new one is up", records: [old("a"), row("b")], actions: ["stop a"] },
  {
    title: "the old one serves when the new one crashes",
    records: [old("a"), row("b", { ...crashed, restart_at: ahead(600) })],
    actions: [],
    wakeIn: 600,
  },
  {
    title: "an old one that never came up is not waited for",
    records: [old("a", starting), row("b", starting)],
    actions: ["stop a"],
    wakeIn: 55,
  },
  {
    title: "an old one that crashed is put away",
    records: [old("a", crashed)],
    actions: ["start web.1 crashes=0 after=a", "retire a"],
  },
  { title: "another size is another dyno", records: [row("a", { size: "Basic" })], actions: ["start web.1 crashes=0 after=-"] },
  { title: "a restart starts beside", records: [row("a", { stop_requested: true })], actions: ["start web.1 crashes=0 after=a"] },
  {
    title: "a restarted dyno stops even if its successor crashes",
    records: [row("a", { stop_requested: true }), row("b", { ...crashed, restart_at: ahead(600) })],
    actions: ["stop a"],
    wakeIn: 600,
  },
  {
    title: "scaling down stops the highest numbers",
    records: [row("a"), row("b", { name: "web.2" }), row("c", { name: "web.3" })],
    actions: ["stop b", "stop c"],
  },
  {
    title: "scaling to zero stops all",
    desired: desired(0),
    records: [row("a"), row("b", { ...crashed, name: "web.2" })],
    actions: ["stop a", "retire b"],
  },
  {
    title: "an exit is a crash, and the first one restarts at once",
    records: [row("a")],
    facts: { a: { phase: "exited", exitCode: 0 } },
    actions: ["exited a crashed crashes=0 in=0"],
  },
  {
    title: "the second crash in a row rests 10 minutes",
    records: [row("a", { crashes: 1 })],
    facts: { a: { phase: "exited", exitCode: 1 } },
    actions: ["exited a crashed crashes=1 in=600"],
  },
  {
    title: "a dyno that was up for long crashes for the first time",
    records: [row("a", { crashes: 4, updated_at: ago(3_600) })],
    facts: { a: { phase: "exited", exitCode: 1 } },
    actions: ["exited a crashed crashes=0 in=0"],
  },
  {
    title: "a crashed slot is started when its rest is over",
    records: [row("a", { ...crashed, crashes: 1, restart_at: ago(0) })],
    actions: ["start web.1 crashes=2 after=a", "retire a"],
  },
  {
    title: "ps:restart of a crashed slot does not wait",
    records: [row("a", { ...crashed, crashes: 0, restart_at: null, stop_requested: true })],
    actions: ["start web.1 crashes=0 after=a", "retire a"],
  },
  {
    title: "a launch that failed is tried again in 10 seconds and counts for nothing",
    records: [row("a", { ...starting, crashes: 2 })],
    facts: { a: { phase: "failed" } },
    actions: ["failed a crashed crashes=1 in=10"],
  },
  { title: "a row whose process is lost is replaced", records: [row("a")], facts: { a: null }, actions: ["retire a"] },
  {
    title: "a stopping dyno has 30 seconds",
    records: [row("a"), old("b", { state: "stopping", updated_at: ago(10) })],
    actions: [],
    wakeIn: 20,
  },
  {
    title: "R12 after 30 seconds",
    records: [row("a"), old("b", { state: "stopping", updated_at: ago(30) })],
    actions: ["kill b"],
  },
  {
    title: "a dyno that was told to stop ends, it does not crash",
    records: [row("a"), old("b", { state: "stopping" })],
    facts: { b: { phase: "exited", exitCode: 143 } },
    actions: ["exited b down"],
  },
  { title: "a detached one-off dyno is launched", records: [row("a"), oneOff("b")], facts: { b: null }, actions: ["launch b"] },
  {
    title: "an attached one waits for its client",
    records: [row("a"), oneOff("b", { attach: true })],
    facts: { b: null },
    actions: ["await-client b"],
    wakeIn: 25,
  },
  {
    title: "R13 after 30 seconds",
    records: [row("a"), oneOff("b", { attach: true, created_at: ago(30) })],
    facts: { b: null },
    actions: ["expire b"],
  },
  {
    title: "a client that is there is not waited for",
    records: [row("a"), oneOff("b", { attach: true })],
    facts: { b: { phase: "launching" } },
    actions: [],
  },
  { title: "a one-off dyno is up when it is started", records: [row("a"), oneOff("b", starting)], actions: ["up b"] },
  {
    title: "a one-off dyno ends",
    records: [row("a"), oneOff("b", { state: "up" })],
    facts: { b: { phase: "exited", exitCode: 1 } },
    actions: ["exited b down"],
  },
  {
    title: "ps:stop of a one-off dyno",
    records: [row("a"), oneOff("b", { state: "up", stop_requested: true })],
    actions: ["stop b"],
  },
  {
    title: "ps:stop of one that has not begun",
    records: [row("a"), oneOff("b", { stop_requested: true })],
    facts: { b: null },
    actions: ["retire b"],
  },
  {
    title: "an attached dyno does not outlive its control plane",
    records: [row("a"), oneOff("b", { state: "up", attach: true })],
    facts: { b: null },
    actions: ["retire b"],
  },
  {
    title: "a release phase has an hour",
    records: [row("a"), row("b", { kind: "release", name: "release.1", created_at: ago(3_600) })],
    actions: ["stop b"],
  },
  {
    title: "a release phase that nobody waits for is stopped",
    records: [row("a"), row("b", { kind: "release", name: "release.1" })],
    facts: { b: { adopted: true } },
    actions: ["stop b"],
  },
  {
    title: "an app may ask for a longer boot",
    desired: desired(1, { release: { ...RELEASE, config: { ZARPA_BOOT_TIMEOUT: "150" } } }),
    records: [row("a", { ...starting, created_at: ago(149) })],
    facts: { a: {} },
    actions: [],
    wakeIn: 1,
  },
  {
    title: "but not for ever; the time counts from the start of the process, not from its row",
    desired: desired(1, { release: { ...RELEASE, config: { ZARPA_BOOT_TIMEOUT: "9000" } } }),
    records: [row("a", { ...starting, created_at: ago(900) })],
    facts: { a: { startedAt: ago(170) } },
    actions: [],
    wakeIn: 10,
  },
  {
    title: "a dyno is replaced after a day, and serves until the new one is up",
    records: [row("00000000-0000-4000-8000-000000000000", { created_at: ago(DAY) })],
    actions: ["start web.1 crashes=0 after=00000000-0000-4000-8000-000000000000"],
  },
  {
    title: "each at a time of its own, up to 216 minutes later",
    records: [row("00000000-0000-4000-8000-0000ffffffff", { created_at: ago(DAY + 215 * MINUTES) })],
    actions: [],
  },
  {
    title: "a one-off dyno has a day",
    records: [row("a"), oneOff("b", { state: "up", created_at: ago(DAY) })],
    actions: ["stop b"],
  },
  {
    title: "or the time it was ordered for",
    records: [row("a"), oneOff("b", { state: "up", time_to_live: 90, created_at: ago(60) })],
    actions: [],
    wakeIn: 30,
  },
  { title: "the app is gone", desired: null, records: [row("a"), oneOff("b", { state: "up" })], actions: ["stop b", "stop a"] },
];

testCases(cases);

test("processes without a row are stopped, killed after 30 seconds, and removed", () => {
  const facts = new Map<string, DynoFact>();
  const add = (id: string, patch: FactPatch): void => void facts.set(id, { ...launchingFact("app"), phase: "running", ...patch });
  add("known", {});
  add("new", {});
  add("told", { abandonedAt: ago(10) });
  add("stubborn", { abandonedAt: ago(30) });
  add("gone", { phase: "exited" });
  add("coming", { phase: "launching" });
  const { actions, wakeAt } = planAbandoned(facts.keys(), [row("known")], facts, NOW);
  assert.deepEqual(actions.map(show), ["abandon new SIGTERM", "abandon stubborn SIGKILL", "abandon gone remove"]);
  assert.deepEqual(wakeAt, ahead(20));
});

test("the rest after crashes grows up to 320 minutes", () => {
  const minutes = [0, 1, 2, 3, 4, 5, 6, 7, 50].map((crashes) => backOff(crashes) / 60_000);
  assert.deepEqual(minutes, [0, 10, 20, 40, 80, 160, 320, 320, 320]);
});
