import { Type } from "typebox";
import { ConfigVars, ConfigVarsUpdate } from "../../contract/config-var.ts";
import { AppParams } from "../../contract/reference.ts";
import { findApp } from "../../platform/access.ts";
import { openConfig } from "../../platform/config.ts";
import { updateConfigVars } from "../../platform/config-var.ts";
import { findRelease, releaseConfig } from "../../platform/release.ts";
import type { Api, ApiDeps } from "../api.ts";

const ReleaseParams = Type.Object({ ...AppParams.properties, release: Type.String() });

/** Config vars, of the app and of each release: `heroku config`, `config:set`, `config:unset`, `releases:info`. */
export function registerConfigVarRoutes(app: Api, { platform }: ApiDeps): void {
  const tags = ["config-var"];
  const response = { "2xx": ConfigVars };
  const path = "/apps/:app/config-vars";

  app.get(path, { schema: { tags, params: AppParams, response } }, async ({ identity, params }) => {
    const found = await findApp(platform, params.app, identity);
    return openConfig(platform, found.config);
  });
  app.patch(
    path,
    { schema: { tags, params: AppParams, body: ConfigVarsUpdate, response } },
    async ({ identity, params, body }) => {
      const found = await findApp(platform, params.app, identity);
      return await updateConfigVars(platform, found.id, identity, body);
    },
  );
  app.get(
    "/apps/:app/releases/:release/config-vars",
    { schema: { tags, params: ReleaseParams, response } },
    async ({ identity, params }) => {
      const found = await findApp(platform, params.app, identity);
      const release = await findRelease(platform.db, found.id, params.release);
      return await releaseConfig(platform, release.id);
    },
  );
}
