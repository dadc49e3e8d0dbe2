import { Type } from "typebox";
import { Account, AccountUpdate, RateLimit } from "../../contract/account.ts";
import { Refusal } from "../../kernel/refusal.ts";
import { accountResource, getAccount, updateAccount } from "../../platform/account.ts";
import type { Identity } from "../../platform/identity.ts";
import { notFound } from "../../platform/refusals.ts";
import type { Api, ApiDeps } from "../api.ts";
import type { RateLimiter } from "../rate-limit.ts";

const UserParams = Type.Object({ user: Type.String({ description: "`~`, or one's own id or e-mail address." }) });

/** The account of whoever asks, under both of its paths: `/account` and `/users/~`. */
export function registerAccountRoutes(app: Api, { platform }: ApiDeps, limiter: RateLimiter): void {
  const tags = ["account"];
  const response = { 200: Account };

  app.get("/account", { schema: { tags, summary: "Your account", response } }, async ({ identity }) =>
    accountResource(await getAccount(platform, identity.accountId)),
  );
  app.get("/users/:user", { schema: { tags, params: UserParams, response } }, async ({ identity, params }) => {
    requireSelf(identity, params.user);
    return accountResource(await getAccount(platform, identity.accountId));
  });
  app.patch("/account", { schema: { tags, body: AccountUpdate, response } }, async ({ identity, body }) =>
    accountResource(await updateAccount(platform, identity, body)),
  );
  app.patch(
    "/users/:user",
    { schema: { tags, params: UserParams, body: AccountUpdate, response } },
    async ({ identity, params, body }) => {
      requireSelf(identity, params.user);
      return accountResource(await updateAccount(platform, identity, body));
    },
  );
  for (const path of ["/account", "/users/:user"]) {
    app.delete(path, { schema: { tags, response } }, async () => {
      throw new Refusal("forbidden", "Accounts cannot be deleted here: ask the operator of this platform.");
    });
  }
  app.get(
    "/account/rate-limits",
    { schema: { tags: ["rate-limit"], response: { 200: RateLimit } }, config: { unlimited: true } },
    async ({ identity }) => ({ remaining: limiter.remaining(identity.accountId) }),
  );
}

/** Nobody sees another account through the API. */
export function requireSelf(identity: Identity, user: string): void {
  if (user === "~" || user === identity.accountId || user.toLowerCase() === identity.email) return;
  throw notFound("account");
}
