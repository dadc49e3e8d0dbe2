import type { Readable } from "node:stream";
import { Refusal } from "../kernel/refusal.ts";
import type { Api } from "./api.ts";

/** Config vars may be 64 KB in all, process types and certificates less: 1 MiB is ample for JSON. */
const MAX_BODY_BYTES = 1024 * 1024;

/**
 * Reads bodies the way Heroku's clients send them: JSON under any content type or none, an empty body as no body, a missing one as
 * `{}` where the route expects an object. Routes with `rawBody` get the stream itself.
 */
export function installBodies(app: Api): void {
  app.removeAllContentTypeParsers();
  app.addHook("onRequest", async (request) => {
    const type = request.raw.headers["content-type"];
    // Fastify refuses a garbled or empty content type before any parser sees it.
    if (type !== undefined && !/^[\w.+-]+\/[\w.+-]+\s*(;.*)?$/.test(type)) delete request.raw.headers["content-type"];
  });
  app.addContentTypeParser("*", async (request: { headers: Record<string, unknown> }, payload: Readable) => {
    const { routeOptions } = request as unknown as { routeOptions: { config: { rawBody?: boolean } } };
    if (routeOptions.config.rawBody === true) return payload;
    const type = String(request.headers["content-type"] ?? "");
    const text = await readText(payload);
    return type.startsWith("application/x-www-form-urlencoded") ? readForm(text) : readJson(text);
  });
  app.addHook("preValidation", async (request) => {
    if (request.routeOptions.schema?.body !== undefined) request.body ??= {};
  });
}

async function readText(payload: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of payload) {
    size += (chunk as Buffer).length;
    if (size > MAX_BODY_BYTES) {
      throw new Refusal("payload_too_large", `The request body is too large: at most ${MAX_BODY_BYTES} bytes are accepted.`);
    }
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function readJson(text: string): unknown {
  if (text.trim() === "") return undefined;
  try {
    // `__proto__` as an own member would become a prototype as soon as somebody copies the object.
    return JSON.parse(text, (key, value: unknown) => (key === "__proto__" ? undefined : value));
  } catch {
    throw new Refusal("bad_request", "Unable to parse the JSON of the request body.");
  }
}

function readForm(text: string): unknown {
  const form = [...new URLSearchParams(text)].filter(([name]) => name !== "__proto__");
  // A shell client (curl -d '{…}') calls its JSON a form.
  return text.trimStart().startsWith("{") ? readJson(text) : Object.fromEntries(form);
}
