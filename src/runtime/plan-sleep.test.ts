import { ago, type Case, crashed, desired, MINUTES, old, oneOff, row, starting, testCases } from "./plan.test-support.ts";
import type { DesiredApp } from "./ports.ts";

/** An app of a size that sleeps: awake, or asleep since that many seconds. */
function sleeper(asleep: number | null, quantity = 1): DesiredApp {
  return desired(quantity, { sleep: { may: true, since: asleep === null ? null : ago(asleep), exhausted: false } });
}
const idle = { state: "idle", updated_at: ago(10) } as const;
const frozen = { frozen: true } as const;

const cases: Case[] = [
  {
    title: "an app is asked for: it sleeps 30 minutes later",
    desired: sleeper(null),
    records: [row("a", { updated_at: ago(90 * MINUTES) })],
    asked: 10 * MINUTES,
    actions: [],
    wakeIn: 20 * MINUTES,
  },
  {
    title: "30 minutes without a request",
    desired: sleeper(null),
    records: [row("a", { updated_at: ago(90 * MINUTES) }), row("w", { type: "worker", name: "worker.1" })],
    asked: 30 * MINUTES,
    actions: ["stop w"],
  },
  {
    title: "the app is to sleep",
    desired: sleeper(null),
    records: [row("a", { updated_at: ago(30 * MINUTES) })],
    actions: ["sleep a"],
  },
  {
    title: "what came up a moment ago has its 30 minutes",
    desired: sleeper(null),
    records: [row("a", { updated_at: ago(60) })],
    asked: 90 * MINUTES,
    actions: [],
    wakeIn: 29 * MINUTES,
  },
  {
    title: "an app of another size never sleeps",
    records: [row("a", { updated_at: ago(90 * MINUTES) })],
    actions: [],
  },
  { title: "a sleeping app: what is up is frozen", desired: sleeper(1), records: [row("a")], actions: ["idle a"] },
  {
    title: "frozen, until two hours are over",
    desired: sleeper(60 * MINUTES),
    records: [row("a", idle), oneOff("b", { state: "up" })],
    facts: { a: frozen, b: {} },
    actions: [],
    wakeIn: 60 * MINUTES,
  },
  {
    title: "then its processes end",
    desired: sleeper(120 * MINUTES),
    records: [row("a", idle)],
    facts: { a: frozen },
    actions: ["hibernate a SIGTERM"],
  },
  {
    title: "with force, if need be",
    desired: sleeper(121 * MINUTES),
    records: [row("a", idle)],
    facts: { a: { hibernatingAt: ago(30) } },
    actions: ["hibernate a SIGKILL"],
  },
  {
    title: "and it sleeps on without any",
    desired: sleeper(121 * MINUTES),
    records: [row("a", idle)],
    facts: { a: { phase: "exited", exitCode: 143 } },
    actions: ["hibernated a"],
  },
  { title: "stopped and asleep", desired: sleeper(200 * MINUTES), records: [row("a", idle)], facts: { a: null }, actions: [] },
  { title: "a frozen dyno wakes", desired: sleeper(null), records: [row("a", idle)], facts: { a: frozen }, actions: ["rise a"] },
  {
    title: "a stopped dyno is started again",
    desired: sleeper(null),
    records: [row("a", idle)],
    facts: { a: null },
    actions: ["start web.1 crashes=0 after=a", "retire a"],
  },
  {
    title: "one that is being stopped is replaced at once",
    desired: sleeper(null),
    records: [row("a", idle)],
    facts: { a: { hibernatingAt: ago(1) } },
    actions: ["start web.1 crashes=0 after=a"],
  },
  {
    title: "the router has thawed it while the control plane was away",
    desired: sleeper(60),
    records: [row("a", idle)],
    facts: { a: { adopted: true } },
    actions: ["wake"],
  },
  {
    title: "the request log tells of a wake",
    desired: sleeper(60),
    records: [row("a", idle)],
    asked: 59,
    actions: ["wake"],
    wakeIn: 119 * MINUTES,
    facts: { a: frozen },
  },
  {
    title: "a release wakes the app",
    desired: sleeper(60),
    records: [old("a", idle)],
    facts: { a: frozen },
    actions: ["start web.1 crashes=0 after=-"],
  },
  {
    title: "and what was frozen serves until the new release is up",
    desired: sleeper(null),
    records: [old("a", idle), row("b", starting)],
    facts: { a: frozen, b: {} },
    actions: ["rise a"],
    wakeIn: 55,
  },
  {
    title: "what was stopped does not",
    desired: sleeper(null),
    records: [old("a", idle), row("b", starting)],
    facts: { a: null, b: {} },
    actions: ["retire a"],
    wakeIn: 55,
  },
  {
    title: "a crashed dyno rests while its app sleeps",
    desired: sleeper(60, 2),
    records: [row("a", idle), row("b", { ...crashed, name: "web.2", restart_at: ago(1) })],
    facts: { a: frozen },
    actions: [],
    wakeIn: 119 * MINUTES,
  },
  {
    title: "an app whose owner has no Eco hours left runs nothing, but for one-off dynos",
    desired: desired(1, { sleep: { may: true, since: null, exhausted: true } }),
    records: [row("a"), oneOff("b", { state: "up" })],
    actions: ["stop a"],
  },
  {
    title: "and begins anew with the month, asleep or not",
    desired: sleeper(60),
    records: [],
    actions: ["start web.1 crashes=0 after=-"],
  },
];

testCases(cases);
