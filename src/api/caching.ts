import { createHash } from "node:crypto";
import type { Api } from "./api.ts";

/** `ETag` on every JSON answer to a GET, 304 when the client has it already, and headers that keep shared caches away. */
export function installCaching(app: Api): void {
  app.addHook("onSend", async (request, reply, payload) => {
    if (!reply.hasHeader("cache-control")) void reply.header("cache-control", "private, no-cache");
    void reply.header("vary", "Accept, Authorization, Range").header("x-content-type-options", "nosniff");
    const isRead = request.method === "GET" || request.method === "HEAD";
    if (!isRead || typeof payload !== "string" || reply.statusCode !== 200) return payload;
    const etag = `"${createHash("sha256").update(payload).digest("base64url").slice(0, 27)}"`;
    void reply.header("etag", etag);
    if (!matches(request.headers["if-none-match"], etag)) return payload;
    void reply.status(304);
    return "";
  });
}

function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(",").some((candidate) => candidate.trim() === "*" || candidate.trim().replace(/^W\//, "") === etag);
}
