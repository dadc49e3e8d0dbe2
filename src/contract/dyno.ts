import { Type, type Static } from "typebox";
import { Id, NamedReference, NullableInteger, NullableString, Timestamp } from "./reference.ts";

/** https://devcenter.heroku.com/articles/platform-api-reference#dyno */
export const Dyno = Type.Object({
  app: NamedReference,
  attach_url: NullableString,
  command: Type.String(),
  created_at: Timestamp,
  extended: Type.Optional(
    Type.Object(
      {
        az: NullableString,
        execution_plane: NullableString,
        fleet: NullableString,
        instance: NullableString,
        ip: NullableString,
        port: NullableInteger,
        region: Type.String(),
        route: NullableString,
      },
      { description: "With `?extended=true`." },
    ),
  ),
  id: Id,
  name: Type.String(),
  release: Type.Object({ id: Id, version: Type.Integer() }),
  size: Type.String(),
  state: Type.String({ description: "crashed, down, idle, starting, stopping or up" }),
  type: Type.String(),
  updated_at: Timestamp,
});
export type Dyno = Static<typeof Dyno>;

export const DynoCreate = Type.Object({
  attach: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
  command: Type.String(),
  env: Type.Optional(
    Type.Union([
      Type.Record(
        Type.String(),
        Type.Union([Type.String(), Type.Number()], { description: "Texts; the CLI sends numbers too." }),
      ),
      Type.Null(),
    ]),
  ),
  force_no_tty: Type.Optional(Type.Union([Type.Boolean(), Type.Null()])),
  size: Type.Optional(NullableString),
  time_to_live: Type.Optional(NullableInteger),
  type: Type.Optional(NullableString),
});

export type DynoCreate = Static<typeof DynoCreate>;

/** The answer to restarts and stops. */
export const Nothing = Type.Object({}, { additionalProperties: false });
