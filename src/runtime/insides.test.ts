import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "../../test/support/clock.ts";
import { FakeAttached } from "../../test/support/fake-driver.ts";
import { newToken, tokenDigest } from "../kernel/ids.ts";
import { Insides, type InsideSession } from "./insides.ts";

test("an account has a bounded number of programs inside its dynos, waiting ones included", async () => {
  const clock = manualClock();
  const programs: FakeAttached[] = [];
  const insides = new Insides({
    driver: {
      inside: async () => {
        const program = new FakeAttached();
        programs.push(program);
        return program;
      },
    },
    log: { say: () => {} },
    clock,
    journal: { note: () => {}, fault: () => {} },
  });
  const order = (ownerId: string): InsideSession => {
    const session = { ownerId, appId: newToken(), dynoId: newToken(), process: "web.1", command: "top", env: {} };
    const expected = { ...session, hasTerminal: false, digest: tokenDigest(newToken()) };
    insides.expect(expected);
    return expected;
  };
  const full = { id: "rate_limit", message: /^Only 25 programs may run inside the dynos of an account at once/ };

  const first = order("greedy");
  for (let count = 1; count < 25; count += 1) order("greedy");
  assert.throws(() => order("greedy"), full);
  order("modest");
  await insides.claim(first.digest)?.attach();
  assert.equal(insides.areIn(first.appId), true);
  assert.throws(() => order("greedy"), full, "an attached one counts as well");
  programs[0]?.exit(0);
  await programs[0]?.exited;
  assert.equal(insides.areIn(first.appId), false);
  const second = order("greedy");
  assert.throws(() => order("greedy"), full);

  await clock.advance(31_000);
  assert.equal(insides.claim(second.digest), null);
  for (let count = 0; count < 25; count += 1) order("greedy");
});
