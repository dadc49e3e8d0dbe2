import { Type } from "typebox";
import { AppParams } from "../../contract/reference.ts";
import { Release, ReleaseCreate } from "../../contract/release.ts";
import { findApp } from "../../platform/access.ts";
import { invalid } from "../../platform/refusals.ts";
import { findRelease, listReleases, releaseResource, releaseSlug, rollBack } from "../../platform/release.ts";
import type { Api, ApiDeps } from "../api.ts";
import { sendList } from "../list.ts";
import { parseRange } from "../range.ts";

const Params = Type.Object({ ...AppParams.properties, release: Type.String({ description: "Id or version." }) });
const Query = Type.Object({ extended: Type.Optional(Type.String()) });

/** Releases: `heroku releases`, `releases:info`, `rollback`, `releases:retry`. */
export function registerReleaseRoutes(app: Api, { platform }: ApiDeps): void {
  const tags = ["release"];
  const response = { "2xx": Release };
  const path = "/apps/:app/releases";

  app.get(
    path,
    { schema: { tags, params: AppParams, querystring: Query, response: { "2xx": Type.Array(Release) } } },
    async (request, reply) => {
      const found = await findApp(platform, request.params.app, request.identity);
      const { attribute, from, to, max, order } = parseRange(request.headers.range, ["version", "id"]);
      // An app may have thousands of releases and is mostly asked for the last one. One row more tells that another page follows.
      const isPlain = attribute === "version" && from === null && to === null;
      const rows = await listReleases(platform, found.id, isPlain ? { order, limit: max + 1 } : undefined);
      const page = sendList(request, reply, rows, { version: (row) => row.version });
      return page.map((row) => releaseResource(platform, found, row, request.query.extended === "true"));
    },
  );
  app.get(`${path}/:release`, { schema: { tags, params: Params, querystring: Query, response } }, async (request) => {
    const { identity, params, query } = request;
    const found = await findApp(platform, params.app, identity);
    const row = await findRelease(platform.db, found.id, params.release);
    return releaseResource(platform, found, row, query.extended === "true");
  });
  app.post(path, { schema: { tags, params: AppParams, body: ReleaseCreate, response } }, async (request, reply) => {
    const { identity, params, body } = request;
    const found = await findApp(platform, params.app, identity);
    const { release, slug, description = null } = body;
    if (release === undefined && slug === undefined) {
      throw invalid("Give the release to roll back to, or the slug to be released.");
    }
    const row =
      release === undefined
        ? await releaseSlug(platform, found.id, identity, { slug: slug ?? "", description })
        : await rollBack(platform, found.id, identity, String(release));
    void reply.status(201);
    return releaseResource(platform, found, row);
  });
}
