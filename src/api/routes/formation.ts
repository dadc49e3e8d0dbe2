import { Type } from "typebox";
import { Formation, FormationBatch, FormationChange } from "../../contract/formation.ts";
import { AppParams } from "../../contract/reference.ts";
import { findApp } from "../../platform/access.ts";
import {
  findFormation,
  formationResource,
  type FormationUpdate,
  listFormation,
  updateFormation,
} from "../../platform/formation.ts";
import type { Api, ApiDeps } from "../api.ts";
import { sendList } from "../list.ts";

const Params = Type.Object({ ...AppParams.properties, type: Type.String({ description: "Process type or id." }) });

/** How many dynos run: `heroku ps:scale`, `ps:type`. */
export function registerFormationRoutes(app: Api, { platform }: ApiDeps): void {
  const tags = ["formation"];
  const response = { "2xx": Formation };
  const list = { "2xx": Type.Array(Formation) };
  const path = "/apps/:app/formation";

  app.get(path, { schema: { tags, params: AppParams, response: list } }, async (request, reply) => {
    const found = await findApp(platform, request.params.app, request.identity);
    const items = (await listFormation(platform.db, found.id)).map((row) => formationResource(platform, found, row));
    return sendList(request, reply, items, { type: (item) => item.type });
  });
  app.patch(
    path,
    { schema: { tags, params: AppParams, body: FormationBatch, response: list } },
    async ({ identity, params, body }) => {
      const found = await findApp(platform, params.app, identity);
      const updates = body.updates.map((update) => toUpdate(update.type, update));
      const rows = await updateFormation(platform, found.id, identity, updates);
      return rows.map((row) => formationResource(platform, found, row));
    },
  );
  app.get(`${path}/:type`, { schema: { tags, params: Params, response } }, async ({ identity, params }) => {
    const found = await findApp(platform, params.app, identity);
    return formationResource(platform, found, await findFormation(platform.db, found.id, params.type));
  });
  app.patch(
    `${path}/:type`,
    { schema: { tags, params: Params, body: FormationChange, response } },
    async ({ identity, params, body }) => {
      const found = await findApp(platform, params.app, identity);
      await updateFormation(platform, found.id, identity, [toUpdate(params.type, body)]);
      return formationResource(platform, found, await findFormation(platform.db, found.id, params.type));
    },
  );
}

function toUpdate(type: string, change: FormationChange): FormationUpdate {
  const { quantity, dyno_size: other } = change;
  const size = change.size ?? (typeof other === "string" ? other : (other?.name ?? other?.id));
  return {
    type,
    ...(quantity === undefined || quantity === null ? {} : { quantity }),
    ...(size === undefined ? {} : { size }),
  };
}
