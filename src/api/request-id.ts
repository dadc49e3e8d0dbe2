import { newId } from "../kernel/ids.ts";
import type { Api } from "./api.ts";

const PLAUSIBLE_ID = /^[A-Za-z0-9-]{8,64}$/;

/**
 * Gives every answer a `Request-Id`: the client's own when it sent one, else a new one. The CLI sends all ids it has seen, joined by
 * commas, newest first; only the newest is returned, so that the header does not grow on our account.
 */
export function installRequestIds(app: Api): void {
  app.addHook("onRequest", async (request, reply) => {
    void reply.header("request-id", chooseRequestId(request.headers["request-id"]));
  });
}

function chooseRequestId(header: string | string[] | undefined): string {
  const [first = ""] = String(header ?? "").split(",");
  return PLAUSIBLE_ID.test(first.trim()) ? first.trim() : newId();
}
