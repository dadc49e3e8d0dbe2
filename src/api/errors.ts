import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import type { ErrorBody } from "../contract/error.ts";
import { DATABASE_DOWN_MESSAGE, isDatabaseDown } from "../kernel/database.ts";
import { Refusal } from "../kernel/refusal.ts";
import type { Api, ApiDeps } from "./api.ts";

/** Heroku's error ids and their statuses: https://devcenter.heroku.com/articles/platform-api-reference#error-responses */
const STATUS_BY_ID: Record<string, number> = {
  bad_request: 400,
  unauthorized: 401,
  delinquent: 402,
  forbidden: 403,
  suspended: 403,
  two_factor: 403,
  not_found: 404,
  not_acceptable: 406,
  conflict: 409,
  gone: 410,
  payload_too_large: 413,
  requested_range_not_satisfiable: 416,
  invalid_params: 422,
  verification_needed: 422,
  multiple_matches: 422,
  confirmation_required: 423,
  rate_limit: 429,
  not_implemented: 501,
  maintenance: 503,
  unavailable: 503,
};

/** PostgreSQL's codes for a text with a null character, which it cannot hold. */
const UNSTORABLE_TEXT = new Set(["22021", "22P05"]);

/** Turns everything that handlers throw into Heroku's error bodies; the only place that knows statuses. */
export function installErrors(app: Api, deps: ApiDeps): void {
  app.setErrorHandler<FastifyError>(async (error, request, reply) => {
    const { status, body } = describeError(error);
    if (status >= 500 && !(error instanceof Refusal)) {
      deps.journal.fault("request failed", error, { method: request.method, path: request.routeOptions.url, status });
    }
    return await reply.status(status).type("application/json").send(JSON.stringify(body));
  });
  app.setNotFoundHandler(async (_request: FastifyRequest, reply: FastifyReply) => {
    const { status, body } = describeError(
      new Refusal("not_found", "The requested API endpoint was not found. Are you using the right HTTP verb and path?"),
    );
    return await reply.status(status).type("application/json").send(JSON.stringify(body));
  });
}

/** Answers what Fastify refuses before there is a route: a path that is garbled or too long. */
export function answerFrameworkError(error: FastifyError, _request: FastifyRequest, reply: FastifyReply): void {
  const { status, body } = describeError(error);
  void reply.status(status).type("application/json").send(JSON.stringify(body));
}

/** The status and the body that tell a client about an error; nothing of a fault's detail gets out. */
function describeError(error: Error & Partial<FastifyError>): { status: number; body: ErrorBody } {
  if (error instanceof Refusal) {
    const status = STATUS_BY_ID[error.id] ?? 422;
    return { status, body: { ...error.details, id: error.id, message: error.message } };
  }
  if (error.validation !== undefined) {
    return { status: 422, body: { id: "invalid_params", message: validationMessage(error) } };
  }
  if (error.code !== undefined && UNSTORABLE_TEXT.has(error.code)) {
    return { status: 422, body: { id: "invalid_params", message: "Texts must not contain null characters." } };
  }
  if (isDatabaseDown(error)) {
    return { status: 503, body: { id: "unavailable", message: DATABASE_DOWN_MESSAGE } };
  }
  if (error.statusCode !== undefined && error.statusCode < 500) {
    const id = error.statusCode === 413 ? "payload_too_large" : "bad_request";
    return { status: error.statusCode, body: { id, message: error.message } };
  }
  return { status: 500, body: { id: "internal_server_error", message: "Internal server error." } };
}

function validationMessage(error: Partial<FastifyError>): string {
  const [problem] = error.validation ?? [];
  if (problem === undefined) return "The request is not valid.";
  const path = problem.instancePath.split("/").filter((part) => part !== "");
  if (problem.keyword === "required") {
    const missing = [...path, String(problem.params["missingProperty"])].join(".");
    return `Missing required parameter "${missing}".`;
  }
  const reason = problem.message ?? "is not valid";
  if (path.length === 0) return `The ${error.validationContext ?? "request"} ${reason}.`;
  return `Invalid value for "${path.join(".")}": ${reason}.`;
}
