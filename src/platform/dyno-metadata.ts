import type { Platform } from "./context.ts";
import { defaultHostname } from "./domain.ts";

/** The feature that gives dynos these variables. */
export const DYNO_METADATA = "runtime-dyno-metadata";

const SHOWN_COMMIT_CHARACTERS = 8;

/** What a dyno is told in its environment about its app, release and slug: https://devcenter.heroku.com/articles/dyno-metadata */
export function dynoMetadata(
  ctx: Platform,
  release: {
    app_id: string;
    app_name: string;
    version: number;
    created_at: Date;
    commit: string | null;
    commit_description: string | null;
  },
): Record<string, string> {
  const { commit } = release;
  const build: Record<string, string> =
    commit === null
      ? {}
      : {
          HEROKU_BUILD_COMMIT: commit,
          HEROKU_BUILD_DESCRIPTION: release.commit_description ?? "",
          HEROKU_SLUG_COMMIT: commit,
          HEROKU_SLUG_DESCRIPTION: `Deploy ${commit.slice(0, SHOWN_COMMIT_CHARACTERS)}`,
        };
  return {
    HEROKU_APP_DEFAULT_DOMAIN_NAME: defaultHostname(ctx, release.app_name),
    HEROKU_APP_ID: release.app_id,
    HEROKU_APP_NAME: release.app_name,
    ...build,
    HEROKU_RELEASE_CREATED_AT: release.created_at.toISOString(),
    HEROKU_RELEASE_VERSION: `v${release.version}`,
  };
}
