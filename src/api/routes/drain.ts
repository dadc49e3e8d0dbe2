import { Type } from "typebox";
import { LogDrain, LogDrainCreate } from "../../contract/log-drain.ts";
import { AppParams } from "../../contract/reference.ts";
import { findApp } from "../../platform/access.ts";
import {
  addLogDrain,
  findLogDrain,
  listLogDrains,
  type LogDrainRow,
  logDrainResource,
  removeLogDrain,
} from "../../platform/log-drain.ts";
import { invalid } from "../../platform/refusals.ts";
import { sendList } from "../list.ts";
import { type AbsentRoute, emptyList, never, refused, registerAbsent } from "../absent.ts";
import type { Api, ApiDeps } from "../api.ts";

/** A drain that the log plane has not taken up yet. */
const STARTING = { state: "starting", lastError: null, delivered: 0, dropped: 0 };
const NOT_YET = "are not available on this platform yet.";

const TELEMETRY: readonly AbsentRoute[] = [
  emptyList("/apps/:app/telemetry-drains"),
  refused("POST", "/telemetry-drains", `Telemetry drains ${NOT_YET}`),
  never("/telemetry-drains/:drain", "telemetry_drain"),
];

const WEBHOOKS: readonly AbsentRoute[] = [
  emptyList("/apps/:app/webhooks"),
  refused("POST", "/apps/:app/webhooks", `Webhooks ${NOT_YET}`),
  never("/apps/:app/webhooks/:webhook", "webhook"),
  emptyList("/apps/:app/webhook-deliveries"),
  never("/apps/:app/webhook-deliveries/:delivery", "webhook_delivery"),
  emptyList("/apps/:app/webhook-events"),
  never("/apps/:app/webhook-events/:event", "webhook_event"),
];

const MONITORS: readonly AbsentRoute[] = [
  emptyList("/apps/:app/formation/:type/monitors"),
  refused("POST", "/apps/:app/formation/:type/monitors", `Autoscaling and alerts ${NOT_YET} Scale with ps:scale.`),
  never("/apps/:app/formation/:type/monitors/:monitor", "monitor"),
];

const Params = Type.Object({ ...AppParams.properties, drain: Type.String({ description: "URL, token or id of the drain." }) });
const Query = Type.Object({ extended: Type.Optional(Type.String({ description: "true: how it goes with each drain, too." })) });

/** What leaves an app for elsewhere: log drains (`heroku drains`); telemetry drains, webhooks and alerts are to come. */
export function registerDrainRoutes(app: Api, deps: ApiDeps): void {
  const { platform, ports } = deps;
  const tags = ["log-drain"];
  const response = { "2xx": LogDrain };
  const path = "/apps/:app/log-drains";
  const extended = (row: LogDrainRow): NonNullable<LogDrain["extended"]> => {
    const { state, lastError, delivered, dropped } = ports.drains.status(row.id) ?? STARTING;
    return { drain_id: row.number, state, last_error: lastError, delivered, dropped };
  };

  app.get(
    path,
    { schema: { tags, params: AppParams, querystring: Query, response: { "2xx": Type.Array(LogDrain) } } },
    async (request, reply) => {
      const found = await findApp(platform, request.params.app, request.identity);
      const isExtended = request.query.extended === "true";
      const items = (await listLogDrains(platform, found.id)).map((row) => ({
        ...logDrainResource(found, row),
        ...(isExtended ? { extended: extended(row) } : {}),
      }));
      return sendList(request, reply, items, { id: (item) => item.id });
    },
  );
  app.post(path, { schema: { tags, params: AppParams, body: LogDrainCreate, response } }, async (request, reply) => {
    const found = await findApp(platform, request.params.app, request.identity);
    const { url } = request.body;
    const refusal = await ports.drains.refusalOf(url);
    if (refusal !== null) throw invalid(refusal);
    const row = await addLogDrain(platform, found, url);
    void reply.status(201);
    return logDrainResource(found, row);
  });
  app.get(`${path}/:drain`, { schema: { tags, params: Params, response } }, async ({ identity, params }) => {
    const found = await findApp(platform, params.app, identity);
    return logDrainResource(found, await findLogDrain(platform, found.id, params.drain));
  });
  app.delete(`${path}/:drain`, { schema: { tags, params: Params, response } }, async ({ identity, params }) => {
    const found = await findApp(platform, params.app, identity);
    return logDrainResource(found, await removeLogDrain(platform, found, params.drain));
  });
  registerAbsent(app, deps, "telemetry-drain", TELEMETRY);
  registerAbsent(app, deps, "app-webhook", WEBHOOKS);
  registerAbsent(app, deps, "monitor", MONITORS);
}
