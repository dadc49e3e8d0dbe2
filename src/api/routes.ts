import type { Api, ApiDeps } from "./api.ts";
import { registerStatusRoutes } from "./routes/status.ts";

/** Every route of the API, one line a resource. */
export function registerRoutes(app: Api, deps: ApiDeps): void {
  registerStatusRoutes(app, deps);
}
