import { Type } from "typebox";
import { PERMISSIONS } from "../../platform/collaborator.ts";
import { type AbsentRoute, emptyList, never, refused, registerAbsent } from "../absent.ts";
import type { Api, ApiDeps } from "../api.ts";

const NO_TEAMS = "There are no teams on this platform: share single apps with access:add.";

const TEAMS: readonly AbsentRoute[] = [
  emptyList("/teams"),
  refused("POST", "/teams", NO_TEAMS),
  refused("POST", "/teams/apps", NO_TEAMS),
  never("/teams/:team", "team"),
  never("/teams/:team/*", "team"),
  never("/teams/apps/:app", "team_app", ["GET"]),
  refused("PATCH", "/teams/apps/:app", NO_TEAMS),
  refused("POST", "/teams/apps/:app/collaborators", NO_TEAMS),
  emptyList("/enterprise-accounts"),
  never("/enterprise-accounts/:enterprise", "enterprise_account"),
  never("/enterprise-accounts/:enterprise/*", "enterprise_account"),
];

const SPACES: readonly AbsentRoute[] = [
  emptyList("/spaces"),
  refused("POST", "/spaces", "There are no private spaces on this platform: every app runs on this machine."),
  never("/spaces/:space", "space"),
  never("/spaces/:space/*", "space"),
];

const Permissions = Type.Array(Type.Object({ name: Type.String(), description: Type.String() }));

/** Teams, enterprise accounts and private spaces: none; and what permissions there are. */
export function registerTeamRoutes(app: Api, deps: ApiDeps): void {
  registerAbsent(app, deps, "team", TEAMS);
  registerAbsent(app, deps, "space", SPACES);
  app.get("/teams/permissions", { schema: { tags: ["team-app-permission"], response: { 200: Permissions } } }, async () =>
    Object.entries(PERMISSIONS).map(([name, description]) => ({ name, description })),
  );
}
