import { type AbsentRoute, always, emptyList, never, refused, registerAbsent } from "../absent.ts";
import type { Api, ApiDeps } from "../api.ts";

const NO_MONEY = "Nothing is billed on this platform.";

const BILLING: readonly AbsentRoute[] = [
  always("/account/delinquency", { scheduled_suspension_time: null, scheduled_deletion_time: null }),
  emptyList("/account/invoices"),
  never("/account/invoices/:invoice", "invoice"),
  never("/account/invoice-address", "invoice_address", ["GET"]),
  refused("PUT", "/account/invoice-address", NO_MONEY),
  emptyList("/account/credits"),
  refused("POST", "/account/credits", NO_MONEY),
  never("/account/credits/:credit", "credit"),
];

const PROFILE: readonly AbsentRoute[] = [
  refused("POST", "/account/app-transfers", "Apps cannot be transferred on this platform. Share them with access:add."),
  emptyList("/account/app-transfers"),
  never("/account/app-transfers/:transfer", "app_transfer"),
  always("/users/:user/sms-number", { sms_number: null }),
  never("/users/:user/sms-number/*", "sms_number", ["POST"]),
  never("/users/:user/preferences", "user_preferences", ["GET", "PATCH"]),
  emptyList("/favorites"),
  refused("POST", "/favorites", "Favorites are not available on this platform."),
  never("/favorites/:favorite", "favorite", ["DELETE"]),
  emptyList("/user/notifications"),
  never("/user/notifications/:notification", "notification", ["PATCH"]),
  refused("POST", "/password-resets", "Ask the operator of this platform for a new password."),
  never("/password-resets/*", "password_reset", ["POST"]),
];

const CLIENTS: readonly AbsentRoute[] = [
  emptyList("/oauth/clients"),
  refused("POST", "/oauth/clients", "OAuth clients are not available on this platform. Use authorizations:create for a token."),
  never("/oauth/clients/:client", "client"),
  never("/oauth/clients/:client/*", "client"),
  refused("POST", "/oauth/tokens", "OAuth clients are not available on this platform. Use authorizations:create for a token."),
  never("/oauth/tokens/:token", "token", ["DELETE"]),
];

/** What an account has on Heroku and not here: bills, transfers, favorites, notifications, OAuth clients. */
export function registerBillingRoutes(app: Api, deps: ApiDeps): void {
  registerAbsent(app, deps, "invoice", BILLING);
  registerAbsent(app, deps, "account", PROFILE);
  registerAbsent(app, deps, "oauth-client", CLIENTS);
}
