import { Type } from "typebox";
import { Id, NullableString, Timestamp } from "./reference.ts";

/** https://devcenter.heroku.com/articles/platform-api-reference#log-session */
export const LogSession = Type.Object({
  created_at: Timestamp,
  id: Id,
  logplex_url: Type.String(),
  updated_at: Timestamp,
});

/** `dyno` is a dyno's name or a process type; newer clients send `dyno_name` and `type`. */
export const LogSessionCreate = Type.Object({
  dyno: Type.Optional(NullableString),
  dyno_name: Type.Optional(NullableString),
  lines: Type.Optional(Type.Union([Type.Number(), Type.Null()])),
  source: Type.Optional(NullableString),
  tail: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
  type: Type.Optional(NullableString),
});
