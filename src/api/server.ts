import swagger from "@fastify/swagger";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import fastify, { type FastifyInstance } from "fastify";
import { Refusal } from "../kernel/refusal.ts";
import type { Api, ApiDeps } from "./api.ts";
import { installAuth } from "./auth.ts";
import { installBodies } from "./body.ts";
import { installCaching } from "./caching.ts";
import { answerFrameworkError, installErrors } from "./errors.ts";
import { describeApi } from "./openapi.ts";
import { installRateLimit } from "./rate-limit.ts";
import { installRequestIds } from "./request-id.ts";
import { registerRoutes } from "./routes.ts";

/** The CLI joins all request ids it has seen, up to 7 KB, and Heroku takes 16 KB of headers and more. */
export const MAX_HEADER_BYTES = 64 * 1024;
const MAX_PARAM_LENGTH = 2048;
const LONGEST_REQUEST_MILLISECONDS = 0;

/**
 * The Platform API v3 (https://devcenter.heroku.com/articles/platform-api-reference) as a server that is ready but does not listen:
 * call `listen`, or hand single requests to `routing`, or test it with `inject`.
 */
export async function createApi(deps: ApiDeps): Promise<FastifyInstance> {
  const app: Api = fastify({
    http: { maxHeaderSize: MAX_HEADER_BYTES },
    logger: false,
    frameworkErrors: answerFrameworkError,
    // Long polls and log tails end with the server.
    forceCloseConnections: true,
    // Sources are uploaded by slow links; the router in front times idle clients out.
    requestTimeout: LONGEST_REQUEST_MILLISECONDS,
    // One hop: the router, which appends the client's address to X-Forwarded-For.
    trustProxy: (_address, hop) => hop === 0,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH, ignoreTrailingSlash: true },
    // Coercion would turn a null config var into an empty text.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: true } },
  }).withTypeProvider<TypeBoxTypeProvider>();
  installErrors(app, deps);
  installRequestIds(app);
  installVersion(app);
  installBodies(app);
  installAuth(app, deps);
  const limiter = installRateLimit(app, deps);
  installCaching(app);
  await app.register(swagger, describeApi(deps.platform.addresses.origin));
  registerRoutes(app, deps, limiter);
  app.get("/openapi.json", { schema: { hide: true }, config: { open: true } }, async () => app.swagger());
  await app.ready();
  return app;
}

/** Any spelling of version 3 is ours (`version=3`, `3.sdk`, none at all); another version is refused. */
function installVersion(app: Api): void {
  app.addHook("onRequest", async (request) => {
    const version = /application\/vnd\.heroku\+json\s*;\s*version=(\d+)/i.exec(request.headers.accept ?? "")?.[1];
    if (version === undefined || version === "3") return;
    const message = `There is no version ${version} of this API: ask for application/vnd.heroku+json; version=3.`;
    throw new Refusal("not_acceptable", message);
  });
}
