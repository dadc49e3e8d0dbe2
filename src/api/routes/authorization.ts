import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import { Authorization, AuthorizationCreate, AuthorizationUpdate } from "../../contract/authorization.ts";
import {
  authorizationResource,
  createAuthorization,
  deleteAuthorization,
  describeAuthorization,
  findAuthorization,
  listAuthorizations,
  LOGIN_SECONDS,
  regenerateToken,
} from "../../platform/authorization.ts";
import type { Identity } from "../../platform/identity.ts";
import { authenticateToken } from "../../platform/identity.ts";
import { invalid, notFound } from "../../platform/refusals.ts";
import type { Api, ApiDeps } from "../api.ts";
import { readBasic, readToken, unauthorized } from "../auth.ts";
import { sendList } from "../list.ts";
import { throttledSignIn } from "../login.ts";
import type { LoginThrottle } from "../login-throttle.ts";
import { isAllowed, outOfScope } from "../scope.ts";

const IdParams = Type.Object({ id: Type.String() });
const DEFAULT_DESCRIPTION = "Long-lived user authorization";

/** OAuth authorizations: the tokens that `heroku login -i` and `heroku authorizations:create` make, and what logout ends. */
export function registerAuthorizationRoutes(app: Api, { platform }: ApiDeps, throttle: LoginThrottle): void {
  const tags = ["oauth-authorization"];
  const response = { "2xx": Authorization };
  const one = { tags, params: IdParams, response };

  /** A login proves itself by Basic e-mail and password; a program by its token, as everywhere. */
  async function identify(request: FastifyRequest): Promise<Identity> {
    const basic = readBasic(request);
    if (basic !== null && basic.user !== "") {
      const identity = await throttledSignIn(platform, throttle, request, { email: basic.user, password: basic.password });
      if (identity === null) throw unauthorized();
      return identity;
    }
    const token = readToken(request);
    const identity = token === null ? null : await authenticateToken(platform, token);
    if (identity === null) throw unauthorized();
    if (!isAllowed(identity.scope, request.method, "/oauth/authorizations")) throw outOfScope(identity.scope);
    return identity;
  }

  app.post(
    "/oauth/authorizations",
    { schema: { tags, body: AuthorizationCreate, response }, config: { open: true } },
    async (request, reply) => {
      const identity = await identify(request);
      const { description = DEFAULT_DESCRIPTION, scope = ["global"] } = request.body;
      const granted = await createAuthorization(platform, identity, {
        description,
        scope,
        expiresIn: lifetime(identity, request.body.expires_in ?? null),
      });
      void reply.status(201).header("cache-control", "no-store");
      return authorizationResource(granted, platform.clock.now());
    },
  );
  app.get(
    "/oauth/authorizations",
    { schema: { tags, response: { "2xx": Type.Array(Authorization) } } },
    async (request, reply) => {
      const granted = await listAuthorizations(platform, request.identity);
      const now = platform.clock.now();
      const items = granted.map((each) => authorizationResource(each, now));
      return sendList(request, reply, items, { created_at: (item) => item.created_at, description: (item) => item.description });
    },
  );
  app.get("/oauth/authorizations/:id", { schema: one }, async ({ identity, params }) =>
    authorizationResource(await findAuthorization(platform, identity, params.id), platform.clock.now()),
  );
  app.patch(
    "/oauth/authorizations/:id",
    { schema: { ...one, body: AuthorizationUpdate } },
    async ({ identity, params, body }) => {
      const granted = await describeAuthorization(platform, identity, params.id, body.description);
      return authorizationResource(granted, platform.clock.now());
    },
  );
  app.delete("/oauth/authorizations/:id", { schema: one }, async ({ identity, params }) =>
    authorizationResource(await deleteAuthorization(platform, identity, params.id), platform.clock.now()),
  );
  app.post("/oauth/authorizations/:id/actions/regenerate-tokens", { schema: one }, async ({ identity, params }, reply) => {
    void reply.header("cache-control", "no-store");
    return authorizationResource(await regenerateToken(platform, identity, params.id), platform.clock.now());
  });
  // Sessions are what logins through a trusted client make on Heroku; every login here is an authorization.
  app.get(
    "/oauth/sessions",
    { schema: { tags, response: { "2xx": Type.Array(Type.Object({ id: Type.String() })) } } },
    async () => [],
  );
  app.delete("/oauth/sessions/:id", { schema: { tags, params: IdParams } }, async () => {
    throw notFound("session");
  });
}

/** A login lives 30 days and no longer; a named authorization until it is ended, unless it says otherwise. */
function lifetime(identity: Identity, wished: number | null): number | null {
  if (identity.authorizationId !== null) return wished;
  if (wished !== null && wished > LOGIN_SECONDS) throw invalid(`A login may last ${LOGIN_SECONDS} seconds (30 days) at most.`);
  return wished ?? LOGIN_SECONDS;
}
