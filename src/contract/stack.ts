import { Type, type Static } from "typebox";
import { Id, Timestamp } from "./reference.ts";

/** https://devcenter.heroku.com/articles/platform-api-reference#stack */
export const Stack = Type.Object({
  created_at: Timestamp,
  default: Type.Boolean(),
  id: Id,
  name: Type.String(),
  state: Type.String(),
  updated_at: Timestamp,
});
export type Stack = Static<typeof Stack>;

/** https://devcenter.heroku.com/articles/platform-api-reference#generation */
export const Generation = Type.Object({ created_at: Timestamp, id: Id, name: Type.String(), updated_at: Timestamp });
export type Generation = Static<typeof Generation>;
