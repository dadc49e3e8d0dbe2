import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";

export type Service = "git-upload-pack" | "git-receive-pack";

/** What a URL asks for: the advertisement of a service, or the service itself. */
export interface GitRoute {
  app: string;
  service: Service;
  action: "advertise" | "serve";
}

const GIT_PATH = /^\/([A-Za-z0-9-]{1,64})\.git\/(info\/refs|git-upload-pack|git-receive-pack)$/;

/** Recognises git's three URLs (gitprotocol-http(5), "smart" only); null for anything else. */
export function gitRoute(method: string, url: string): GitRoute | null {
  const [path = "", query = ""] = url.split("?", 2);
  const [, app, tail] = GIT_PATH.exec(path) ?? [];
  if (app === undefined || tail === undefined) return null;
  const wanted = tail === "info/refs" ? new URLSearchParams(query).get("service") : tail;
  if (wanted !== "git-upload-pack" && wanted !== "git-receive-pack") return null;
  const action = tail === "info/refs" ? "advertise" : "serve";
  return method === (action === "advertise" ? "GET" : "POST") ? { app, service: wanted, action } : null;
}

/** The password of Basic authentication, or null. The user name does not matter: Heroku's clients send `heroku`, an e-mail or nothing. */
export function basicPassword(header: string | undefined): string | null {
  const [, encoded] = /^Basic +([A-Za-z0-9+/=_-]+)$/i.exec(header ?? "") ?? [];
  if (encoded === undefined) return null;
  const pair = Buffer.from(encoded, "base64").toString("utf8");
  const colon = pair.indexOf(":");
  return colon < 0 || colon === pair.length - 1 ? null : pair.slice(colon + 1);
}

/** The request's body, unpacked: git sends small requests gzipped. */
export function bodyOf(request: IncomingMessage): Readable {
  const encoding = request.headers["content-encoding"];
  if (encoding !== "gzip" && encoding !== "x-gzip") return request;
  const unpacked = createGunzip();
  request.on("error", (error) => unpacked.destroy(error));
  request.on("aborted", () => unpacked.destroy(new Error("the client hung up")));
  return request.pipe(unpacked);
}

/** The value that is handed to `git` as GIT_PROTOCOL, or null when the header is absent or odd. */
export function gitProtocol(header: string | string[] | undefined): string | null {
  return typeof header === "string" && /^[A-Za-z0-9=:.-]{1,64}$/.test(header) ? header : null;
}

/** A short text; git shows it to the user with `remote:` before each line. */
export function answer(response: ServerResponse, status: number, text: string, headers: Record<string, string> = {}): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-cache", ...headers });
  response.end(text);
}
