import type { ServerResponse } from "node:http";
import { FLUSH, packet } from "./packet.ts";
import { NO_OBJECT, PUSH_CAPABILITIES } from "./push-order.ts";
import type { Repository } from "./repository.ts";
import type { Service } from "./http.ts";

const ADVERTISEMENT_LIMIT_BYTES = 64 * 1024 ** 2;

/** Answers `info/refs`: what the repository holds and what the service can do. */
export async function advertise(
  repository: Repository,
  service: Service,
  protocol: string | null,
  response: ServerResponse,
): Promise<void> {
  const body =
    service === "git-receive-pack" ? await pushAdvertisement(repository) : await fetchAdvertisement(repository, protocol);
  response.writeHead(200, {
    "content-type": `application/x-${service}-advertisement`,
    "cache-control": "no-cache, max-age=0, must-revalidate",
  });
  response.end(body);
}

async function pushAdvertisement(repository: Repository): Promise<Buffer> {
  const refs = [...(await repository.refs())];
  const lines = refs.length === 0 ? [`${NO_OBJECT} capabilities^{}`] : refs.map(([ref, object]) => `${object} ${ref}`);
  const packets = lines.map((line, index) => packet(index === 0 ? `${line}\0${PUSH_CAPABILITIES}\n` : `${line}\n`));
  return Buffer.concat([packet("# service=git-receive-pack\n"), FLUSH, ...packets, FLUSH]);
}

async function fetchAdvertisement(repository: Repository, protocol: string | null): Promise<Buffer> {
  const env: Record<string, string> = protocol === null ? {} : { GIT_PROTOCOL: protocol };
  const chunks: Buffer[] = [];
  const { exitCode, stderr } = await repository.git(["upload-pack", "--stateless-rpc", "--advertise-refs", repository.folder], {
    env,
    maxBytes: ADVERTISEMENT_LIMIT_BYTES,
    onStdout: (chunk) => chunks.push(chunk),
  });
  if (exitCode !== 0) throw new Error(`git upload-pack failed: ${stderr}`);
  const refs = Buffer.concat(chunks);
  // Version 2 begins with its own greeting (gitprotocol-v2(5)).
  return /(^|:)version=2(:|$)/.test(protocol ?? "") ? refs : Buffer.concat([packet("# service=git-upload-pack\n"), FLUSH, refs]);
}
