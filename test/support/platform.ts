import { randomBytes } from "node:crypto";
import { newId } from "../../src/kernel/ids.ts";
import { Vault } from "../../src/kernel/secret.ts";
import type { FoundApp } from "../../src/platform/access.ts";
import { createApp } from "../../src/platform/app.ts";
import { createBuild } from "../../src/platform/build.ts";
import { buildSucceeded, type Deployment } from "../../src/platform/build-outcome.ts";
import { DynoSizes } from "../../src/platform/dyno-size.ts";
import type { Platform } from "../../src/platform/context.ts";
import type { Identity } from "../../src/platform/identity.ts";
import { recordEvents, type RecordedEvents, testAddresses } from "./api.ts";
import { manualClock, type ManualClock } from "./clock.ts";
import { testDatabase } from "./database.ts";

/** The platform's rules over a database of their own, with one account and one app. */
export interface TestPlatform extends AsyncDisposable {
  ctx: Platform;
  clock: ManualClock;
  events: RecordedEvents;
  actor: Identity;
  app: FoundApp;
  /** A build that succeeds with these process types. */
  deploy(processTypes: Record<string, string>, commit?: string): Promise<Deployment>;
}

export async function testPlatform(): Promise<TestPlatform> {
  const database = await testDatabase();
  const clock = manualClock();
  const events = recordEvents();
  const ctx: Platform = {
    db: database.db,
    clock,
    vault: new Vault(randomBytes(32)),
    sizes: await DynoSizes.load(database.db),
    addresses: testAddresses,
    events,
  };
  const actor: Identity = {
    accountId: newId(),
    email: "ada@example.com",
    isAdmin: false,
    scope: ["global"],
    authorizationId: null,
  };
  const now = clock.now();
  await ctx.db
    .insertInto("accounts")
    .values({
      id: actor.accountId,
      email: actor.email,
      name: null,
      password_hash: "none",
      is_admin: false,
      created_at: now,
      updated_at: now,
    })
    .execute();
  const app = await createApp(ctx, actor, { name: "first-light" });
  events.logged.length = 0;
  return {
    ctx,
    clock,
    events,
    actor,
    app,
    deploy: async (processTypes, commit = "60883d9e8947a57e04dc9124f25df004866a2051") => {
      const source = { kind: "git" as const, folder: "/nowhere" };
      const build = await createBuild(ctx, app.id, actor, { source, version: commit, versionDescription: "A change" });
      const slug = { tree: "tree", checksum: "SHA256:00", size: 1024, processTypes, buildpacks: [], description: "Python" };
      const deployment = await buildSucceeded(ctx, build.id, slug);
      if (deployment === null) throw new Error("the build was not pending");
      return deployment;
    },
    [Symbol.asyncDispose]: async () => await database[Symbol.asyncDispose](),
  };
}
