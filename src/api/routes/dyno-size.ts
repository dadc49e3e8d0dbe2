import { Type } from "typebox";
import { AccountQuota, DynoSize } from "../../contract/dyno-size.ts";
import { AppParams } from "../../contract/reference.ts";
import { findApp } from "../../platform/access.ts";
import { dynoSizeResource, dynoSizes, mustFindSize } from "../../platform/dyno-size.ts";
import { readEcoQuota } from "../../platform/quota.ts";
import type { Api, ApiDeps } from "../api.ts";
import { sendList } from "../list.ts";
import { requireSelf } from "./account.ts";

const SizeParams = Type.Object({ size: Type.String({ description: "Name, in any case, or id." }) });
const AccountParams = Type.Object({ account: Type.String() });

/** Dyno sizes, and the Eco hours that `heroku ps` shows. */
export function registerDynoSizeRoutes(app: Api, { platform }: ApiDeps): void {
  const tags = ["dyno-size"];
  const list = { "2xx": Type.Array(DynoSize) };
  const sizes = dynoSizes.map(dynoSizeResource);
  const keys = { name: (item: DynoSize) => item.name };

  app.get("/dyno-sizes", { schema: { tags, response: list } }, async (request, reply) => sendList(request, reply, sizes, keys));
  app.get("/dyno-sizes/:size", { schema: { tags, params: SizeParams, response: { "2xx": DynoSize } } }, async ({ params }) =>
    dynoSizeResource(mustFindSize(params.size)),
  );
  app.get("/apps/:app/available-dyno-sizes", { schema: { tags, params: AppParams, response: list } }, async (request, reply) => {
    await findApp(platform, request.params.app, request.identity);
    return sendList(request, reply, sizes, keys);
  });
  app.get(
    "/accounts/:account/actions/get-quota",
    { schema: { tags, params: AccountParams, response: { "2xx": AccountQuota } } },
    async ({ identity, params }) => {
      requireSelf(identity, params.account);
      return await readEcoQuota(platform, identity.accountId);
    },
  );
}
