import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";
import type { Journal } from "../kernel/journal.ts";
import type { Platform } from "../platform/context.ts";
import type { Identity } from "../platform/identity.ts";
import type { ApiPorts } from "./ports.ts";

/** What the API's routes are given; made once, in `bin/`. */
export interface ApiDeps {
  platform: Platform;
  ports: ApiPorts;
  journal: Journal;
}

/** The server as the routes see it: schemas give the handlers their types. */
export type Api = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

declare module "fastify" {
  interface FastifyRequest {
    /** Who asks. Set on every route that is not `open`. */
    identity: Identity;
  }
  interface FastifyContextConfig {
    /** The route needs no token. */
    open?: boolean;
    /** The body is not JSON: the handler gets the stream (`request.body` is a Readable). */
    rawBody?: boolean;
    /** Does not count against the account's hourly limit. */
    unlimited?: boolean;
  }
}
