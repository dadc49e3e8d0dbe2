import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { Dyno, DynoCreate, Nothing } from "../../contract/dyno.ts";
import { AppParams } from "../../contract/reference.ts";
import { isId } from "../../kernel/ids.ts";
import { findApp } from "../../platform/access.ts";
import {
  createOneOff,
  type DynoChoice,
  dynoResource,
  findDyno,
  listDynos,
  type OneOffOrder,
  orderInside,
  stopDynos,
} from "../../platform/dyno.ts";
import type { Api, ApiDeps } from "../api.ts";
import { sendList } from "../list.ts";

const Params = Type.Object({ ...AppParams.properties, dyno: Type.String({ description: "Name (`web.1`) or id." }) });
const TypeParams = Type.Object({ ...AppParams.properties, type: Type.String({ description: "Process type." }) });
const Query = Type.Object({ extended: Type.Optional(Type.String()) });

/** Dynos: `heroku ps`, `run`, `ps:restart`, `ps:stop`, `ps:wait`. */
export function registerDynoRoutes(app: Api, { platform, ports }: ApiDeps): void {
  const tags = ["dyno"];
  const response = { "2xx": Dyno };
  const nothing = { "2xx": Nothing };
  const path = "/apps/:app/dynos";

  app.get(
    path,
    { schema: { tags, params: AppParams, querystring: Query, response: { "2xx": Type.Array(Dyno) } } },
    async (request, reply) => {
      const found = await findApp(platform, request.params.app, request.identity);
      const extended = request.query.extended === "true";
      const items = (await listDynos(platform, found.id)).map((row) => dynoResource(found, row, { extended }));
      return sendList(request, reply, items, { name: (item) => item.name });
    },
  );
  app.get(`${path}/:dyno`, { schema: { tags, params: Params, response } }, async ({ identity, params }) => {
    const found = await findApp(platform, params.app, identity);
    return dynoResource(found, await findDyno(platform, found.id, params.dyno));
  });
  app.post(
    path,
    { schema: { tags, params: AppParams, body: DynoCreate, response } },
    async ({ identity, params, body }, reply) => {
      const found = await findApp(platform, params.app, identity);
      const { dyno, attachUrl } = await createOneOff(platform, found.id, identity, orderOf(body));
      void reply.status(201);
      return dynoResource(found, dyno, { attachUrl });
    },
  );
  app.post(
    `${path}/:dyno`,
    { schema: { tags, params: Params, body: DynoCreate, response } },
    async ({ identity, params, body }, reply) => {
      const found = await findApp(platform, params.app, identity);
      const run = await orderInside(platform, found.id, identity, params.dyno, orderOf(body));
      const { dyno, attachUrl, command, env, digest } = run;
      const hasTerminal = body.force_no_tty !== true;
      const place = { appId: found.id, ownerId: found.owner_id, dynoId: dyno.id, process: dyno.name };
      ports.runInside({ ...place, command, env, digest, hasTerminal });
      void reply.status(201);
      return { ...dynoResource(found, dyno, { attachUrl }), command };
    },
  );

  const stop = async (request: FastifyRequest, reply: FastifyReply, nameOrId: string, choice: DynoChoice): Promise<object> => {
    const found = await findApp(platform, nameOrId, request.identity);
    await stopDynos(platform, found.id, choice);
    void reply.status(202);
    return {};
  };
  app.delete(
    path,
    { schema: { tags, params: AppParams, response: nothing } },
    async (request, reply) => await stop(request, reply, request.params.app, "formation"),
  );
  const one = { schema: { tags, params: Params, response: nothing } };
  app.delete(
    `${path}/:dyno`,
    one,
    async (request, reply) => await stop(request, reply, request.params.app, chosenBy(request.params.dyno)),
  );
  app.post(
    `${path}/:dyno/actions/stop`,
    one,
    async (request, reply) => await stop(request, reply, request.params.app, chosenBy(request.params.dyno)),
  );
  const type = { schema: { tags, params: TypeParams, response: nothing } };
  app.delete(
    "/apps/:app/formations/:type",
    type,
    async (request, reply) => await stop(request, reply, request.params.app, { type: request.params.type }),
  );
  app.post(
    "/apps/:app/formations/:type/actions/stop",
    type,
    async (request, reply) => await stop(request, reply, request.params.app, { type: request.params.type }),
  );
}

/** `heroku ps:restart web`, as people have always typed it, names a process type where the API has a dyno. */
function chosenBy(text: string): DynoChoice {
  return isId(text) || text.includes(".") ? { dyno: text } : { type: text };
}

function orderOf(body: DynoCreate): OneOffOrder {
  return {
    command: body.command,
    attach: body.attach ?? false,
    env: body.env ?? {},
    size: body.size ?? null,
    type: body.type ?? null,
    forceNoTty: body.force_no_tty ?? false,
    timeToLive: body.time_to_live ?? null,
  };
}
