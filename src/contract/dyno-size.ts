import { Type, type Static } from "typebox";
import { Id, NamedReference } from "./reference.ts";

const Tier = Type.Union([Type.Literal("eco"), Type.Literal("basic"), Type.Literal("professional")]);

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
  extended: Type.Optional(
    Type.Object(
      {
        disk: Type.Number({ description: "Gigabytes." }),
        max_processes: Type.Integer(),
        max_quantity: Type.Integer({ description: "Most dynos of one process type." }),
        sleeps: Type.Boolean(),
        tier: Tier,
      },
      { description: "With `?extended=true`, and for administrators; an addition of ours." },
    ),
  ),
});
export type DynoSize = Static<typeof DynoSize>;

const change = {
  compute: Type.Optional(Type.Integer()),
  disk: Type.Optional(Type.Number()),
  max_processes: Type.Optional(Type.Integer()),
  max_quantity: Type.Optional(Type.Integer()),
  memory: Type.Optional(Type.Number()),
  sleeps: Type.Optional(Type.Boolean()),
  tier: Type.Optional(Tier),
};
/** What an administrator sets; an addition of ours. */
export const DynoSizeChange = Type.Object(change);
export const DynoSizeCreate = Type.Object({ name: Type.String(), ...change });

/** What `heroku ps` shows of the Eco hours, in seconds. */
export const AccountQuota = Type.Object({
  account_quota: Type.Integer(),
  apps: Type.Array(Type.Object({ app_uuid: Id, quota_used: Type.Integer() })),
  quota_used: Type.Integer(),
});

/** What an account may use; an addition of ours. */
export const AccountLimits = Type.Object({
  account: Type.Object({ id: Id, email: Type.String() }),
  dynos: Type.Integer({ description: "What its apps are scaled to, and their one-off dynos." }),
  eco_hours: Type.Integer({ description: "Eco dyno hours of a month." }),
  eco_hours_used: Type.Number(),
  max_dynos: Type.Integer(),
});

export const AccountLimitsChange = Type.Object({
  eco_hours: Type.Optional(Type.Integer()),
  max_dynos: Type.Optional(Type.Integer()),
});
