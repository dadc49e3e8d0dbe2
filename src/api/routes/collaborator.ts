import { Type } from "typebox";
import { Collaborator, CollaboratorCreate } from "../../contract/collaborator.ts";
import { AppParams } from "../../contract/reference.ts";
import { findApp } from "../../platform/access.ts";
import {
  addCollaborator,
  collaboratorResource,
  findCollaborator,
  listCollaborators,
  removeCollaborator,
} from "../../platform/collaborator.ts";
import type { Api, ApiDeps } from "../api.ts";
import { sendList } from "../list.ts";

const Params = Type.Object({ ...AppParams.properties, collaborator: Type.String() });

/** Who may use an app: `heroku access`, `access:add`, `access:remove`, `apps:leave`. */
export function registerCollaboratorRoutes(app: Api, { platform }: ApiDeps): void {
  const tags = ["collaborator"];
  const response = { "2xx": Collaborator };
  const one = { tags, params: Params, response };
  const path = "/apps/:app/collaborators";

  app.get(
    path,
    { schema: { tags, params: AppParams, response: { "2xx": Type.Array(Collaborator) } } },
    async (request, reply) => {
      const found = await findApp(platform, request.params.app, request.identity);
      const items = (await listCollaborators(platform, found.id)).map((row) => collaboratorResource(found, row));
      return sendList(request, reply, items, { email: (item) => item.user.email });
    },
  );
  app.post(path, { schema: { tags, params: AppParams, body: CollaboratorCreate, response } }, async (request, reply) => {
    const found = await findApp(platform, request.params.app, request.identity, "own");
    const row = await addCollaborator(platform, found, request.body.user);
    void reply.status(201);
    return collaboratorResource(found, row);
  });
  app.get(`${path}/:collaborator`, { schema: one }, async ({ identity, params }) => {
    const found = await findApp(platform, params.app, identity);
    return collaboratorResource(found, await findCollaborator(platform, identity, found.id, params.collaborator));
  });
  app.delete(`${path}/:collaborator`, { schema: one }, async ({ identity, params }) => {
    const found = await findApp(platform, params.app, identity);
    return collaboratorResource(found, await removeCollaborator(platform, identity, found, params.collaborator));
  });
}
