import { Type, type Static } from "typebox";
import { Id, NamedReference } from "./reference.ts";

/** https://devcenter.heroku.com/articles/platform-api-reference#dyno-size */
export const DynoSize = Type.Object({
  architecture: Type.String(),
  compute: Type.Integer(),
  cost: Type.Object({ cents: Type.Integer(), unit: Type.String() }),
  dedicated: Type.Boolean(),
  generation: NamedReference,
  id: Id,
  memory: Type.Number({ description: "Gigabytes." }),
  name: Type.String(),
  precise_dyno_units: Type.Number(),
  private_space_only: Type.Boolean(),
});
export type DynoSize = Static<typeof DynoSize>;

/** What `heroku ps` shows of the Eco hours, in seconds. */
export const AccountQuota = Type.Object({
  account_quota: Type.Integer(),
  apps: Type.Array(Type.Object({ app_uuid: Id, quota_used: Type.Integer() })),
  quota_used: Type.Integer(),
});
