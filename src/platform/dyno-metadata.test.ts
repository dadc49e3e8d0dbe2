import assert from "node:assert/strict";
import { test } from "node:test";
import { testPlatform } from "../../test/support/platform.ts";
import { setFeature } from "./feature.ts";
import { formationStore } from "./formation-store.ts";

test("dynos are told about app, release and slug when the app has the feature", async () => {
  await using platform = await testPlatform();
  const { release } = await platform.deploy({ web: "serve" });
  const { ctx, app } = platform;
  const metadata = async (): Promise<unknown> => (await formationStore(ctx, "/slugs").desired(app.id))?.release?.metadata;
  assert.deepEqual(await metadata(), {});
  await setFeature(ctx, { kind: "app", id: app.id }, "runtime-dyno-metadata", true);
  assert.deepEqual(await metadata(), {
    HEROKU_APP_DEFAULT_DOMAIN_NAME: "first-light.localhost",
    HEROKU_APP_ID: app.id,
    HEROKU_APP_NAME: "first-light",
    HEROKU_BUILD_COMMIT: "60883d9e8947a57e04dc9124f25df004866a2051",
    HEROKU_BUILD_DESCRIPTION: "A change",
    HEROKU_RELEASE_CREATED_AT: ctx.clock.now().toISOString(),
    HEROKU_RELEASE_VERSION: `v${release.version}`,
    HEROKU_SLUG_COMMIT: "60883d9e8947a57e04dc9124f25df004866a2051",
    HEROKU_SLUG_DESCRIPTION: "Deploy 60883d9e",
  });
  await setFeature(ctx, { kind: "app", id: app.id }, "runtime-dyno-metadata", false);
  assert.deepEqual(await metadata(), {});
});
