import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock } from "../kernel/clock.ts";
import type { Journal } from "../kernel/journal.ts";
import { Refusal } from "../kernel/refusal.ts";
import type { GitPlatform } from "./ports.ts";
import type { PushOutput } from "./push-output.ts";
import type { PushedSource } from "./source.ts";

/** What git shows for a push that the build has not accepted. */
export const DECLINED = "pre-receive hook declined";

export interface Deployer {
  platform: GitPlatform;
  buildsFolder: string;
  clock: Clock;
  journal: Journal;
  checkoutLimitBytes?: number;
}

export interface Deployment {
  app: { id: string; name: string };
  accountId: string;
  commit: string;
  source: PushedSource;
  /** Whether the branch has been there before. */
  again: boolean;
}

/**
 * Builds a pushed commit and shows the build to the pushing client. The build's id: the release is made and the branch may move.
 * Null: what went wrong is in the output. A client that has gone changes nothing.
 */
export async function deploy(deployer: Deployer, deployment: Deployment, output: PushOutput): Promise<string | null> {
  const { app, source } = deployment;
  if (source.problem !== null) {
    await output.complaint(` !     Push rejected, ${source.problem}\n`);
    return null;
  }
  if (deployment.again) {
    await output.text(`Updated ${source.files} path${source.files === 1 ? "" : "s"} from ${source.tree.slice(0, 7)}\n`);
  }
  await output.text("Compressing source files... done.\nBuilding source:\n\n");
  try {
    const buildId = await order(deployer.platform, deployment);
    const hungUp = new AbortController();
    await show(deployer.platform.followBuild(buildId, hungUp.signal), output, hungUp);
    const { status } = await deployer.platform.buildResult(buildId);
    return status === "succeeded" ? buildId : null;
  } catch (error) {
    if (error instanceof Refusal) {
      await output.complaint(` !     ${error.message}\n`);
      return null;
    }
    deployer.journal.fault("git.deploy_failed", error, { app_id: app.id, commit: deployment.commit });
    await output.complaint(
      " !     The platform failed, not your app: the operator finds the cause in its journal. Please push again.\n",
    );
    return null;
  }
}

async function order(platform: GitPlatform, { app, accountId, commit, source }: Deployment): Promise<string> {
  const folder = await source.release();
  try {
    const { id } = await platform.createBuild({ appId: app.id, accountId, commit, message: source.subject, folder });
    return id;
  } catch (error) {
    await rm(dirname(folder), { recursive: true, force: true });
    throw error;
  }
}

/** Shows the release phase, if the build's release has one. The push has succeeded already: what fails here is the release. */
export async function showReleasePhase(platform: GitPlatform, buildId: string, output: PushOutput): Promise<void> {
  const hungUp = new AbortController();
  const phase = await platform.releasePhase?.(buildId, hungUp.signal);
  if (phase === undefined || phase === null || output.abandoned) return;
  await output.text("Running release command....\n\n");
  await show(phase.output, output, hungUp);
  if (output.abandoned) return;
  const { status } = await phase.result();
  await output.complaint(status === "succeeded" ? "Waiting for release.... done.\n" : RELEASE_FAILED);
}

const RELEASE_FAILED = "Waiting for release.... failed.\n !     The release command failed: the release before stays current.\n";

async function show(chunks: AsyncIterable<Buffer>, output: PushOutput, hungUp: AbortController): Promise<void> {
  for await (const chunk of chunks) {
    if (output.abandoned) {
      hungUp.abort();
      return;
    }
    await output.text(chunk);
  }
}
