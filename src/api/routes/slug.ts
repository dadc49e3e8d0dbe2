import { Type } from "typebox";
import { AppParams } from "../../contract/reference.ts";
import { Slug, SlugCreate } from "../../contract/slug.ts";
import { findApp } from "../../platform/access.ts";
import { createSlug, findSlug, slugResource } from "../../platform/slug.ts";
import type { Api, ApiDeps } from "../api.ts";

const Params = Type.Object({ ...AppParams.properties, slug: Type.String() });

/** Slugs: https://devcenter.heroku.com/articles/platform-api-deploying-slugs */
export function registerSlugRoutes(app: Api, { platform }: ApiDeps): void {
  const tags = ["slug"];
  const response = { "2xx": Slug };

  app.get("/apps/:app/slugs/:slug", { schema: { tags, params: Params, response } }, async ({ identity, params }) => {
    const found = await findApp(platform, params.app, identity);
    return slugResource(platform, await findSlug(platform.db, found.id, params.slug));
  });
  app.post(
    "/apps/:app/slugs",
    { schema: { tags, params: AppParams, body: SlugCreate, response } },
    async ({ identity, params, body }, reply) => {
      const found = await findApp(platform, params.app, identity);
      const slug = await createSlug(platform, found, body);
      void reply.status(201);
      return slugResource(platform, slug);
    },
  );
}
