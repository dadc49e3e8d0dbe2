import { Type, type Static } from "typebox";
import { Id, NullableString, Timestamp, UserReference } from "./reference.ts";

const Buildpack = Type.Object({ url: Type.String(), name: Type.String() });
const Reference = Type.Object({ id: Id });

/** https://devcenter.heroku.com/articles/platform-api-reference#build */
export const Build = Type.Object({
  app: Reference,
  buildpacks: Type.Array(Buildpack),
  created_at: Timestamp,
  generation: Type.String(),
  id: Id,
  output_stream_url: Type.String(),
  release: Type.Union([Reference, Type.Null()]),
  slug: Type.Union([Reference, Type.Null()]),
  source_blob: Type.Object({
    checksum: NullableString,
    url: Type.String(),
    version: NullableString,
    version_description: NullableString,
  }),
  stack: Type.String(),
  status: Type.String({ description: "failed, pending or succeeded" }),
  updated_at: Timestamp,
  user: UserReference,
});
export type Build = Static<typeof Build>;

export const BuildCreate = Type.Object({
  buildpacks: Type.Optional(
    Type.Union([Type.Array(Type.Object({ url: Type.Optional(Type.String()), name: Type.Optional(Type.String()) })), Type.Null()]),
  ),
  source_blob: Type.Object({
    checksum: Type.Optional(NullableString),
    url: Type.String({ description: "Address of a gzipped tar archive." }),
    version: Type.Optional(NullableString),
    version_description: Type.Optional(NullableString),
  }),
});

/** The whole output of an ended build, line by line. */
export const BuildResult = Type.Object({
  build: Type.Object({ id: Id, output_stream_url: Type.String(), status: Type.String() }),
  exit_code: Type.Integer(),
  lines: Type.Array(Type.Object({ line: Type.String(), stream: Type.String() })),
});
