import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../kernel/clock.ts";
import { newId } from "../kernel/ids.ts";
import type { Journal } from "../kernel/journal.ts";
import { Refusal } from "../kernel/refusal.ts";
import type { GitPlatform } from "./ports.ts";
import type { PushOutput } from "./push-output.ts";
import type { Repository } from "./repository.ts";
import { CHECKOUT_LIMIT_BYTES, checkOut, listSource, readCommit } from "./source.ts";

/** Begins the names of source folders that no build owns yet; what a killed process leaves of them is removed at start. */
const INCOMING_PREFIX = "incoming-";
const OWNED_PREFIX = "push-";

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
  repository: Repository;
  commit: string;
  /** The branch's commit before: null for its first push. */
  previous: string | null;
  env: Record<string, string>;
}

/**
 * Builds a pushed commit and shows the build to the pushing client. True: the release is made and the branch may move. What went
 * wrong is in the output. A client that has gone changes nothing.
 */
export async function deploy(deployer: Deployer, deployment: Deployment, output: PushOutput): Promise<boolean> {
  const draft = join(deployer.buildsFolder, `${INCOMING_PREFIX}${newId()}`);
  try {
    const subject = await writeSource(
      deployment,
      join(draft, "source"),
      deployer.checkoutLimitBytes ?? CHECKOUT_LIMIT_BYTES,
      output,
    );
    if (subject === null) return false;
    await output.text("Compressing source files... done.\nBuilding source:\n\n");
    const owned = join(deployer.buildsFolder, `${OWNED_PREFIX}${newId()}`);
    await rename(draft, owned);
    const { platform } = deployer;
    const { id } = await platform
      .createBuild({
        appId: deployment.app.id,
        accountId: deployment.accountId,
        commit: deployment.commit,
        message: subject,
        folder: join(owned, "source"),
      })
      .catch(async (error: unknown) => {
        await rm(owned, { recursive: true, force: true });
        throw error;
      });
    await showBuild(platform, id, output);
    const { status } = await platform.buildResult(id);
    return status === "succeeded";
  } catch (error) {
    if (error instanceof Refusal) {
      await output.complaint(` !     ${error.message}\n`);
      return false;
    }
    deployer.journal.fault("git.deploy_failed", error, { app_id: deployment.app.id, commit: deployment.commit });
    await output.complaint(
      " !     The platform failed, not your app: the operator finds the cause in its journal. Please push again.\n",
    );
    return false;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Removes source folders that were being written when the process was killed. */
export async function sweepSources(buildsFolder: string): Promise<void> {
  const names = await readdir(buildsFolder).catch(() => []);
  for (const name of names) {
    if (name.startsWith(INCOMING_PREFIX)) await rm(join(buildsFolder, name), { recursive: true, force: true });
  }
}

/** Writes the commit's files out; the commit's subject, or null when they cannot be built (the output says why). */
async function writeSource(
  deployment: Deployment,
  folder: string,
  limitBytes: number,
  output: PushOutput,
): Promise<string | null> {
  const { repository, commit, env } = deployment;
  const [found, listing] = await Promise.all([readCommit(repository, commit, env), listSource(repository, commit, env)]);
  if (found === null) {
    await output.complaint(
      " !     Push rejected, this is an annotated tag and not a commit. Push the commit it names: git push heroku TAG^{}:main\n",
    );
    return null;
  }
  if (listing.submodules.length > 0) {
    await output.complaint(
      ` !     Push rejected, submodules are not fetched: ${printable(listing.submodules.slice(0, 5).join(", "))}.\n` +
        " !     Add their files to this repository instead: git rm --cached PATH; rm -rf PATH/.git; git add PATH\n",
    );
    return null;
  }
  if (listing.bytes > limitBytes) {
    const [size, most] = [megabytes(listing.bytes), megabytes(limitBytes)];
    await output.complaint(
      ` !     Push rejected, the source files have ${size} MB and the limit is ${most} MB. Keep large files elsewhere.\n`,
    );
    return null;
  }
  await mkdir(folder, { recursive: true });
  const complaint = await checkOut(repository, commit, folder, env);
  if (complaint !== null) {
    await output.complaint(` !     Push rejected, the source files could not be written out:\n${printable(complaint)}\n`);
    return null;
  }
  if (deployment.previous !== null) {
    const paths = listing.files === 1 ? "1 path" : `${listing.files} paths`;
    await output.text(`Updated ${paths} from ${found.tree.slice(0, 7)}\n`);
  }
  return found.subject;
}

async function showBuild(platform: GitPlatform, buildId: string, output: PushOutput): Promise<void> {
  const hungUp = new AbortController();
  for await (const chunk of platform.followBuild(buildId, hungUp.signal)) {
    if (output.abandoned) {
      hungUp.abort();
      return;
    }
    await output.text(chunk);
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1024 ** 2).toFixed(bytes < 10 * 1024 ** 2 ? 1 : 0);
}

/** Text out of a repository, fit for a terminal. */
function printable(text: string): string {
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f]/g, "?");
}
