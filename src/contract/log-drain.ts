import { Type, type Static } from "typebox";
import { MAX_DRAIN_URL_LENGTH } from "./drain-url.ts";
import { Id, NamedReference, NullableString, Timestamp } from "./reference.ts";

/** https://devcenter.heroku.com/articles/platform-api-reference#log-drain; `extended` only where it is asked for. */
export const LogDrain = Type.Object({
  addon: Type.Null(),
  app: NamedReference,
  created_at: Timestamp,
  extended: Type.Optional(
    Type.Object({
      drain_id: Type.Integer(),
      state: Type.String({ description: "ok, retrying, or starting. The counts are of lines, since the control plane's start." }),
      last_error: NullableString,
      delivered: Type.Integer(),
      dropped: Type.Integer(),
    }),
  ),
  id: Id,
  token: Type.String({ description: "d.<uuid>: what receivers know the drain by." }),
  updated_at: Timestamp,
  url: Type.String(),
});
export type LogDrain = Static<typeof LogDrain>;

export const LogDrainCreate = Type.Object({
  url: Type.String({
    maxLength: MAX_DRAIN_URL_LENGTH,
    description: "syslog://HOST:PORT, syslog+tls://HOST:PORT (with #insecure, any certificate is good) or https://…",
  }),
});
