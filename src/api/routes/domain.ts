import { Type } from "typebox";
import { Domain, DomainCreate, DomainUpdate } from "../../contract/domain.ts";
import { AppParams } from "../../contract/reference.ts";
import { findApp } from "../../platform/access.ts";
import { addDomain, domainResource, findDomain, listDomains, removeDomain, setDomainEndpoint } from "../../platform/domain.ts";
import type { Api, ApiDeps } from "../api.ts";
import { sendList } from "../list.ts";

const Params = Type.Object({ ...AppParams.properties, domain: Type.String() });

/** Hosts of an app: `heroku domains`, `domains:add`, `domains:remove`. */
export function registerDomainRoutes(app: Api, { platform }: ApiDeps): void {
  const tags = ["domain"];
  const response = { "2xx": Domain };
  const one = { tags, params: Params, response };
  const path = "/apps/:app/domains";

  app.get(path, { schema: { tags, params: AppParams, response: { "2xx": Type.Array(Domain) } } }, async (request, reply) => {
    const found = await findApp(platform, request.params.app, request.identity);
    const items = (await listDomains(platform, found.id)).map((row) => domainResource(platform, found, row));
    return sendList(request, reply, items, { id: (item) => item.id, hostname: (item) => item.hostname });
  });
  app.post(path, { schema: { tags, params: AppParams, body: DomainCreate, response } }, async (request, reply) => {
    const found = await findApp(platform, request.params.app, request.identity);
    const row = await addDomain(platform, found, request.body.hostname, request.body.sni_endpoint);
    void reply.status(201);
    return domainResource(platform, found, row);
  });
  app.get(`${path}/:domain`, { schema: one }, async ({ identity, params }) => {
    const found = await findApp(platform, params.app, identity);
    return domainResource(platform, found, await findDomain(platform, found.id, params.domain));
  });
  app.patch(`${path}/:domain`, { schema: { ...one, body: DomainUpdate } }, async ({ identity, params, body }) => {
    const found = await findApp(platform, params.app, identity);
    const row = await findDomain(platform, found.id, params.domain);
    return domainResource(platform, found, await setDomainEndpoint(platform, found, row, body.sni_endpoint));
  });
  app.delete(`${path}/:domain`, { schema: one }, async ({ identity, params }) => {
    const found = await findApp(platform, params.app, identity);
    return domainResource(platform, found, await removeDomain(platform, found, params.domain));
  });
}
