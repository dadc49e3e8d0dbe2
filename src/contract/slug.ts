import { Type, type Static } from "typebox";
import { Id, NamedReference, NullableInteger, NullableString, NullableTimestamp, Timestamp } from "./reference.ts";

/** https://devcenter.heroku.com/articles/platform-api-reference#slug */
export const Slug = Type.Object({
  blob: Type.Object({ method: Type.String(), url: Type.String() }),
  buildpack_provided_description: NullableString,
  checksum: NullableString,
  commit: NullableString,
  commit_description: NullableString,
  created_at: Timestamp,
  deleted_at: NullableTimestamp,
  id: Id,
  process_types: Type.Record(Type.String(), Type.String()),
  size: NullableInteger,
  stack: NamedReference,
  updated_at: Timestamp,
});
export type Slug = Static<typeof Slug>;

export const SlugCreate = Type.Object({
  buildpack_provided_description: Type.Optional(NullableString),
  checksum: Type.Optional(NullableString),
  commit: Type.Optional(NullableString),
  commit_description: Type.Optional(NullableString),
  process_types: Type.Record(Type.String(), Type.String()),
  stack: Type.Optional(Type.String()),
});
export type SlugCreate = Static<typeof SlugCreate>;
