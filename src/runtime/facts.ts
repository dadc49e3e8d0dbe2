import type { StartedDyno } from "./ports.ts";

/** What this control plane knows of one dyno's process, beside its row. */
export interface DynoFact {
  /** Null: found at the start, and no row has claimed it yet. */
  appId: string | null;
  /** `failed`: the platform could not start it. */
  phase: "launching" | "running" | "exited" | "failed";
  exitCode: number | null;
  started: StartedDyno | null;
  /** When this control plane has started it. */
  startedAt: Date | null;
  /** Its port is bound. */
  listening: boolean;
  /** SIGKILL is on its way. */
  killed: boolean;
  /** It was started by an earlier control plane. */
  adopted: boolean;
  /** Where the log speaks of it, and the memory and share of its size; null before its row is known. */
  identity: { appId: string; process: string; quotaBytes: number; cpuShare: number } | null;
  /** All its processes are stopped in place. */
  frozen: boolean;
  /** Refused processes that the log has told of, and when it last told of a limit. */
  refusedProcesses: number;
  strainedAt: Date | null;
  /** It sleeps: when its processes were told to end. */
  hibernatingAt: Date | null;
  /** It has no row: when it was told to stop. */
  abandonedAt: Date | null;
}

/** Facts by dyno id. */
export type Facts = ReadonlyMap<string, DynoFact>;

/** A dyno that is being launched for an app. */
export function launchingFact(appId: string): DynoFact {
  return {
    appId,
    phase: "launching",
    exitCode: null,
    started: null,
    startedAt: null,
    listening: false,
    killed: false,
    adopted: false,
    identity: null,
    frozen: false,
    refusedProcesses: 0,
    strainedAt: null,
    hibernatingAt: null,
    abandonedAt: null,
  };
}
