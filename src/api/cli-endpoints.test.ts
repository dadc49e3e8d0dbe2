import assert from "node:assert/strict";
import { test } from "node:test";
import { testApi } from "../../test/support/api.ts";
import { readReference, skipWithout } from "../../test/support/reference.ts";

const FILE = "heroku-cli-endpoints.tsv";
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const;

interface Endpoint {
  methods: readonly string[];
  url: string;
}

/** Call sites whose path is put together elsewhere (`${path}/webhooks`) or goes to another host are covered by their other sites. */
function readEndpoints(text: string): Endpoint[] {
  const endpoints = new Map<string, Endpoint>();
  for (const line of text.split("\n")) {
    const [, method = "", template = ""] = line.split("\t");
    const path = template.replace(/^[`']|[`']$/g, "");
    // The completion helper asks for `/${resource}`, which its callers name.
    if (!path.startsWith("/") || path === "/${resource}" || path.startsWith("/${")) continue;
    const url = path
      .replace(/^\/apps\/\$\{[^}]*\}/, "/apps/demo")
      .replace(/(\/[\w-]+)\$\{[^}]*\}$/, "$1")
      .replace(/\$\{[^}]*\}/g, "x");
    const methods = METHODS.some((known) => known === method) ? [method] : METHODS;
    endpoints.set(`${methods.join()} ${url}`, { methods, url });
  }
  return [...endpoints.values()];
}

test("no path that the CLI asks for is unknown", { skip: skipWithout(FILE) }, async () => {
  const endpoints = readEndpoints(readReference(FILE) ?? "");
  assert.ok(endpoints.length > 200, `only ${endpoints.length} endpoints were read`);
  await using api = await testApi();
  const isKnown = (method: string, url: string): boolean => {
    const [path = ""] = url.split("?");
    return api.app.findRoute({ method: method as "GET", url: path }) !== null;
  };
  const unknown = endpoints
    .filter(({ methods, url }) => !methods.some((method) => isKnown(method, url)))
    .map(({ methods, url }) => `${methods.join("|")} ${url}`);
  assert.deepEqual(unknown, []);
});
