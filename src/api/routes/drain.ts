import { type AbsentRoute, always, emptyList, never, refused, registerAbsent } from "../absent.ts";
import type { Api, ApiDeps } from "../api.ts";

const NOT_YET = "are not available on this platform yet.";

const DRAINS: readonly AbsentRoute[] = [
  emptyList("/apps/:app/log-drains"),
  refused("POST", "/apps/:app/log-drains", `Log drains ${NOT_YET} Read the log with heroku logs --tail.`),
  never("/apps/:app/log-drains/:drain", "log_drain"),
  emptyList("/apps/:app/telemetry-drains"),
  refused("POST", "/telemetry-drains", `Telemetry drains ${NOT_YET}`),
  never("/telemetry-drains/:drain", "telemetry_drain"),
];

const WEBHOOKS: readonly AbsentRoute[] = [
  emptyList("/apps/:app/webhooks"),
  refused("POST", "/apps/:app/webhooks", `Webhooks ${NOT_YET}`),
  never("/apps/:app/webhooks/:webhook", "webhook"),
  emptyList("/apps/:app/webhook-deliveries"),
  never("/apps/:app/webhook-deliveries/:delivery", "webhook_delivery"),
  emptyList("/apps/:app/webhook-events"),
  never("/apps/:app/webhook-events/:event", "webhook_event"),
];

const METRICS: readonly AbsentRoute[] = [
  emptyList("/apps/:app/formation/:type/monitors"),
  refused("POST", "/apps/:app/formation/:type/monitors", `Autoscaling and alerts ${NOT_YET} Scale with ps:scale.`),
  never("/apps/:app/formation/:type/monitors/:monitor", "monitor"),
  always("/apps/:app/formation/:type/metrics/errors", { data: {} }),
  always("/apps/:app/router-metrics/errors", { data: {} }),
  always("/apps/:app/router-metrics/latency", { data: {} }),
  always("/apps/:app/router-metrics/status", { data: {} }),
];

/** What leaves an app for elsewhere: log and telemetry drains, webhooks, metrics. None yet. */
export function registerDrainRoutes(app: Api, deps: ApiDeps): void {
  registerAbsent(app, deps, "log-drain", DRAINS);
  registerAbsent(app, deps, "app-webhook", WEBHOOKS);
  registerAbsent(app, deps, "metric", METRICS);
}
