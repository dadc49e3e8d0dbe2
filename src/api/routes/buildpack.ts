import { Type } from "typebox";
import {
  BuildpackInstallation,
  BuildpackInstallationUpdate,
  BuildpackReadme,
  BuildpackRevision,
  RegisteredBuildpack,
} from "../../contract/buildpack.ts";
import { AppParams } from "../../contract/reference.ts";
import { findApp } from "../../platform/access.ts";
import {
  findRegisteredBuildpack,
  listBuildpackInstallations,
  searchBuildpacks,
  setBuildpackInstallations,
} from "../../platform/buildpack-installation.ts";
import type { Api, ApiDeps } from "../api.ts";

const NameParams = Type.Object({ name: Type.String() });
const REGISTRY = { tags: ["buildpack-registry"] };
const SINCE = "2026-11-20T00:00:00.000Z";

/** An app's buildpacks, and the registry where the CLI looks names up (HEROKU_BUILDPACK_REGISTRY_URL); that one needs no token. */
export function registerBuildpackRoutes(app: Api, { platform }: ApiDeps): void {
  const tags = ["buildpack-installation"];
  const response = { "2xx": Type.Array(BuildpackInstallation) };
  const path = "/apps/:app/buildpack-installations";
  const config = { open: true };

  app.get(path, { schema: { tags, params: AppParams, response } }, async ({ identity, params }) =>
    listBuildpackInstallations(platform, (await findApp(platform, params.app, identity)).id),
  );
  app.put(
    path,
    { schema: { tags, params: AppParams, body: BuildpackInstallationUpdate, response } },
    async ({ identity, params, body }) =>
      setBuildpackInstallations(platform, await findApp(platform, params.app, identity), body.updates),
  );

  app.get(
    "/buildpacks",
    { schema: { ...REGISTRY, response: { 200: Type.Array(RegisteredBuildpack) } }, config },
    async ({ query }) => {
      const all = (name: string): string[] => [(query as Record<string, string | string[] | undefined>)[name] ?? []].flat();
      const [description = null] = all("like[description]");
      return searchBuildpacks({ namespace: all("in[namespace][]"), name: all("in[name][]"), description });
    },
  );
  app.get(
    "/buildpacks/:name",
    { schema: { ...REGISTRY, params: NameParams, response: { 200: RegisteredBuildpack } }, config },
    async ({ params }) => findRegisteredBuildpack(params.name),
  );
  app.get(
    "/buildpacks/:name/revisions",
    { schema: { ...REGISTRY, params: NameParams, response: { 200: Type.Array(BuildpackRevision) } }, config },
    async ({ params }) => {
      findRegisteredBuildpack(params.name);
      return [{ created_at: SINCE, license: "MIT", release: 1, status: "published" }];
    },
  );
  app.get(
    "/buildpacks/:name/readme",
    { schema: { ...REGISTRY, params: NameParams, response: { 200: BuildpackReadme } }, config },
    async ({ params }) => {
      const { description } = findRegisteredBuildpack(params.name);
      return { content: Buffer.from(`${description}\n`).toString("base64"), encoding: "base64" };
    },
  );
}
