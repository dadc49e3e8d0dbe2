import type { FastifyRequest } from "fastify";
import { Refusal } from "../kernel/refusal.ts";
import { authenticateToken } from "../platform/identity.ts";
import type { Api, ApiDeps } from "./api.ts";
import { isAllowed, outOfScope } from "./scope.ts";

export interface BasicCredentials {
  user: string;
  password: string;
}

/**
 * Every route that is not `open` needs a token: `Authorization: Bearer TOKEN`, or Basic with the token as password (any user name),
 * as the CLI does on some paths.
 */
export function installAuth(app: Api, deps: ApiDeps): void {
  app.decorateRequest("identity");
  app.addHook("onRequest", async (request) => {
    if (request.is404 || request.routeOptions.config.open === true) return;
    const token = readToken(request);
    const identity = token === null ? null : await authenticateToken(deps.platform, token);
    if (identity === null) throw unauthorized();
    // The route's own path: the one in the request may be spelled in many ways (`/%61ccount`).
    if (!isAllowed(identity.scope, request.method, request.routeOptions.url ?? "")) throw outOfScope(identity.scope);
    request.identity = identity;
  });
}

/** What a request without a valid token is told; the CLI then asks for a login. */
export function unauthorized(): Refusal {
  return new Refusal("unauthorized", "Invalid credentials provided.");
}

/** The token of a request: the Bearer's, or the password of Basic credentials; null when there is none. */
export function readToken(request: FastifyRequest): string | null {
  const basic = readBasic(request);
  if (basic !== null) return basic.password === "" ? null : basic.password;
  const match = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? "");
  return match?.[1] ?? null;
}

/** Basic credentials, or null when the header is missing, of another kind or garbled. */
export function readBasic(request: FastifyRequest): BasicCredentials | null {
  const match = /^Basic +([A-Za-z0-9+/_=-]+)$/i.exec(request.headers.authorization ?? "");
  if (match?.[1] === undefined) return null;
  const text = Buffer.from(match[1], "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 0) return null;
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}
