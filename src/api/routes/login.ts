import { Readable } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { equalInConstantTime, newToken } from "../../kernel/ids.ts";
import { Refusal } from "../../kernel/refusal.ts";
import { createAuthorization, LOGIN_SECONDS } from "../../platform/authorization.ts";
import { notFound } from "../../platform/refusals.ts";
import type { Api, ApiDeps } from "../api.ts";
import { readToken } from "../auth.ts";
import { BrowserLogins, type PendingLogin } from "../browser-login.ts";
import { clientAddress, throttledSignIn } from "../login.ts";
import { chooseLanguage, contentSecurityPolicy, loginEnd, loginForm } from "../login-page.ts";
import type { LoginThrottle } from "../login-throttle.ts";

const IdParams = Type.Object({ id: Type.String() });
const LoginBegin = Type.Object({ description: Type.Optional(Type.String()) });
const LoginUrls = Type.Object({ browser_url: Type.String(), cli_url: Type.String(), token: Type.String() });
const LoginForm = Type.Object({
  form_token: Type.Optional(Type.String()),
  email: Type.Optional(Type.String()),
  password: Type.Optional(Type.String()),
  cancel: Type.Optional(Type.String()),
});

/**
 * `heroku login` with the browser: the CLI begins a login and waits (`/auth/cli/:id`) while a person types e-mail and password into a
 * page (`/auth/browser/:id`). Point the CLI here with HEROKU_LOGIN_HOST.
 */
export function registerLoginRoutes(app: Api, { platform }: ApiDeps, throttle: LoginThrottle): void {
  const logins = new BrowserLogins(platform.clock);
  const tags = ["login"];
  const config = { open: true };

  app.post(
    "/auth",
    { schema: { tags, summary: "Begin a browser login", body: LoginBegin, response: { 201: LoginUrls } }, config },
    async (request, reply) => {
      const { id, pollToken } = logins.begin(request.body.description ?? "heroku login", clientAddress(request));
      void reply.status(201).header("cache-control", "no-store");
      return { browser_url: `/auth/browser/${id}`, cli_url: `/auth/cli/${id}`, token: pollToken };
    },
  );

  app.get("/auth/cli/:id", { schema: { tags, params: IdParams }, config }, async (request, reply) => {
    const answer = logins.wait(request.params.id, readToken(request) ?? "");
    if (answer === null) throw notFound("login");
    // nginx would keep the spaces to itself.
    void reply.type("application/json").header("x-accel-buffering", "no").header("cache-control", "no-store");
    return await reply.send(Readable.from(answer));
  });

  app.get("/auth/browser/:id", { schema: { tags, params: IdParams, hide: true }, config }, async (request, reply) => {
    const login = logins.find(request.params.id);
    return login === null ? sendEnd(request, reply, "gone", 404) : sendForm(request, reply, login, "", null);
  });

  app.post(
    "/auth/browser/:id",
    { schema: { tags, params: IdParams, body: LoginForm, hide: true }, config },
    async (request, reply) => {
      const login = logins.find(request.params.id);
      if (login === null) return sendEnd(request, reply, "gone", 404);
      const { email = "", password = "", form_token: formToken = "", cancel } = request.body;
      if (isForged(request, login, formToken)) throw new Refusal("forbidden", "This form does not come from this site.");
      if (cancel !== undefined) {
        logins.finish(login.id, { error: "The login was cancelled in the browser." });
        return sendEnd(request, reply, "cancelled");
      }
      try {
        const identity = await throttledSignIn(platform, throttle, request, { email, password });
        if (identity === null) return sendForm(request, reply, login, email, "wrong");
        const { description } = login;
        const wish = { description, scope: ["global"], expiresIn: LOGIN_SECONDS };
        const granted = await createAuthorization(platform, identity, wish);
        logins.finish(login.id, { access_token: granted.token?.reveal() ?? "" });
        return sendEnd(request, reply, "done");
      } catch (error) {
        if (error instanceof Refusal && error.id === "rate_limit") return sendForm(request, reply, login, email, "throttled");
        throw error;
      }
    },
  );
}

/** A page of another site can neither read the form's token nor pass the browser's own mark of origin. */
function isForged(request: FastifyRequest, login: PendingLogin, formToken: string): boolean {
  const site = request.headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin" && site !== "none") return true;
  return !equalInConstantTime(formToken, login.formToken);
}

function sendForm(
  request: FastifyRequest,
  reply: FastifyReply,
  login: PendingLogin,
  email: string,
  problem: "wrong" | "throttled" | null,
): FastifyReply {
  const language = chooseLanguage(request.headers["accept-language"]);
  const { description, address, formToken } = login;
  const action = `/auth/browser/${login.id}`;
  const status = problem === null ? 200 : problem === "wrong" ? 401 : 429;
  return sendPage(reply, status, (nonce) =>
    loginForm({ language, nonce, action, formToken, description, address, email, problem }),
  );
}

function sendEnd(
  request: FastifyRequest,
  reply: FastifyReply,
  ending: "done" | "cancelled" | "gone",
  status = 200,
): FastifyReply {
  const language = chooseLanguage(request.headers["accept-language"]);
  return sendPage(reply, status, (nonce) => loginEnd(language, nonce, ending));
}

function sendPage(reply: FastifyReply, status: number, render: (nonce: string) => string): FastifyReply {
  const nonce = newToken();
  return reply
    .status(status)
    .type("text/html; charset=utf-8")
    .headers({
      "content-security-policy": contentSecurityPolicy(nonce),
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
      "x-frame-options": "DENY",
    })
    .send(render(nonce));
}
