import { Type, type Static } from "typebox";
import { Id, NullableString, NullableTimestamp, Timestamp } from "./reference.ts";

/** https://devcenter.heroku.com/articles/platform-api-reference#account */
export const Account = Type.Object({
  allow_tracking: Type.Boolean(),
  beta: Type.Boolean(),
  country_of_residence: NullableString,
  created_at: Timestamp,
  default_organization: Type.Null(),
  default_team: Type.Null(),
  delinquent_at: NullableTimestamp,
  email: Type.String(),
  federated: Type.Boolean(),
  id: Id,
  identity_provider: Type.Null(),
  last_login: NullableTimestamp,
  name: NullableString,
  sms_number: NullableString,
  suspended_at: NullableTimestamp,
  two_factor_authentication: Type.Boolean(),
  updated_at: Timestamp,
  verified: Type.Boolean(),
});
export type Account = Static<typeof Account>;

/** `new_password` needs `password`, the present one. */
export const AccountUpdate = Type.Object({
  name: Type.Optional(Type.Unsafe<string | null>({ type: ["string", "null"], maxLength: 200 })),
  allow_tracking: Type.Optional(Type.Boolean()),
  beta: Type.Optional(Type.Boolean()),
  password: Type.Optional(Type.String()),
  new_password: Type.Optional(Type.String()),
});
export type AccountUpdate = Static<typeof AccountUpdate>;

export const RateLimit = Type.Object({ remaining: Type.Integer() });
