import type { IncomingMessage, ServerResponse } from "node:http";
import { DATABASE_DOWN_MESSAGE, isDatabaseDown } from "../kernel/database.ts";
import { Refusal } from "../kernel/refusal.ts";
import { advertise } from "./advertise.ts";
import { Allowance, GIT_REQUESTS_PER_HOUR } from "./allowance.ts";
import type { Deployer } from "./deploy.ts";
import { serveFetch } from "./fetch.ts";
import { answer, basicPassword, bodyOf, type GitRoute, gitProtocol, gitRoute } from "./http.ts";
import { PacketReader, ProtocolError } from "./packet.ts";
import { receivePush } from "./push.ts";
import { Repositories } from "./repositories.ts";
import { sweepSources } from "./source.ts";
import { Turns } from "./turns.ts";

export interface GitOptions extends Deployer {
  repositoriesFolder: string;
  packLimitBytes?: number;
  requestsPerHour?: number;
}

export interface GitHandler {
  /** Answers one request for `/<app>.git/…`; every other URL is answered with 404. Never throws. */
  handle(request: IncomingMessage, response: ServerResponse): void;
  /** Removes what a killed process has left; to be awaited before the first request. */
  recover(): Promise<void>;
  /** Removes the repository of a destroyed app. */
  removeRepository(appId: string): Promise<void>;
}

const REFUSAL_STATUS: Record<string, number> = {
  not_found: 404,
  unauthorized: 401,
  forbidden: 403,
  suspended: 403,
  rate_limit: 429,
};
const CHALLENGE = { "www-authenticate": 'Basic realm="Heroku"' };

/** git over HTTP: push and clone with the real git, a token as password. */
export function createGitHandler(options: GitOptions): GitHandler {
  const repositories = new Repositories(options.repositoriesFolder, options.journal);
  const turns = new Turns();
  const allowance = new Allowance(options.requestsPerHour ?? GIT_REQUESTS_PER_HOUR, options.clock);
  const receiver = { ...options, repositories, turns };

  const serve = async (route: GitRoute, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { platform } = options;
    const token = basicPassword(request.headers.authorization);
    const account = token === null ? null : await platform.authenticate(token);
    if (account === null) {
      const text =
        token === null ? "Authentication is required.\n" : "Invalid credentials provided: log in with `heroku login`.\n";
      answer(response, 401, text, CHALLENGE);
      return;
    }
    const app = await platform.openApp(route.app, account.id, route.service === "git-receive-pack" ? "write" : "read");
    const wait = allowance.spend(`${app.id} ${account.id}`);
    if (wait > 0) {
      answer(response, 429, `Too many git requests for ${app.name}: try again in ${wait} s.\n`, { "retry-after": String(wait) });
      return;
    }
    const protocol = gitProtocol(request.headers["git-protocol"]);
    if (route.action === "advertise") {
      await advertise(await repositories.open(app.id), route.service, protocol, response);
      // While the client chooses its objects there is time to make the build's sandbox.
      if (route.service === "git-receive-pack") platform.expectBuild?.(app.id);
    } else if (route.service === "git-upload-pack") {
      await serveFetch(await repositories.open(app.id), protocol, bodyOf(request), response);
    } else {
      const packets = new PacketReader(bodyOf(request).iterator({ destroyOnReturn: false }));
      await receivePush(receiver, { app, accountId: account.id, packets, response });
    }
  };

  const fail = (error: unknown, request: IncomingMessage, response: ServerResponse): void => {
    if (error instanceof Refusal) {
      const status = REFUSAL_STATUS[error.id] ?? 422;
      answer(response, status, `${error.message}\n`, status === 401 ? CHALLENGE : {});
    } else if (error instanceof ProtocolError || isBrokenGzip(error)) {
      answer(response, 400, `${error.message}\n`);
    } else if (request.destroyed && !request.complete) {
      // The client hung up while it was sending: nothing was done.
      response.destroy();
    } else if (isDatabaseDown(error)) {
      answer(response, 503, `${DATABASE_DOWN_MESSAGE}\n`);
    } else {
      options.journal.fault("git.request_failed", error, { method: request.method, url: request.url });
      answer(response, 500, "The platform failed; the operator finds the cause in its journal.\n");
    }
  };

  return {
    handle(request, response) {
      const route = gitRoute(request.method ?? "", request.url ?? "");
      if (route === null) {
        answer(response, 404, "There is nothing at this address: git's are /NAME.git/info/refs and the two services.\n");
        return;
      }
      serve(route, request, response).catch((error: unknown) => fail(error, request, response));
    },
    async recover() {
      await Promise.all([repositories.sweep(), sweepSources(options.buildsFolder)]);
    },
    removeRepository: async (appId) => await repositories.remove(appId),
  };
}

function isBrokenGzip(error: unknown): error is Error {
  return error instanceof Error && "code" in error && String(error.code).startsWith("Z_");
}
