import { Type } from "typebox";
import { AppParams } from "../../contract/reference.ts";
import { Region } from "../../contract/region.ts";
import { Generation, Stack } from "../../contract/stack.ts";
import { findApp } from "../../platform/access.ts";
import { findRegion, listRegions } from "../../platform/region.ts";
import { CEDAR, findGeneration, findStack, listStacks } from "../../platform/stack.ts";
import type { Api, ApiDeps } from "../api.ts";
import { sendList } from "../list.ts";

const NameParams = Type.Object({ name: Type.String({ description: "Name or id." }) });

/** Where apps can run and on what: regions, stacks, generations. */
export function registerPlaceRoutes(app: Api, { platform }: ApiDeps): void {
  const byName = { name: (item: { name: string }) => item.name };
  const stacks = { "2xx": Type.Array(Stack) };

  app.get("/regions", { schema: { tags: ["region"], response: { "2xx": Type.Array(Region) } } }, async (request, reply) =>
    sendList(request, reply, listRegions(), byName),
  );
  app.get("/regions/:name", { schema: { tags: ["region"], params: NameParams, response: { 200: Region } } }, async ({ params }) =>
    findRegion(params.name),
  );
  app.get("/stacks", { schema: { tags: ["stack"], response: stacks } }, async (request, reply) =>
    sendList(request, reply, listStacks(), byName),
  );
  app.get("/stacks/:name", { schema: { tags: ["stack"], params: NameParams, response: { 200: Stack } } }, async ({ params }) =>
    findStack(params.name),
  );
  app.get(
    "/apps/:app/available-stacks",
    { schema: { tags: ["stack"], params: AppParams, response: stacks } },
    async (request, reply) => {
      await findApp(platform, request.params.app, request.identity);
      return sendList(request, reply, listStacks(), byName);
    },
  );
  const generations = { "2xx": Type.Array(Generation) };
  app.get("/generations", { schema: { tags: ["generation"], response: generations } }, async (request, reply) =>
    sendList(request, reply, [CEDAR], byName),
  );
  app.get(
    "/generations/:name",
    { schema: { tags: ["generation"], params: NameParams, response: { 200: Generation } } },
    async ({ params }) => findGeneration(params.name),
  );
}
