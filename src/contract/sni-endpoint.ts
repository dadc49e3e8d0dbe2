import { Type, type Static } from "typebox";
import { Id, NamedReference, NullableString, Timestamp } from "./reference.ts";

const MAX_CHAIN_LENGTH = 100_000;
const MAX_KEY_LENGTH = 20_000;

/** https://devcenter.heroku.com/articles/platform-api-reference#sni-endpoint */
export const SniEndpoint = Type.Object({
  app: NamedReference,
  certificate_chain: Type.String(),
  created_at: Timestamp,
  display_name: NullableString,
  domains: Type.Array(Id),
  id: Id,
  name: Type.String(),
  ssl_cert: Type.Object({
    acm: Type.Boolean(),
    "ca_signed?": Type.Boolean(),
    cert_domains: Type.Array(Type.String()),
    expires_at: Timestamp,
    id: Id,
    issuer: Type.String(),
    "self_signed?": Type.Boolean(),
    starts_at: Timestamp,
    subject: Type.String(),
  }),
  updated_at: Timestamp,
});
export type SniEndpoint = Static<typeof SniEndpoint>;

/** PEM: the chain begins with the server's own certificate; the key without a passphrase. */
export const SniEndpointWrite = Type.Object({
  certificate_chain: Type.String({ maxLength: MAX_CHAIN_LENGTH }),
  private_key: Type.String({ maxLength: MAX_KEY_LENGTH }),
});

export const AcmUpdate = Type.Optional(Type.Object({ acm_refresh: Type.Optional(Type.Boolean()) }));
