import { sql } from "kysely";
import { Status } from "../../contract/status.ts";
import type { Api, ApiDeps } from "../api.ts";

/** `GET /api/v4/current-status`: what `heroku status` shows; 200 means that the platform takes requests. */
export function registerStatusRoutes(app: Api, deps: ApiDeps): void {
  const schema = { tags: ["status"], summary: "Current status", response: { 200: Status } };
  app.get("/api/v4/current-status", { schema, config: { open: true } }, async () => {
    await sql`select 1`.execute(deps.platform.db);
    const status = ["Apps", "Data", "Tools"].map((system) => ({ system, status: "green" }));
    return { status, incidents: [], scheduled: [] };
  });
}
