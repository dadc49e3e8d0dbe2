import { rm } from "node:fs/promises";
import type { DestroyedApp } from "../../src/platform/context.ts";

/** The rooms that keep something of apps. */
export interface Keepers {
  runtime: { appDestroyed(appId: string): Promise<void> };
  git: { removeRepository(appId: string): Promise<void> };
  builder: { purgeCache(appId: string): Promise<void> };
  logs: { remove(appId: string): Promise<void> };
  slugs: { remove(tree: string): Promise<void> };
  buildOutputPath(buildId: string): string;
  releaseOutputPath(releaseId: string): string;
}

/** Removes what an app that is gone has left: its slugs after its last dyno has ended, since that runs from one of them. */
export async function removeDestroyedApp(app: DestroyedApp, keepers: Keepers): Promise<void> {
  const { runtime, git, builder, logs, slugs, buildOutputPath, releaseOutputPath } = keepers;
  await runtime.appDestroyed(app.id);
  const outputs = [...app.builds.map(buildOutputPath), ...app.releases.map(releaseOutputPath)];
  await Promise.all([
    git.removeRepository(app.id),
    builder.purgeCache(app.id),
    logs.remove(app.id),
    ...app.trees.map(async (tree) => await slugs.remove(tree)),
    ...outputs.map(async (path) => await rm(path, { force: true })),
  ]);
}
