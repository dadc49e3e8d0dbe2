import { Type, type Static } from "typebox";
import { Id, NullableInteger, NullableString, Timestamp } from "./reference.ts";

/** https://devcenter.heroku.com/articles/oauth#scopes */
export const SCOPES = ["global", "identity", "read", "write", "read-protected", "write-protected"] as const;

/** https://devcenter.heroku.com/articles/platform-api-reference#oauth-authorization */
export const Authorization = Type.Object({
  access_token: Type.Object({ expires_in: NullableInteger, id: Id, token: Type.String() }),
  client: Type.Null(),
  created_at: Timestamp,
  description: Type.String(),
  grant: Type.Null(),
  id: Id,
  refresh_token: Type.Null(),
  scope: Type.Array(Type.String()),
  session: Type.Null(),
  updated_at: Timestamp,
  user: Type.Object({ id: Id, email: Type.String(), full_name: NullableString }),
});
export type Authorization = Static<typeof Authorization>;

/** `expires_in` in seconds; null or missing: Heroku's default for the way it is asked for. */
export const AuthorizationCreate = Type.Object({
  description: Type.Optional(Type.String({ maxLength: 1000 })),
  expires_in: Type.Optional(NullableInteger),
  scope: Type.Optional(Type.Array(Type.String(), { minItems: 1 })),
  client: Type.Optional(Type.Unknown()),
});

export const AuthorizationUpdate = Type.Object({
  description: Type.Optional(Type.String({ maxLength: 1000 })),
  client: Type.Optional(Type.Unknown()),
});
