import { Type } from "typebox";
import { Key, KeyCreate } from "../../contract/key.ts";
import { addKey, findKey, keyResource, listKeys, removeKey } from "../../platform/key.ts";
import type { Api, ApiDeps } from "../api.ts";
import { sendList } from "../list.ts";

const Params = Type.Object({ key: Type.String({ description: "Id or fingerprint." }) });

/** SSH keys of an account: `heroku keys`, `keys:add`, `keys:remove`, `keys:clear`. */
export function registerKeyRoutes(app: Api, { platform }: ApiDeps): void {
  const tags = ["key"];
  const response = { "2xx": Key };
  const one = { tags, params: Params, response };
  const path = "/account/keys";

  app.get(path, { schema: { tags, response: { "2xx": Type.Array(Key) } } }, async (request, reply) => {
    const items = (await listKeys(platform, request.identity)).map((row) => keyResource(request.identity, row));
    return sendList(request, reply, items, { created_at: (item) => item.created_at });
  });
  app.post(path, { schema: { tags, body: KeyCreate, response } }, async ({ identity, body }, reply) => {
    const row = await addKey(platform, identity, body.public_key);
    void reply.status(201);
    return keyResource(identity, row);
  });
  app.get(`${path}/:key`, { schema: one }, async ({ identity, params }) =>
    keyResource(identity, await findKey(platform, identity, params.key)),
  );
  app.delete(`${path}/:key`, { schema: one }, async ({ identity, params }) =>
    keyResource(identity, await removeKey(platform, identity, params.key)),
  );
}
