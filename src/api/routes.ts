import type { Api, ApiDeps } from "./api.ts";
import { LoginThrottle } from "./login-throttle.ts";
import type { RateLimiter } from "./rate-limit.ts";
import { registerAccountRoutes } from "./routes/account.ts";
import { registerAppRoutes } from "./routes/app.ts";
import { registerAuthorizationRoutes } from "./routes/authorization.ts";
import { registerBuildpackRoutes } from "./routes/buildpack.ts";
import { registerCollaboratorRoutes } from "./routes/collaborator.ts";
import { registerDomainRoutes } from "./routes/domain.ts";
import { registerFeatureRoutes } from "./routes/feature.ts";
import { registerKeyRoutes } from "./routes/key.ts";
import { registerLoginRoutes } from "./routes/login.ts";
import { registerPlaceRoutes } from "./routes/place.ts";
import { registerStatusRoutes } from "./routes/status.ts";

/** Every route of the API, one line a resource. */
export function registerRoutes(app: Api, deps: ApiDeps, limiter: RateLimiter): void {
  const throttle = new LoginThrottle(deps.platform.clock);
  registerStatusRoutes(app, deps);
  registerAccountRoutes(app, deps, limiter);
  registerAuthorizationRoutes(app, deps, throttle);
  registerLoginRoutes(app, deps, throttle);
  registerKeyRoutes(app, deps);
  registerAppRoutes(app, deps);
  registerCollaboratorRoutes(app, deps);
  registerDomainRoutes(app, deps);
  registerFeatureRoutes(app, deps);
  registerBuildpackRoutes(app, deps);
  registerPlaceRoutes(app, deps);
}
