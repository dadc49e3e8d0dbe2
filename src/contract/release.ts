import { Type, type Static } from "typebox";
import { Id, NamedReference, NullableString, Timestamp, UserReference } from "./reference.ts";

const Reference = Type.Object({ id: Id });

/** What the switch from the release before has cost its users, as measured; ours, not Heroku's. */
const ReleaseSwitch = Type.Object({
  requests_served: Type.Integer(),
  requests_failed: Type.Integer({ description: "The router had no answer from a dyno, and not for a reason of the client's." }),
  sockets_ended: Type.Integer({ description: "Connections that were open when old dynos were told to stop." }),
  seconds: Type.Number({ description: "From the start of the first new web dyno to the end of the last old one." }),
});
export type ReleaseSwitch = Static<typeof ReleaseSwitch>;

/** https://devcenter.heroku.com/articles/platform-api-reference#release */
export const Release = Type.Object({
  addon_plan_names: Type.Array(Type.String()),
  app: NamedReference,
  artifacts: Type.Array(Type.Object({ id: Id, type: Type.String() })),
  created_at: Timestamp,
  current: Type.Boolean(),
  description: Type.String(),
  eligible_for_rollback: Type.Boolean(),
  extended: Type.Optional(
    Type.Object(
      { slug_id: NullableString, slug_uuid: NullableString, switch: Type.Union([ReleaseSwitch, Type.Null()]) },
      { description: "With `?extended=true`." },
    ),
  ),
  id: Id,
  output_stream_url: NullableString,
  slug: Type.Union([Reference, Type.Null()]),
  status: Type.String({ description: "failed, pending, succeeded or expired" }),
  updated_at: Timestamp,
  user: UserReference,
  version: Type.Integer(),
});
export type Release = Static<typeof Release>;

/** A rollback (`release`) or a release of an existing slug (`slug`). */
export const ReleaseCreate = Type.Object({
  description: Type.Optional(NullableString),
  release: Type.Optional(Type.Union([Type.String(), Type.Integer()])),
  slug: Type.Optional(Type.String()),
});
