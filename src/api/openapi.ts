import type { FastifyDynamicSwaggerOptions } from "@fastify/swagger";

/** The head of the OpenAPI document; the routes add themselves, schema by schema. */
export function describeApi(origin: string): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Zarpa Platform API",
        version: "3",
        description: "Heroku's Platform API v3, served by Zarpa. Authenticate with a token from POST /oauth/authorizations.",
      },
      servers: [{ url: origin }],
      components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
      security: [{ token: [] }],
    },
  };
}
