import { Type } from "typebox";
import { App, AppCreate, AppUpdate } from "../../contract/app.ts";
import { AppParams } from "../../contract/reference.ts";
import { type FoundApp, findApp } from "../../platform/access.ts";
import { appResource, createApp, deleteApp, listApps, updateApp } from "../../platform/app.ts";
import { notFound } from "../../platform/refusals.ts";
import type { Api, ApiDeps } from "../api.ts";
import { sendList } from "../list.ts";
import { requireSelf } from "./account.ts";

const UserParams = Type.Object({ user: Type.String() });

/** Apps: `heroku create`, `apps`, `apps:info`, `apps:rename`, `maintenance`, `stack:set`, `apps:destroy`. */
export function registerAppRoutes(app: Api, { platform }: ApiDeps): void {
  const tags = ["app"];
  const response = { "2xx": App };
  const list = { "2xx": Type.Array(App) };
  const show = (found: FoundApp): App => appResource(platform, found);
  const keys = { name: (item: App) => item.name, created_at: (item: App) => item.created_at };

  app.post("/apps", { schema: { tags, body: AppCreate, response } }, async ({ identity, body }, reply) => {
    if (typeof body.team === "string") throw notFound("team");
    if (typeof body.space === "string") throw notFound("space");
    const { name, region, stack } = body;
    const wish = { name: name ?? undefined, region: region ?? undefined, stack: stack ?? undefined };
    const created = await createApp(platform, identity, wish);
    void reply.status(201);
    return show(created);
  });
  app.get("/apps", { schema: { tags, response: list } }, async (request, reply) => {
    const apps = await listApps(platform, request.identity, "all");
    return sendList(request, reply, apps.map(show), keys);
  });
  app.get("/users/:user/apps", { schema: { tags, params: UserParams, response: list } }, async (request, reply) => {
    requireSelf(request.identity, request.params.user);
    const apps = await listApps(platform, request.identity, "own");
    return sendList(request, reply, apps.map(show), keys);
  });
  app.get("/apps/:app", { schema: { tags, params: AppParams, response } }, async ({ identity, params }) =>
    show(await findApp(platform, params.app, identity)),
  );
  app.patch(
    "/apps/:app",
    { schema: { tags, params: AppParams, body: AppUpdate, response } },
    async ({ identity, params, body }) => {
      const found = await findApp(platform, params.app, identity, body.name === undefined ? "use" : "own");
      return show(await updateApp(platform, identity, found, body));
    },
  );
  app.delete("/apps/:app", { schema: { tags, params: AppParams, response } }, async ({ identity, params }) => {
    const found = await findApp(platform, params.app, identity, "own");
    await deleteApp(platform, found);
    return show(found);
  });
  app.put("/apps/:app/pre-authorizations", { schema: { tags, params: AppParams } }, async ({ identity, params }, reply) => {
    // Asked after a two-factor challenge, which this platform never makes: nothing is left to authorize.
    await findApp(platform, params.app, identity);
    return await reply.send({});
  });
}
