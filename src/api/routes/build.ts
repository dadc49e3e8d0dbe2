import { Type } from "typebox";
import { Build, BuildCreate, BuildResult } from "../../contract/build.ts";
import { Nothing } from "../../contract/dyno.ts";
import { AppParams } from "../../contract/reference.ts";
import { Refusal } from "../../kernel/refusal.ts";
import { findApp } from "../../platform/access.ts";
import { buildResource, cancelBuild, createBuild, findBuild, listBuilds } from "../../platform/build.ts";
import { resolveBuildpack } from "../../platform/buildpack-installation.ts";
import { invalid } from "../../platform/refusals.ts";
import type { Api, ApiDeps } from "../api.ts";
import { sendList } from "../list.ts";

const Params = Type.Object({ ...AppParams.properties, build: Type.String() });
const MAX_URL_LENGTH = 8192;

/** Builds from tarballs, and what became of all builds: the plugin heroku-builds, CI, the API's own users. */
export function registerBuildRoutes(app: Api, { platform, ports }: ApiDeps): void {
  const tags = ["build"];
  const response = { "2xx": Build };
  const path = "/apps/:app/builds";

  app.post(
    path,
    { schema: { tags, params: AppParams, body: BuildCreate, response } },
    async ({ identity, params, body }, reply) => {
      const found = await findApp(platform, params.app, identity);
      const { url, checksum = null, version = null, version_description: versionDescription = null } = body.source_blob;
      checkSourceUrl(url);
      const buildpacks = body.buildpacks?.map((wish) => resolveBuildpack(wish.url ?? wish.name ?? ""));
      const build = await createBuild(platform, found.id, identity, {
        source: { kind: "url", url, checksum },
        version,
        versionDescription,
        ...(buildpacks === undefined || buildpacks.length === 0 ? {} : { buildpacks }),
      });
      void reply.status(201);
      return buildResource(platform, found, build);
    },
  );
  app.get(path, { schema: { tags, params: AppParams, response: { "2xx": Type.Array(Build) } } }, async (request, reply) => {
    const found = await findApp(platform, request.params.app, request.identity);
    const rows = await listBuilds(platform, found.id);
    const started = (row: { created_at: Date }): Date => row.created_at;
    const page = sendList(request, reply, rows, { created_at: started, started_at: started });
    return page.map((row) => buildResource(platform, found, row));
  });
  app.get(`${path}/:build`, { schema: { tags, params: Params, response } }, async ({ identity, params }) => {
    const found = await findApp(platform, params.app, identity);
    return buildResource(platform, found, await findBuild(platform, found.id, params.build));
  });
  app.delete(`${path}/:build`, { schema: { tags, params: Params, response } }, async ({ identity, params }) => {
    const found = await findApp(platform, params.app, identity);
    return buildResource(platform, found, await cancelBuild(platform, found.id, identity, params.build));
  });
  app.get(
    `${path}/:build/result`,
    { schema: { tags, params: Params, response: { "2xx": BuildResult } } },
    async ({ identity, params }) => {
      const found = await findApp(platform, params.app, identity);
      const row = await findBuild(platform, found.id, params.build);
      if (row.status === "pending") throw new Refusal("not_found", "The build has not ended yet.", { resource: "build_result" });
      const chunks: Buffer[] = [];
      for await (const chunk of ports.outputs.follow(ports.buildOutputPath(row.id))) chunks.push(chunk);
      const lines = Buffer.concat(chunks)
        .toString("utf8")
        .split(/(?<=\n)/);
      const { id, output_stream_url, status } = buildResource(platform, found, row);
      return {
        build: { id, output_stream_url, status },
        exit_code: row.status === "succeeded" ? 0 : 1,
        lines: lines.filter((line) => line !== "").map((line) => ({ line, stream: "STDOUT" })),
      };
    },
  );
  app.delete(
    "/apps/:app/build-cache",
    { schema: { tags, params: AppParams, response: { "2xx": Nothing } } },
    async ({ identity, params }) => {
      const found = await findApp(platform, params.app, identity);
      await ports.purgeCache(found.id);
      return {};
    },
  );
}

function checkSourceUrl(url: string): void {
  const isHttp = URL.canParse(url) && ["http:", "https:"].includes(new URL(url).protocol);
  if (isHttp && url.length <= MAX_URL_LENGTH) return;
  throw invalid("The source's URL must be the http:// or https:// address of a gzipped tar archive.");
}
