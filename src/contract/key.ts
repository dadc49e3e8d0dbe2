import { Type, type Static } from "typebox";
import { Id, Timestamp } from "./reference.ts";

/** https://devcenter.heroku.com/articles/platform-api-reference#key */
export const Key = Type.Object({
  comment: Type.String(),
  created_at: Timestamp,
  email: Type.String(),
  fingerprint: Type.String(),
  id: Id,
  public_key: Type.String(),
  updated_at: Timestamp,
});
export type Key = Static<typeof Key>;

export const KeyCreate = Type.Object({ public_key: Type.String({ maxLength: 20_000 }) });
