import { Type, type Static } from "typebox";
import { Id, NamedReference, NullableInteger, NullableString, NullableTimestamp, Timestamp, UserReference } from "./reference.ts";

/** https://devcenter.heroku.com/articles/platform-api-reference#app */
export const App = Type.Object({
  acm: Type.Boolean(),
  archived_at: NullableTimestamp,
  buildpack_provided_description: NullableString,
  build_stack: NamedReference,
  created_at: Timestamp,
  generation: NamedReference,
  git_url: Type.String(),
  id: Id,
  internal_routing: Type.Unsafe<boolean | null>({ type: ["boolean", "null"] }),
  maintenance: Type.Boolean(),
  name: Type.String(),
  owner: UserReference,
  organization: Type.Null(),
  process_tier: Type.String(),
  region: NamedReference,
  released_at: NullableTimestamp,
  repo_size: NullableInteger,
  slug_size: NullableInteger,
  space: Type.Null(),
  stack: NamedReference,
  team: Type.Null(),
  updated_at: Timestamp,
  web_url: NullableString,
});
export type App = Static<typeof App>;

/** Members for spaces and teams are taken and must be empty: there are none. */
export const AppCreate = Type.Object({
  name: Type.Optional(NullableString),
  region: Type.Optional(NullableString),
  stack: Type.Optional(NullableString),
  space: Type.Optional(NullableString),
  team: Type.Optional(NullableString),
});

export const AppUpdate = Type.Object({
  name: Type.Optional(Type.String()),
  maintenance: Type.Optional(Type.Boolean()),
  build_stack: Type.Optional(Type.String()),
});
