import { join } from "node:path";
import { type BuilderOptions, BuildRun } from "./build-run.ts";
import { defaultLimits } from "./limits.ts";
import type { BuildOrder, BuildOutcome, BuildWriter } from "./ports.ts";
import { type ExpectedBuild, Standbys } from "./standby.ts";

export interface Builder {
  /** Source → slug. Never throws: what the user's code did wrong, and what we did, are failed outcomes with the cause in the output. */
  build(order: BuildOrder, write: BuildWriter, signal: AbortSignal): Promise<BuildOutcome>;
  /** A build of the app is probably coming: its sandbox is made while its source is on its way. */
  expect(build: ExpectedBuild): void;
  /** Forgets everything kept between an app's builds: at once, or when the build that is running ends. */
  purgeCache(appId: string): Promise<void>;
}

export function createBuilder(options: BuilderOptions): Builder {
  const limits = { ...defaultLimits(), ...options.limits };
  const purge = async (appId: string): Promise<void> => await options.store.discard(join(options.paths.caches, appId));
  /** Apps that are being built, and whether their cache is to go afterwards: nothing is removed under a build that runs. */
  const running = new Map<string, { purge: boolean }>();
  const { sandbox, clock, journal, tools, caBundle } = options;
  const cachesFolder = options.paths.caches;
  const standbys = new Standbys({ cachesFolder, sandbox, clock, journal, tools, caBundle, memoryBytes: limits.memoryBytes });
  return {
    expect: (build) => {
      if (running.has(build.app.id)) return;
      standbys.expect(build);
      options.store.warmUp();
    },
    async build(order, write, signal) {
      const began = options.clock.now().getTime();
      const present = { purge: false };
      running.set(order.app.id, present);
      const outcome = await new BuildRun(options, limits, standbys, order, write, signal).run();
      if (present.purge) {
        await purge(order.app.id).catch((error: unknown) =>
          options.journal.fault("build.purge", error, { app_id: order.app.id }),
        );
      }
      running.delete(order.app.id);
      options.journal.note("build.ended", {
        build_id: order.id,
        app_id: order.app.id,
        status: outcome.status,
        ...(outcome.status === "failed" ? { reason: outcome.reason } : { tree: outcome.slug.tree }),
        milliseconds: options.clock.now().getTime() - began,
      });
      return outcome;
    },
    async purgeCache(appId) {
      await standbys.drop(appId);
      const present = running.get(appId);
      if (present === undefined) await purge(appId);
      else present.purge = true;
    },
  };
}
