import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import { Feature, FeatureUpdate } from "../../contract/feature.ts";
import { findApp } from "../../platform/access.ts";
import { type FeatureOwner, findFeature, listFeatures, setFeature } from "../../platform/feature.ts";
import type { Api, ApiDeps } from "../api.ts";
import { sendList } from "../list.ts";

/** Switches of an app and of an account: `heroku features` and `heroku labs`. */
export function registerFeatureRoutes(app: Api, { platform }: ApiDeps): void {
  const owners = [
    {
      path: "/account/features",
      tags: ["account-feature"],
      find: async (request: FastifyRequest): Promise<FeatureOwner> => ({ kind: "account", id: request.identity.accountId }),
    },
    {
      path: "/apps/:app/features",
      tags: ["app-feature"],
      find: async (request: FastifyRequest): Promise<FeatureOwner> => {
        const { app: name } = request.params as { app: string };
        return { kind: "app", id: (await findApp(platform, name, request.identity)).id };
      },
    },
  ];
  for (const { path, tags, find } of owners) {
    const names = path.includes(":app") ? { app: Type.String() } : {};
    const one = { tags, params: Type.Object({ ...names, feature: Type.String() }), response: { 200: Feature } };
    const many = { tags, params: Type.Object(names), response: { "2xx": Type.Array(Feature) } };
    const nameOf = (request: FastifyRequest): string => (request.params as { feature: string }).feature;

    app.get(path, { schema: many }, async (request, reply) => {
      const items = await listFeatures(platform, await find(request));
      return sendList(request, reply, items, { name: (item) => item.name });
    });
    app.get(`${path}/:feature`, { schema: one }, async (request) => findFeature(platform, await find(request), nameOf(request)));
    app.patch(`${path}/:feature`, { schema: { ...one, body: FeatureUpdate } }, async (request) =>
      setFeature(platform, await find(request), nameOf(request), request.body.enabled),
    );
  }
}
