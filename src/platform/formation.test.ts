import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { testPlatform } from "../../test/support/platform.ts";
import { applyUpdates, type FormationRow, type FormationUpdate, listFormation, updateFormation } from "./formation.ts";

const stamp = new Date(0);
const shared = await testPlatform();
const { sizes } = shared.ctx;
after(async () => await shared[Symbol.asyncDispose]());

function row(type: string, quantity: number, size: string): FormationRow {
  return { id: `id-${type}`, app_id: "app", type, quantity, size, command: type, created_at: stamp, updated_at: stamp };
}

function scale(formation: FormationRow[], ...updates: FormationUpdate[]): string {
  return applyUpdates(sizes, formation, updates)
    .map(({ type, quantity, size }) => `${type}=${quantity}:${size}`)
    .join(" ");
}

describe("scaling", () => {
  const formation = [row("web", 1, "Standard-1X"), row("worker", 3, "Standard-1X")];

  test("takes numbers, texts and relative quantities, and sizes in any case", () => {
    assert.equal(scale(formation, { type: "web", quantity: 2 }), "web=2:Standard-1X worker=3:Standard-1X");
    assert.equal(scale(formation, { type: "web", quantity: "4" }), "web=4:Standard-1X worker=3:Standard-1X");
    assert.equal(scale(formation, { type: "worker", quantity: "+2" }), "web=1:Standard-1X worker=5:Standard-1X");
    assert.equal(scale(formation, { type: "worker", quantity: "-1" }), "web=1:Standard-1X worker=2:Standard-1X");
    assert.equal(scale(formation, { type: "web", quantity: "-5" }), "web=0:Standard-1X worker=3:Standard-1X");
    assert.equal(scale(formation, { type: "id-web", size: "performance-m" }), "web=1:Performance-M worker=3:Standard-1X");
    assert.equal(scale(formation, { type: "web", size: "2x" }), "web=1:Standard-2X worker=3:Standard-1X");
  });

  test("refuses what is not there and what makes no sense", () => {
    assert.throws(
      () => scale(formation, { type: "clock", quantity: 1 }),
      /Couldn't find that process type \(clock\).*web, worker/,
    );
    assert.throws(() => scale([], { type: "web", quantity: 1 }), /Deploy the app first/);
    assert.throws(() => scale(formation, { type: "web", size: "giant" }), /Couldn't find that dyno size \(giant\)/);
    for (const quantity of [-1, 1.5, "two", "", "1e3", "99999999999"]) {
      assert.throws(() => scale(formation, { type: "web", quantity }), /Invalid quantity for web/);
    }
    assert.throws(() => scale([row("release", 0, "Eco")], { type: "release", quantity: 1 }), /cannot be scaled/);
  });

  test("keeps each size's limit", () => {
    const eco = [row("web", 1, "Eco"), row("worker", 0, "Eco")];
    assert.throws(() => scale(eco, { type: "web", quantity: 2 }), /more than 1 Eco size dynos per process type/);
    assert.throws(() => scale(eco, { type: "web", quantity: 2, size: "basic" }), /more than 1 Basic size dynos/);
    assert.throws(() => scale(formation, { type: "web", quantity: 101 }), /more than 100 Standard-1X size dynos/);
    assert.throws(() => scale(formation, { type: "web", quantity: 11, size: "performance-l" }), /more than 10 Performance-L/);
    assert.equal(scale(eco, { type: "web", quantity: 2, size: "standard-1x" }), "web=2:Standard-1X worker=0:Standard-1X");
  });

  test("does not mix small and professional sizes", () => {
    const eco = [row("web", 1, "Eco"), row("worker", 1, "Eco")];
    assert.throws(() => scale(eco, { type: "web", size: "standard-1x" }), /Cannot mix Eco dynos \(worker\) with Standard-1X/);
    const both = ["web", "worker"].map((type) => ({ type, size: "standard-2x" }));
    assert.equal(scale(eco, ...both), "web=1:Standard-2X worker=1:Standard-2X");
    assert.equal(scale(eco, { type: "web", size: "basic" }), "web=1:Basic worker=1:Eco");
  });
});

test("a first deploy runs one web dyno; later ones keep quantities; types that are gone are not shown", async () => {
  await using platform = await testPlatform();
  const { ctx, app, actor } = platform;
  const shown = async (): Promise<string> =>
    (await listFormation(ctx.db, app.id)).map(({ type, quantity }) => `${type}=${quantity}`).join(" ");
  assert.equal(await shown(), "");
  await platform.deploy({ web: "w", worker: "k", clock: "c" });
  assert.equal(await shown(), "clock=0 web=1 worker=0");
  await updateFormation(ctx, app.id, actor, [{ type: "worker", quantity: 1 }]);
  assert.equal(platform.events.logged.at(-1), `app[api]: Scaled to worker@1:Eco by user ${actor.email}`);
  await platform.deploy({ web: "w2", clock: "c" });
  assert.equal(await shown(), "clock=0 web=1");
  await platform.deploy({ web: "w2", worker: "k2" });
  assert.equal(await shown(), "web=1 worker=1");
});

test("relative changes at once add up, and what changes nothing is not logged", async () => {
  await using platform = await testPlatform();
  const { ctx, app, actor } = platform;
  await platform.deploy({ web: "w" });
  await updateFormation(ctx, app.id, actor, [{ type: "web", size: "standard-1x" }]);
  const lines = platform.events.logged.length;
  await Promise.all(
    Array.from({ length: 8 }, async () => await updateFormation(ctx, app.id, actor, [{ type: "web", quantity: "+1" }])),
  );
  assert.equal((await listFormation(ctx.db, app.id))[0]?.quantity, 9);
  await updateFormation(ctx, app.id, actor, [{ type: "web", quantity: 9 }]);
  assert.equal(platform.events.logged.length, lines + 8);
});
