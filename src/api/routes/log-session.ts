import { Readable } from "node:stream";
import { Type } from "typebox";
import { LogSession, LogSessionCreate } from "../../contract/log-session.ts";
import { AppParams } from "../../contract/reference.ts";
import { Refusal } from "../../kernel/refusal.ts";
import { findApp } from "../../platform/access.ts";
import { createLogSession, openLogSession } from "../../platform/log-session.ts";
import type { Api, ApiDeps } from "../api.ts";
import { eventStream } from "../event-stream.ts";

const Params = Type.Object({ capability: Type.String() });

/** Log sessions and the streams behind their addresses: `heroku logs`. */
export function registerLogSessionRoutes(app: Api, { platform, ports }: ApiDeps): void {
  const tags = ["log-session"];

  app.post(
    "/apps/:app/log-sessions",
    { schema: { tags, params: AppParams, body: LogSessionCreate, response: { "2xx": LogSession } } },
    async ({ identity, params, body }, reply) => {
      const found = await findApp(platform, params.app, identity);
      const session = createLogSession(platform, found.id, {
        source: body.source ?? null,
        process: body.dyno ?? body.dyno_name ?? body.type ?? null,
        ...(typeof body.lines === "number" ? { lines: body.lines } : {}),
        tail: body.tail ?? false,
      });
      const created = session.created_at.toISOString();
      void reply.status(201);
      return { id: session.id, created_at: created, logplex_url: session.logplex_url, updated_at: created };
    },
  );
  app.get(
    "/streams/logs/:capability",
    { schema: { tags, params: Params }, config: { open: true, unlimited: true } },
    async (request, reply) => {
      const session = await openLogSession(platform, request.params.capability);
      if (session === null) throw new Refusal("not_found", "This log session has ended. Please ask for another one.");
      const gone = new AbortController();
      reply.raw.once("close", () => gone.abort());
      const { source, process, lines, tail } = session;
      const last = Number(request.headers["last-event-id"] ?? Number.NaN);
      const afterId = Number.isSafeInteger(last) ? last : null;
      const log = ports.logs.read(session.appId, { source, process }, { lines, tail, afterId, signal: gone.signal });
      return await reply
        .type("text/event-stream")
        .header("cache-control", "no-cache")
        .header("x-accel-buffering", "no")
        .send(Readable.from(eventStream(log, platform.clock)));
    },
  );
}
