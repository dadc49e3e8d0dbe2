import { Type, type Static } from "typebox";
import { Id, NamedReference, Timestamp } from "./reference.ts";

/** https://devcenter.heroku.com/articles/platform-api-reference#formation */
export const Formation = Type.Object({
  app: NamedReference,
  command: Type.String(),
  created_at: Timestamp,
  dyno_size: NamedReference,
  id: Id,
  quantity: Type.Integer(),
  size: Type.String(),
  type: Type.String(),
  updated_at: Timestamp,
});
export type Formation = Static<typeof Formation>;

/** Clients send the size as `size` or as `dyno_size` (a name, or an object with name or id), the quantity as number or text. */
export const FormationChange = Type.Object({
  dyno_size: Type.Optional(
    Type.Union([
      Type.String(),
      Type.Object({ id: Type.Optional(Type.String()), name: Type.Optional(Type.String()) }),
      Type.Null(),
    ]),
  ),
  quantity: Type.Optional(Type.Union([Type.Number(), Type.String(), Type.Null()])),
  size: Type.Optional(Type.Union([Type.String(), Type.Null()])),
});
export type FormationChange = Static<typeof FormationChange>;

export const FormationBatch = Type.Object({
  updates: Type.Array(Type.Object({ ...FormationChange.properties, type: Type.String() })),
});
