import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { Readable } from "node:stream";
import type { FastifyReply } from "fastify";
import { Type } from "typebox";
import { equalInConstantTime, isId } from "../../kernel/ids.ts";
import { UploadRoom } from "../../kernel/disk.ts";
import { Refusal } from "../../kernel/refusal.ts";
import { buildById } from "../../platform/build.ts";
import { notFound } from "../../platform/refusals.ts";
import { releaseById } from "../../platform/release.ts";
import { fillSlug, redeemSlug } from "../../platform/slug.ts";
import type { Api, ApiDeps } from "../api.ts";

const OutputParams = Type.Object({ id: Type.String(), token: Type.String() });
const SlugParams = Type.Object({ capability: Type.String() });
/** https://devcenter.heroku.com/articles/limits#slug-size */
const MAX_SLUG_BYTES = 500 * 1024 * 1024;

/** What `output_stream_url` and slug blobs point to: no token needed, the address is the capability. */
export function registerStreamRoutes(app: Api, { platform, ports }: ApiDeps): void {
  const tags = ["stream"];
  const config = { open: true, unlimited: true };
  const output = { schema: { tags, params: OutputParams }, config };

  const sendOutput = async (reply: FastifyReply, path: string, isPending: boolean): Promise<FastifyReply> => {
    if (!ports.outputs.isLive(path) && !existsSync(path)) {
      if (!isPending) throw new Refusal("not_found", "There is no output.");
      // Whatever waits for its turn has an output already, still empty: its follower waits with it.
      await ports.outputs.begin(path);
    }
    const gone = new AbortController();
    reply.raw.once("close", () => gone.abort());
    return await reply
      .type("text/plain; charset=utf-8")
      .header("cache-control", "no-cache")
      .header("x-accel-buffering", "no")
      .send(Readable.from(ports.outputs.follow(path, gone.signal)));
  };
  app.get("/streams/builds/:id/:token", output, async ({ params: { id, token } }, reply) => {
    const build = isId(id) ? await buildById(platform, id) : null;
    if (build === null || !equalInConstantTime(build.output_token, token)) throw notFound("build");
    return await sendOutput(reply, ports.buildOutputPath(id), build.status === "pending");
  });
  app.get("/streams/releases/:id/:token", output, async ({ params: { id, token } }, reply) => {
    const release = isId(id) ? await releaseById(platform, id) : null;
    if (release === null || !equalInConstantTime(release.output_token ?? "", token)) throw notFound("release");
    return await sendOutput(reply, ports.releaseOutputPath(id), release.status === "pending");
  });

  app.get("/streams/slugs/:capability", { schema: { tags, params: SlugParams }, config }, async ({ params }, reply) => {
    const slug = await redeemSlug(platform, "get", params.capability);
    const archive = slug === null ? null : ports.slugArchive(slug.tree);
    if (archive === null) throw notFound("slug");
    return await reply.type("application/gzip").send(archive);
  });
  app.put(
    "/streams/slugs/:capability",
    { schema: { tags, params: SlugParams }, config: { ...config, rawBody: true } },
    async ({ params, body, raw }, reply) => {
      const slug = await redeemSlug(platform, "put", params.capability);
      if (slug === null) throw notFound("slug");
      const archive = weigh(body instanceof Readable ? body : raw, new UploadRoom(ports.sourcesFolder));
      const { tree, size } = await ports.storeSlug(archive.stream, slug.owner);
      await fillSlug(platform, slug, { tree, size, checksum: archive.checksum() });
      return await reply.status(200).send("");
    },
  );
}

/** Passes an archive on while it takes its checksum, up to Heroku's limit. */
function weigh(upload: Readable, room: UploadRoom): { stream: Readable; checksum(): string } {
  const hash = createHash("sha256");
  let size = 0;
  const pass = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of upload as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_SLUG_BYTES) throw new Refusal("payload_too_large", `A slug may have ${MAX_SLUG_BYTES} bytes at most.`);
      await room.mustTake(chunk.length);
      hash.update(chunk);
      yield chunk;
    }
  };
  return { stream: Readable.from(pass()), checksum: () => `SHA256:${hash.digest("hex")}` };
}
