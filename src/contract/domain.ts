import { Type, type Static } from "typebox";
import { Id, NamedReference, NullableString, Timestamp } from "./reference.ts";

/** https://devcenter.heroku.com/articles/platform-api-reference#domain */
export const Domain = Type.Object({
  acm_status: NullableString,
  acm_status_reason: NullableString,
  app: NamedReference,
  cname: NullableString,
  created_at: Timestamp,
  hostname: Type.String(),
  id: Id,
  kind: Type.String(),
  sni_endpoint: Type.Union([Type.Null(), NamedReference]),
  status: Type.String(),
  updated_at: Timestamp,
});
export type Domain = Static<typeof Domain>;

export const DomainCreate = Type.Object({
  hostname: Type.String({ maxLength: 1000 }),
  sni_endpoint: Type.Optional(NullableString),
});

export const DomainUpdate = Type.Object({ sni_endpoint: NullableString });
