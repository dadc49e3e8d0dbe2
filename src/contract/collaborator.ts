import { Type, type Static } from "typebox";
import { Id, NamedReference, NullableString, Timestamp } from "./reference.ts";

/** https://devcenter.heroku.com/articles/platform-api-reference#collaborator */
export const Collaborator = Type.Object({
  app: NamedReference,
  created_at: Timestamp,
  id: Id,
  permissions: Type.Array(Type.Object({ name: Type.String(), description: Type.String() })),
  role: NullableString,
  updated_at: Timestamp,
  user: Type.Object({ email: Type.String(), federated: Type.Boolean(), id: Id }),
});
export type Collaborator = Static<typeof Collaborator>;

export const CollaboratorCreate = Type.Object({
  user: Type.String({ description: "E-mail address or id of an account." }),
  silent: Type.Optional(Type.Boolean()),
});
