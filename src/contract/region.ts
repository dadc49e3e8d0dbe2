import { Type, type Static } from "typebox";
import { Id, Timestamp } from "./reference.ts";

/** https://devcenter.heroku.com/articles/platform-api-reference#region */
export const Region = Type.Object({
  country: Type.String(),
  created_at: Timestamp,
  description: Type.String(),
  id: Id,
  locale: Type.String(),
  name: Type.String(),
  private_capable: Type.Boolean(),
  provider: Type.Object({ name: Type.String(), region: Type.String() }),
  updated_at: Timestamp,
});
export type Region = Static<typeof Region>;
