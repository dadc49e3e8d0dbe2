import type { HTTPMethods } from "fastify";
import { Type } from "typebox";
import { Refusal } from "../kernel/refusal.ts";
import { findApp } from "../platform/access.ts";
import { notFound } from "../platform/refusals.ts";
import type { Api, ApiDeps } from "./api.ts";
import { sendList } from "./list.ts";

/**
 * Resources of the Platform API that this platform does not have: their lists are empty, single ones are not found, and making one is
 * refused in words. So no client meets an unknown path, and each table says what is missing.
 */
export interface AbsentRoute {
  methods: HTTPMethods[];
  path: string;
  answer: { kind: "list" } | { kind: "value"; value: object } | { kind: "refusal"; refusal: Refusal };
}

/** `GET path` answers an empty list. */
export function emptyList(path: string): AbsentRoute {
  return { methods: ["GET"], path, answer: { kind: "list" } };
}

/** `GET path` answers this. */
export function always(path: string, value: object): AbsentRoute {
  return { methods: ["GET"], path, answer: { kind: "value", value } };
}

/** There is no such thing, whatever shall be done with it. `resource` is Heroku's name, which the CLI looks at. */
export function never(path: string, resource: string, methods: HTTPMethods[] = ALL): AbsentRoute {
  return { methods, path, answer: { kind: "refusal", refusal: notFound(resource) } };
}

/** The path exists on Heroku, what it does does not exist here: the message says so and what to do instead. */
export function refused(method: HTTPMethods, path: string, message: string): AbsentRoute {
  return { methods: [method], path, answer: { kind: "refusal", refusal: new Refusal("not_implemented", message) } };
}

const ALL: HTTPMethods[] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const List = Type.Array(Type.Object({ id: Type.String() }));

/** Registers a table. Paths below an app first look whether there is such an app and a right to it. */
export function registerAbsent(app: Api, deps: ApiDeps, tag: string, routes: readonly AbsentRoute[]): void {
  for (const { methods, path, answer } of routes) {
    const names = [...path.matchAll(/:(\w+)/g)].map(([, name]) => [name, Type.String()]);
    const params = Type.Object(Object.fromEntries(names) as Record<string, ReturnType<typeof Type.String>>);
    app.route({
      method: methods,
      url: path,
      schema: {
        tags: [tag],
        params,
        hide: path.endsWith("*"),
        ...(answer.kind === "list" ? { response: { "2xx": List } } : {}),
      },
      handler: async (request, reply) => {
        const { app: appName } = request.params as { app?: string };
        if (appName !== undefined) await findApp(deps.platform, appName, request.identity);
        if (answer.kind === "refusal") throw answer.refusal;
        return answer.kind === "list" ? sendList(request, reply, [], {}) : await reply.send(answer.value);
      },
    });
  }
}
