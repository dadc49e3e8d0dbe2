import { Type, type Static } from "typebox";

/** The body of every answer that is not a success; further members depend on the id (`resource`, `app`, `url`). */
export const ErrorBody = Type.Object(
  { id: Type.String({ examples: ["not_found"] }), message: Type.String() },
  { additionalProperties: true, description: "https://devcenter.heroku.com/articles/platform-api-reference#error-format" },
);
export type ErrorBody = Static<typeof ErrorBody>;
