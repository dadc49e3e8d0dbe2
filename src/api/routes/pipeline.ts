import { Type } from "typebox";
import { App } from "../../contract/app.ts";
import { appResource, listApps } from "../../platform/app.ts";
import { type AbsentRoute, emptyList, never, refused, registerAbsent } from "../absent.ts";
import type { Api, ApiDeps } from "../api.ts";
import { sendList } from "../list.ts";

const NOT_YET = "are not available on this platform yet. Deploy each app with git push.";

const PIPELINES: readonly AbsentRoute[] = [
  emptyList("/pipelines"),
  refused("POST", "/pipelines", `Pipelines ${NOT_YET}`),
  never("/pipelines/:pipeline", "pipeline"),
  never("/pipelines/:pipeline/*", "pipeline"),
  emptyList("/pipeline-couplings"),
  emptyList("/users/:user/pipeline-couplings"),
  never("/apps/:app/pipeline-couplings", "pipeline_coupling", ["GET"]),
  never("/pipeline-couplings", "pipeline", ["POST"]),
  never("/pipeline-couplings/:coupling", "pipeline_coupling"),
  never("/pipeline-promotions", "pipeline", ["POST"]),
  never("/pipeline-promotions/:promotion", "pipeline_promotion"),
  never("/pipeline-promotions/:promotion/*", "pipeline_promotion"),
  never("/pipeline-transfers", "pipeline", ["POST"]),
];

const REVIEW_APPS: readonly AbsentRoute[] = [
  never("/review-apps", "pipeline", ["POST"]),
  never("/review-apps/:review", "review_app"),
  never("/apps/:app/review-app", "review_app", ["GET"]),
  refused("POST", "/app-setups", `App setups ${NOT_YET}`),
  never("/app-setups/:setup", "app_setup"),
  never("/test-runs", "pipeline", ["POST"]),
  never("/test-runs/:run", "test_run"),
  never("/test-runs/:run/*", "test_run"),
];

const Filter = Type.Object({
  in: Type.Optional(
    Type.Object({ id: Type.Optional(Type.Array(Type.String())), name: Type.Optional(Type.Array(Type.String())) }),
  ),
});

/** Pipelines, review apps and CI: none yet; and the filter that their commands look apps up with. */
export function registerPipelineRoutes(app: Api, deps: ApiDeps): void {
  registerAbsent(app, deps, "pipeline", PIPELINES);
  registerAbsent(app, deps, "review-app", REVIEW_APPS);
  app.post(
    "/filters/apps",
    { schema: { tags: ["filter-apps"], body: Filter, response: { "2xx": Type.Array(App) } } },
    async (request, reply) => {
      const { id = [], name = [] } = request.body.in ?? {};
      const apps = await listApps(deps.platform, request.identity, "all");
      const wanted = apps.filter((each) => id.includes(each.id) || name.includes(each.name));
      const items = wanted.map((each) => appResource(deps.platform, each));
      return sendList(request, reply, items, { id: (item) => item.id, name: (item) => item.name });
    },
  );
}
