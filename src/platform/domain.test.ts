import assert from "node:assert/strict";
import { it } from "node:test";
import { newId } from "../kernel/ids.ts";
import { testPlatform } from "../../test/support/platform.ts";
import { createApp } from "./app.ts";
import { addDomain, removeDomain } from "./domain.ts";
import type { Identity } from "./identity.ts";

it("keeps a wildcard domain and what is under it with one account", async () => {
  await using test = await testPlatform();
  const { ctx, app, actor } = test;
  const stranger: Identity = { ...actor, accountId: newId(), email: "eve@example.com" };
  const now = ctx.clock.now();
  await ctx.db
    .insertInto("accounts")
    .values({
      id: stranger.accountId,
      email: stranger.email,
      name: null,
      password_hash: "none",
      is_admin: false,
      created_at: now,
      updated_at: now,
    })
    .execute();
  const theirs = await createApp(ctx, stranger, { name: "their-app" });
  const second = await createApp(ctx, actor, { name: "second-light" });
  await addDomain(ctx, app, "*.example.com");
  await addDomain(ctx, second, "www.example.com");
  await assert.rejects(addDomain(ctx, theirs, "shop.example.com"), /\*\.example\.com belongs to another account/);
  await assert.rejects(addDomain(ctx, theirs, "a.b.example.com"), /belongs to another account/);
  await assert.rejects(addDomain(ctx, theirs, "*.eu.example.com"), /belongs to another account/);
  await addDomain(ctx, theirs, "example.com");
  await addDomain(ctx, theirs, "notexample.com");
  await addDomain(ctx, theirs, "www.example.org");
  await assert.rejects(addDomain(ctx, app, "*.example.org"), /www\.example\.org belongs to another account/);
  await removeDomain(ctx, theirs, "www.example.org");
  await addDomain(ctx, app, "*.example.org");
});

it("gives nobody a name of the platform's", async () => {
  await using test = await testPlatform();
  const ctx = { ...test.ctx, addresses: { ...test.ctx.addresses, domain: "apps.school.example" } };
  for (const host of ["apps.school.example", "x.apps.school.example", "*.apps.school.example", "*.school.example", "*.example"]) {
    await assert.rejects(addDomain(ctx, test.app, host), /reserved|not a host name/, host);
  }
  await addDomain(ctx, test.app, "www.school.example");
});
