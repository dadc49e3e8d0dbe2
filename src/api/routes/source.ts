import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { Type } from "typebox";
import { AppParams } from "../../contract/reference.ts";
import { Source } from "../../contract/source.ts";
import { UploadRoom } from "../../kernel/disk.ts";
import { Refusal } from "../../kernel/refusal.ts";
import { findApp } from "../../platform/access.ts";
import { notFound } from "../../platform/refusals.ts";
import { createSource, forgetOldSources, redeemSource, type SourceBlob } from "../../platform/source.ts";
import type { Api, ApiDeps } from "../api.ts";

/** Heroku's limit of a checkout: https://devcenter.heroku.com/articles/limits#git-repos */
const MAX_SOURCE_BYTES = 1024 ** 3;
const Params = Type.Object({ capability: Type.String() });

/** Sources: the API hands out two addresses, one to upload a tarball to and one for `POST /apps/:app/builds`. */
export function registerSourceRoutes(app: Api, { platform, ports }: ApiDeps): void {
  const tags = ["source"];
  const response = { "2xx": Source };
  const fileOf = (id: string): string => join(ports.sourcesFolder, `${id}.tgz`);

  const create = async (accountId: string, appId: string | null): Promise<SourceBlob> => {
    for (const id of await forgetOldSources(platform)) await rm(fileOf(id), { force: true });
    return await createSource(platform, accountId, appId);
  };

  app.post("/sources", { schema: { tags, response } }, async ({ identity }, reply) => {
    void reply.status(201);
    return { source_blob: await create(identity.accountId, null) };
  });
  app.post("/apps/:app/sources", { schema: { tags, params: AppParams, response } }, async ({ identity, params }, reply) => {
    const found = await findApp(platform, params.app, identity);
    void reply.status(201);
    return { source_blob: await create(identity.accountId, found.id) };
  });
  app.put(
    "/streams/sources/:capability",
    { schema: { tags, params: Params }, config: { open: true, rawBody: true, unlimited: true } },
    async ({ params, body, raw }, reply) => {
      const id = redeemSource(platform, "put", params.capability);
      if (id === null) throw notFound("source");
      await mkdir(ports.sourcesFolder, { recursive: true, mode: 0o700 });
      await receive(body instanceof Readable ? body : raw, fileOf(id), new UploadRoom(ports.sourcesFolder));
      return await reply.status(200).send("");
    },
  );
  app.get(
    "/streams/sources/:capability",
    { schema: { tags, params: Params }, config: { open: true, unlimited: true } },
    async ({ params }, reply) => {
      const id = redeemSource(platform, "get", params.capability);
      if (id === null) throw notFound("source");
      const file = await open(fileOf(id)).catch(() => null);
      if (file === null) throw new Refusal("not_found", "Nothing has been uploaded to this source yet.", { resource: "source" });
      const { size } = await file.stat();
      const stream = createReadStream("", { fd: file });
      return await reply.type("application/gzip").header("content-length", size).send(stream);
    },
  );
}

/** Writes beside and renames, so that a build never sees half an upload. */
async function receive(stream: Readable, path: string, room: UploadRoom): Promise<void> {
  const half = `${path}.${process.hrtime.bigint()}`;
  const file = await open(half, "wx", 0o600);
  let size = 0;
  try {
    for await (const chunk of stream) {
      size += (chunk as Buffer).length;
      if (size > MAX_SOURCE_BYTES) throw new Refusal("payload_too_large", `A source may have ${MAX_SOURCE_BYTES} bytes at most.`);
      await room.mustTake((chunk as Buffer).length);
      await file.write(chunk as Buffer);
    }
    await file.close();
    await rename(half, path);
  } catch (error) {
    await file.close().catch(() => {});
    await rm(half, { force: true });
    throw error;
  }
}
