import assert from "node:assert/strict";
import { test } from "node:test";
import { Allowance } from "./allowance.ts";

test("an allowance refills evenly over the hour, for each key by itself", () => {
  let now = 0;
  const clock = { now: () => new Date(now), sleep: async () => {}, after: () => () => {} };
  const allowance = new Allowance(2, clock);
  assert.deepEqual([allowance.spend("a"), allowance.spend("a"), allowance.spend("a")], [0, 0, 1800]);
  assert.equal(allowance.spend("b"), 0);
  now += 1_799_000;
  assert.equal(allowance.spend("a"), 1);
  now += 1_000;
  assert.equal(allowance.spend("a"), 0);
  assert.equal(allowance.spend("a"), 1800);
});
