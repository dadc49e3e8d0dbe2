import { Refusal } from "../kernel/refusal.ts";

const CONFIGURATION = /\/config-vars(\/|$)/;
const ACCOUNT = /^\/(account|accounts|users|oauth|keys)(\/|$)/;
const OWN_PROFILE = /^\/(account|users\/[^/]+)$/;

/**
 * Whether a token with these scopes may do that: `read` and `write` leave out the account and configuration variables, the
 * `-protected` ones only the account, `identity` sees the profile alone. https://devcenter.heroku.com/articles/oauth#scopes
 */
export function isAllowed(scope: readonly string[], method: string, path: string): boolean {
  if (scope.includes("global")) return true;
  const isRead = method === "GET" || method === "HEAD";
  if (scope.includes("identity") && isRead && OWN_PROFILE.test(path)) return true;
  // Which apps there are belongs to the apps, though the path begins with the user.
  if (ACCOUNT.test(path) && !/^\/users\/[^/]+\/apps$/.test(path)) return false;
  const reads = isRead ? ["read", "write"] : ["write"];
  const granted = CONFIGURATION.test(path)
    ? reads.map((name) => `${name}-protected`)
    : reads.flatMap((name) => [name, `${name}-protected`]);
  return granted.some((name) => scope.includes(name));
}

export function outOfScope(scope: readonly string[]): Refusal {
  const message = `The scope of this authorization (${scope.join(", ")}) does not cover this request.`;
  return new Refusal("forbidden", message);
}
