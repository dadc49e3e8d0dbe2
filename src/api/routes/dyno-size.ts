import { Type } from "typebox";
import {
  AccountLimits,
  AccountLimitsChange,
  AccountQuota,
  DynoSize,
  DynoSizeChange,
  DynoSizeCreate,
} from "../../contract/dyno-size.ts";
import { AppParams } from "../../contract/reference.ts";
import { findApp } from "../../platform/access.ts";
import { readAccountLimits, setAccountLimits } from "../../platform/account-limits.ts";
import { dynoSizeResource } from "../../platform/dyno-size.ts";
import { createSize, deleteSize, updateSize } from "../../platform/dyno-size-change.ts";
import { readEcoQuota } from "../../platform/quota.ts";
import type { Api, ApiDeps } from "../api.ts";
import { sendList } from "../list.ts";
import { requireSelf } from "./account.ts";

const SizeParams = Type.Object({ size: Type.String({ description: "Name, in any case, or id." }) });
const Query = Type.Object({ extended: Type.Optional(Type.String()) });
const AccountParams = Type.Object({ account: Type.String() });

/** Dyno sizes, and the Eco hours that `heroku ps` shows. */
export function registerDynoSizeRoutes(app: Api, { platform }: ApiDeps): void {
  const tags = ["dyno-size"];
  const list = { "2xx": Type.Array(DynoSize) };
  const sizes = (): DynoSize[] => platform.sizes.list().map((size) => dynoSizeResource(size));
  const keys = { name: (item: DynoSize) => item.name };

  app.get("/dyno-sizes", { schema: { tags, response: list } }, async (request, reply) => sendList(request, reply, sizes(), keys));
  app.get(
    "/dyno-sizes/:size",
    { schema: { tags, params: SizeParams, querystring: Query, response: { "2xx": DynoSize } } },
    async ({ params, query }) => dynoSizeResource(platform.sizes.mustFind(params.size), query.extended === "true"),
  );
  const response = { "2xx": DynoSize };
  app.post("/dyno-sizes", { schema: { tags, body: DynoSizeCreate, response } }, async ({ identity, body }, reply) => {
    const size = await createSize(platform, identity, body.name, body);
    void reply.status(201);
    return dynoSizeResource(size, true);
  });
  app.patch(
    "/dyno-sizes/:size",
    { schema: { tags, params: SizeParams, body: DynoSizeChange, response } },
    async ({ identity, params, body }) => dynoSizeResource(await updateSize(platform, identity, params.size, body), true),
  );
  app.delete("/dyno-sizes/:size", { schema: { tags, params: SizeParams, response } }, async ({ identity, params }) =>
    dynoSizeResource(await deleteSize(platform, identity, params.size), true),
  );
  app.get("/apps/:app/available-dyno-sizes", { schema: { tags, params: AppParams, response: list } }, async (request, reply) => {
    await findApp(platform, request.params.app, request.identity);
    return sendList(request, reply, sizes(), keys);
  });
  const limits = { "2xx": AccountLimits };
  app.get(
    "/accounts/:account/limits",
    { schema: { tags, params: AccountParams, response: limits } },
    async ({ identity, params }) => readAccountLimits(platform, identity, params.account),
  );
  app.patch(
    "/accounts/:account/limits",
    { schema: { tags, params: AccountParams, body: AccountLimitsChange, response: limits } },
    async ({ identity, params, body }) => await setAccountLimits(platform, identity, params.account, body),
  );
  app.get(
    "/accounts/:account/actions/get-quota",
    { schema: { tags, params: AccountParams, response: { "2xx": AccountQuota } } },
    async ({ identity, params }) => {
      requireSelf(identity, params.account);
      return await readEcoQuota(platform, identity.accountId);
    },
  );
}
