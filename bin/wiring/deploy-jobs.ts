import type { BuildOrder, BuildOutcome, BuildWriter } from "../../src/builder/ports.ts";
import type { JobHandler } from "../../src/kernel/jobs.ts";
import type { Journal } from "../../src/kernel/journal.ts";
import type { Outputs } from "../../src/kernel/output.ts";
import { buildFailed, buildSucceeded, type Deployment } from "../../src/platform/build-outcome.ts";
import { BUILD_JOB, buildOrder } from "../../src/platform/build.ts";
import type { Platform } from "../../src/platform/context.ts";
import { finishRelease, RELEASE_PHASE_JOB } from "../../src/platform/release.ts";
import { releasePhase } from "../../src/platform/release-phase.ts";

export interface DeployJobs {
  platform: Platform;
  outputs: Outputs;
  journal: Journal;
  buildOutputPath(buildId: string): string;
  releaseOutputPath(releaseId: string): string;
  build(order: BuildOrder, write: BuildWriter, signal: AbortSignal): Promise<BuildOutcome>;
  /** Resolves when the router knows of what the app has come to. */
  reconciled(appId: string): Promise<void>;
  runRelease(phase: {
    appId: string;
    releaseId: string;
    command: string;
    onOutput: (text: string) => void;
  }): Promise<{ exitCode: number }>;
}

/** The two jobs of a deploy, and how to stop a build that runs. */
export function deployJobs(deps: DeployJobs): { handlers: Record<string, JobHandler>; cancelBuild(buildId: string): void } {
  const running = new Map<string, AbortController>();
  return {
    handlers: {
      [BUILD_JOB]: async (payload, { signal }) => {
        const buildId = String(payload["build_id"]);
        const abort = new AbortController();
        signal.addEventListener("abort", () => abort.abort(), { once: true });
        running.set(buildId, abort);
        try {
          await runBuild(deps, buildId, abort.signal);
        } finally {
          running.delete(buildId);
        }
      },
      [RELEASE_PHASE_JOB]: async (payload) => await runReleasePhase(deps, String(payload["release_id"])),
    },
    cancelBuild: (buildId) => {
      running.get(buildId)?.abort();
      // One that still waits has followers too: there is nothing to come.
      if (!running.has(buildId)) void deps.outputs.end(deps.buildOutputPath(buildId));
    },
  };
}

async function runBuild(deps: DeployJobs, buildId: string, signal: AbortSignal): Promise<void> {
  const { platform, outputs } = deps;
  const path = deps.buildOutputPath(buildId);
  const order = await buildOrder(platform, buildId);
  // Cancelled while it waited, or its app is gone: somebody may follow its output all the same.
  if (order === null) return await outputs.end(path);
  await outputs.begin(path);
  const write: BuildWriter = (text) => void outputs.write(path, text);
  try {
    const outcome = await deps.build(order, write, signal);
    if (outcome.status === "failed") {
      await buildFailed(platform, buildId);
      return;
    }
    write("-----> Launching...\n");
    const deployment = await buildSucceeded(platform, buildId, outcome.slug);
    // Whoever opens the URL that the push prints finds the app, or waits for its first dyno.
    await deps.reconciled(order.app.id);
    // The push follows the release phase's output from here on, whether its job has begun it or not.
    if (deployment?.hasReleasePhase === true) await outputs.begin(deps.releaseOutputPath(deployment.release.id));
    write(deployment === null ? " !     The build was cancelled.\n\n" : launched(deployment));
  } catch (error) {
    deps.journal.fault("build", error, { build_id: buildId });
    write("\n !     The platform failed, not your app: the operator finds the cause in its journal. Please push again.\n\n");
    await buildFailed(platform, buildId);
  } finally {
    await outputs.end(path);
  }
}

function launched({ release, url, hasReleasePhase }: Deployment): string {
  const warning = hasReleasePhase
    ? " !     Release command declared: this new release will not be available until the command succeeds.\n"
    : "";
  return `${warning}       Released v${release.version}\n       ${url} deployed to Zarpa\n\n`;
}

async function runReleasePhase(deps: DeployJobs, releaseId: string): Promise<void> {
  const phase = await releasePhase(deps.platform, releaseId);
  if (phase === null) return;
  const path = deps.releaseOutputPath(releaseId);
  await deps.outputs.begin(path);
  try {
    const { exitCode } = await deps.runRelease({
      ...phase,
      onOutput: (text) => void deps.outputs.write(path, text),
    });
    await finishRelease(deps.platform, releaseId, exitCode === 0 ? "succeeded" : "failed");
  } catch (error) {
    deps.journal.fault("release_phase", error, { release_id: releaseId });
    await deps.outputs.write(path, " !     The platform failed, not your app: the operator finds the cause in its journal.\n");
    await finishRelease(deps.platform, releaseId, "failed");
  } finally {
    await deps.outputs.end(path);
  }
}
