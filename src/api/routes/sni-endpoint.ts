import { Type } from "typebox";
import { App } from "../../contract/app.ts";
import { AppParams } from "../../contract/reference.ts";
import { AcmUpdate, SniEndpoint, SniEndpointWrite } from "../../contract/sni-endpoint.ts";
import { findApp } from "../../platform/access.ts";
import { disableAcm, enableAcm, refreshAcm } from "../../platform/acm.ts";
import { appResource } from "../../platform/app.ts";
import { invalid } from "../../platform/refusals.ts";
import {
  addEndpoint,
  endpointResource,
  findEndpoint,
  listEndpoints,
  removeEndpoint,
  updateEndpoint,
} from "../../platform/sni-endpoint.ts";
import type { Api, ApiDeps } from "../api.ts";
import { sendList } from "../list.ts";

const Params = Type.Object({ ...AppParams.properties, endpoint: Type.String({ description: "Name or id." }) });

/** Certificates of custom domains: `heroku certs`, `certs:add`, `certs:update`, `certs:remove`, `certs:auto`. */
export function registerSniEndpointRoutes(app: Api, { platform }: ApiDeps): void {
  const tags = ["sni-endpoint"];
  const response = { "2xx": SniEndpoint };
  const one = { tags, params: Params, response };
  const path = "/apps/:app/sni-endpoints";

  app.get(path, { schema: { tags, params: AppParams, response: { "2xx": Type.Array(SniEndpoint) } } }, async (request, reply) => {
    const found = await findApp(platform, request.params.app, request.identity);
    const items = (await listEndpoints(platform, found.id)).map((row) => endpointResource(found, row));
    return sendList(request, reply, items, { id: (item) => item.id, name: (item) => item.name });
  });
  app.post(path, { schema: { tags, params: AppParams, body: SniEndpointWrite, response } }, async (request, reply) => {
    const found = await findApp(platform, request.params.app, request.identity);
    const row = await addEndpoint(platform, found, request.body);
    void reply.status(201);
    return endpointResource(found, row);
  });
  app.get(`${path}/:endpoint`, { schema: one }, async ({ identity, params }) => {
    const found = await findApp(platform, params.app, identity);
    return endpointResource(found, await findEndpoint(platform, found.id, params.endpoint));
  });
  app.patch(`${path}/:endpoint`, { schema: { ...one, body: SniEndpointWrite } }, async ({ identity, params, body }) => {
    const found = await findApp(platform, params.app, identity);
    const row = await findEndpoint(platform, found.id, params.endpoint);
    if (row.acm) throw invalid("This certificate is ordered automatically: it is replaced before it ends.");
    return endpointResource(found, await updateEndpoint(platform, row, body));
  });
  app.delete(`${path}/:endpoint`, { schema: one }, async ({ identity, params }) => {
    const found = await findApp(platform, params.app, identity);
    const row = await findEndpoint(platform, found.id, params.endpoint);
    if (row.acm) throw invalid("This certificate is ordered automatically: heroku certs:auto:disable ends that.");
    await removeEndpoint(platform, row);
    return endpointResource(found, row);
  });

  const acm = { tags, params: AppParams, response: { "2xx": App } };
  app.post("/apps/:app/acm", { schema: acm }, async ({ identity, params }) =>
    appResource(platform, await enableAcm(platform, await findApp(platform, params.app, identity))),
  );
  app.patch("/apps/:app/acm", { schema: { ...acm, body: AcmUpdate } }, async ({ identity, params }) => {
    const found = await findApp(platform, params.app, identity);
    if (!found.acm) throw invalid("Automatic certificates are not enabled: heroku certs:auto:enable does that.");
    await refreshAcm(platform, found.id);
    return appResource(platform, found);
  });
  app.delete("/apps/:app/acm", { schema: acm }, async ({ identity, params }) =>
    appResource(platform, await disableAcm(platform, await findApp(platform, params.app, identity))),
  );
}
