import type { ExpectedBuild } from "../../src/builder/standby.ts";
import type { GitPlatform } from "../../src/git/ports.ts";
import type { Journal } from "../../src/kernel/journal.ts";
import type { Outputs } from "../../src/kernel/output.ts";
import { findApp } from "../../src/platform/access.ts";
import { buildById, createBuild, expectedBuild } from "../../src/platform/build.ts";
import type { Platform } from "../../src/platform/context.ts";
import { authenticateToken, identityOf } from "../../src/platform/identity.ts";
import { releaseById } from "../../src/platform/release.ts";

/** Authorizations that may only look at apps cannot push: https://devcenter.heroku.com/articles/oauth#scopes */
const PUSH_SCOPES: ReadonlySet<string> = new Set(["global", "write", "write-protected"]);

interface Builds {
  /** Makes the sandbox of a build that is probably coming. */
  expectBuild(build: ExpectedBuild): void;
  journal: Journal;
  outputs: Outputs;
  buildOutputPath(buildId: string): string;
  releaseOutputPath(releaseId: string): string;
}

/** What git asks of the platform, over the platform's own functions. */
export function gitPlatform(platform: Platform, builds: Builds): GitPlatform {
  const { outputs, buildOutputPath, releaseOutputPath } = builds;
  return {
    authenticate: async (token) => {
      const identity = await authenticateToken(platform, token);
      const mayPush = identity?.scope.some((scope) => PUSH_SCOPES.has(scope)) === true;
      return identity !== null && mayPush ? { id: identity.accountId, email: identity.email } : null;
    },
    openApp: async (name, accountId) => {
      const app = await findApp(platform, name, await identityOf(platform, accountId));
      return { id: app.id, name: app.name };
    },
    expectBuild: (appId) => {
      expectedBuild(platform, appId)
        .then((expected) => expected !== null && builds.expectBuild(expected))
        .catch((error: unknown) => builds.journal.fault("build.expect", error, { app_id: appId }));
    },
    createBuild: async (push) => {
      const { email } = await identityOf(platform, push.accountId);
      const build = await createBuild(
        platform,
        push.appId,
        { accountId: push.accountId, email },
        { source: { kind: "git", folder: push.folder }, version: push.commit, versionDescription: push.message },
      );
      // The push follows the output from here on, whether the job has begun it or not.
      await outputs.begin(buildOutputPath(build.id));
      return { id: build.id };
    },
    followBuild: (buildId, signal) => outputs.follow(buildOutputPath(buildId), signal),
    buildResult: async (buildId) => {
      const build = await buildById(platform, buildId);
      return { status: build?.status === "succeeded" ? "succeeded" : "failed" };
    },
    releasePhase: async (buildId, signal) => {
      const id = (await buildById(platform, buildId))?.release_id ?? null;
      const release = id === null ? null : await releaseById(platform, id);
      if (id === null || release === null || release.output_token === null) return null;
      return {
        output: outputs.follow(releaseOutputPath(id), signal),
        result: async () => {
          const ended = await releaseById(platform, id);
          return { status: ended?.status === "succeeded" ? "succeeded" : "failed" };
        },
      };
    },
    repositoryChanged: async (appId, size) => {
      await platform.db.updateTable("apps").set({ repo_size: size }).where("id", "=", appId).execute();
    },
  };
}
