import { Type } from "typebox";
import { AppParams } from "../../contract/reference.ts";
import { Refusal } from "../../kernel/refusal.ts";
import { findApp } from "../../platform/access.ts";
import { type AbsentRoute, always, emptyList, never, registerAbsent } from "../absent.ts";
import type { Api, ApiDeps } from "../api.ts";

const ATTACHMENT = "add_on attachment";

const ADD_ONS: readonly AbsentRoute[] = [
  emptyList("/addons"),
  emptyList("/apps/:app/addons"),
  emptyList("/users/:user/addons"),
  never("/addons/:addon", "add_on"),
  never("/addons/:addon/*", "add_on"),
  never("/apps/:app/addons/:addon", "add_on"),
  never("/apps/:app/addons/:addon/sso", "add_on"),
  never("/actions/addons/resolve", "add_on", ["POST"]),
  emptyList("/addon-attachments"),
  emptyList("/apps/:app/addon-attachments"),
  never("/addon-attachments", "add_on", ["POST"]),
  never("/addon-attachments/:attachment", ATTACHMENT),
  never("/apps/:app/addon-attachments/:attachment", ATTACHMENT),
  never("/actions/addon-attachments/resolve", ATTACHMENT, ["POST"]),
  always("/apps/:app/usage", { addons: [] }),
];

const SERVICES: readonly AbsentRoute[] = [
  emptyList("/addon-services"),
  never("/addon-services/:service", "service"),
  never("/addon-services/:service/*", "service"),
  never("/plans/:plan", "plan"),
  emptyList("/addon-region-capabilities"),
  emptyList("/regions/:region/addon-region-capabilities"),
];

/** Where the CLI's pg, redis and data commands go (HEROKU_DATA_HOST): databases are add-ons. */
const DATA: readonly AbsentRoute[] = [
  emptyList("/client/v11/apps/:app/transfers"),
  never("/client/v11/apps/:app/transfers/*", "transfer"),
  never("/client/v11/databases/*", "database"),
  never("/postgres/v0/databases/*", "database"),
  never("/redis/v0/databases/*", "database"),
  never("/data/*", "database"),
  never("/reports", "report", ["POST"]),
  never("/reports/:report", "report"),
];

const PlanWish = Type.Object({ plan: Type.Optional(Type.Unknown()) });

/** Add-ons, their services and the databases they provide: none yet. */
export function registerAddonRoutes(app: Api, deps: ApiDeps): void {
  registerAbsent(app, deps, "add-on", ADD_ONS);
  registerAbsent(app, deps, "add-on-service", SERVICES);
  registerAbsent(app, deps, "data", DATA);
  app.post(
    "/apps/:app/addons",
    { schema: { tags: ["add-on"], params: AppParams, body: PlanWish } },
    async ({ identity, params, body }) => {
      await findApp(deps.platform, params.app, identity);
      const message = `Couldn't find either the add-on service or the add-on plan of "${planName(body.plan)}".`;
      throw new Refusal("not_found", message, { resource: "service" });
    },
  );
}

/** The plan may be written as a text or as `{name}`. */
function planName(plan: unknown): string {
  if (typeof plan === "string") return plan;
  return String((plan as { name?: unknown } | null | undefined)?.name ?? "");
}
