import { spawn } from "node:child_process";
import type { ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { GIT_ENVIRONMENT, LIMITED_GIT, type Repository } from "./repository.ts";

/** git-upload-pack(1) for one request of a clone or fetch. Everything streams; git is ended when the client hangs up. */
export async function serveFetch(
  repository: Repository,
  protocol: string | null,
  body: Readable,
  response: ServerResponse,
): Promise<void> {
  const env = protocol === null ? GIT_ENVIRONMENT : { ...GIT_ENVIRONMENT, GIT_PROTOCOL: protocol };
  const [program = "", ...args] = [...LIMITED_GIT, "upload-pack", "--stateless-rpc", repository.folder];
  const child = spawn(program, args, { env, stdio: ["pipe", "pipe", "ignore"] });
  response.writeHead(200, {
    "content-type": "application/x-git-upload-pack-result",
    "cache-control": "no-cache, max-age=0, must-revalidate",
    "x-accel-buffering": "no",
  });
  response.on("close", () => child.kill("SIGKILL"));
  const exited = new Promise<void>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", () => resolve());
  });
  // Either side may end first: git when it has heard enough, the client when it has had enough. Neither is a fault.
  await Promise.all([exited, pipeline(body, child.stdin).catch(() => {}), pipeline(child.stdout, response).catch(() => {})]);
}
