import assert from "node:assert/strict";
import { test } from "node:test";
import { type DynoFact, launchingFact } from "./facts.ts";
import { type Action, plan } from "./plan.ts";
import type { DesiredApp, DynoRecord } from "./ports.ts";

export const NOW = new Date("2026-11-20T12:00:00Z");
export const ago = (seconds: number): Date => new Date(NOW.getTime() - seconds * 1000);
export const ahead = (seconds: number): Date => ago(-seconds);

export function desired(quantity: number, more: Partial<DesiredApp> = {}): DesiredApp {
  return {
    app: { id: "app", name: "sample", uid: 200_001 },
    maintenance: false,
    hosts: [],
    release: { id: "v2", version: 2, slugRoot: null, stack: "heroku-24", config: {}, metadata: {} },
    formation: [{ type: "web", quantity, size: "Eco", command: "serve" }],
    sleep: { may: false, since: null, exhausted: false },
    features: [],
    ...more,
  };
}

export function row(id: string, more: Partial<DynoRecord> = {}): DynoRecord {
  return {
    id,
    app_id: "app",
    release_id: "v2",
    type: "web",
    name: "web.1",
    size: "Eco",
    command: "serve",
    state: "up",
    kind: "formation",
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
    created_at: ago(5),
    updated_at: ago(5),
    ...more,
  };
}

export type FactPatch = Partial<DynoFact>;

export interface Case {
  title: string;
  desired?: DesiredApp | null;
  records: DynoRecord[];
  /** By dyno id; a record that is not named runs. `null`: it has no process. */
  facts?: Record<string, FactPatch | null>;
  actions: string[];
  wakeIn?: number;
  /** Seconds since somebody asked for the app; left out: nobody has. */
  asked?: number;
}

export function show(action: Action): string {
  switch (action.do) {
    case "start":
      return `start ${action.slot.name} crashes=${action.crashes} after=${action.after?.id ?? "-"}`;
    case "exited":
    case "failed": {
      const { next } = action;
      const wait =
        next.state === "crashed" ? ` crashes=${next.crashes} in=${(next.restartAt.getTime() - NOW.getTime()) / 1000}` : "";
      return `${action.do} ${action.record.id} ${next.state}${wait}`;
    }
    case "abandon":
      return `abandon ${action.dynoId} ${action.step}`;
    case "sleep":
      return `sleep ${action.web.map(({ id }) => id).join(" ")}`;
    case "wake":
      return "wake";
    case "hibernate":
      return `hibernate ${action.record.id} ${action.step}`;
    default:
      return `${action.do} ${action.record.id}`;
  }
}

export const old = (id: string, more: Partial<DynoRecord> = {}): DynoRecord => row(id, { release_id: "v1", ...more });
export const oneOff = (id: string, more: Partial<DynoRecord> = {}): DynoRecord =>
  row(id, { kind: "one-off", type: "run", name: "run.1234", state: "created", ...more });
export const starting = { state: "starting" } as const;
export const crashed = { state: "crashed" } as const;

export const MINUTES = 60;

/** One test for each case: the actions of the plan, and when to look again. */
export function testCases(cases: readonly Case[]): void {
  for (const { title, records, actions, wakeIn, ...given } of cases) {
    test(title, () => {
      const facts = new Map<string, DynoFact>();
      for (const { id, state } of records) {
        const patch = given.facts?.[id];
        const hasProcess = patch !== null && (patch !== undefined || state !== "crashed");
        if (hasProcess) facts.set(id, { ...launchingFact("app"), phase: "running", ...patch });
      }
      const result = plan(given.desired === undefined ? desired(1) : given.desired, records, facts, NOW, {
        asked: given.asked === undefined ? null : ago(given.asked),
        watchedSince: ago(365 * 24 * 60 * MINUTES),
        times: { idle: 30 * MINUTES * 1000, frozen: 120 * MINUTES * 1000 },
      });
      assert.deepEqual(result.actions.map(show), actions);
      assert.deepEqual(result.wakeAt, wakeIn === undefined ? null : ahead(wakeIn));
    });
  }
}
