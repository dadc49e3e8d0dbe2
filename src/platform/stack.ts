import type { Generation, Stack } from "../contract/stack.ts";
import { invalid, notFound } from "./refusals.ts";

const SINCE = "2026-11-20T00:00:00.000Z";

const DEFAULT_STACK = "heroku-24";

/** What apps can be built on and run on. The stack is Debian with Heroku's packages, under the name that buildpacks know. */
const STACKS: readonly Stack[] = [
  {
    created_at: SINCE,
    default: true,
    id: "04cc64f9-0cd3-4d7e-b7e4-06a66f5a1b25",
    name: DEFAULT_STACK,
    state: "public",
    updated_at: SINCE,
  },
];

/** Heroku's name for the platform with classic buildpacks: https://devcenter.heroku.com/articles/generations */
export const CEDAR: Generation = {
  created_at: SINCE,
  id: "7dcd3b8c-5e6f-4f4c-8a5a-4e2f1f2f6c3a",
  name: "cedar",
  updated_at: SINCE,
};

export function listStacks(): readonly Stack[] {
  return STACKS;
}

export function findStack(nameOrId: string): Stack {
  const stack = STACKS.find(({ id, name }) => id === nameOrId || name === nameOrId);
  if (stack === undefined) throw notFound("stack");
  return stack;
}

/** The stack an app shall be built on: refuses one that is not there in words that say which are. */
export function chooseStack(nameOrId: string | undefined): Stack {
  const wished = nameOrId ?? DEFAULT_STACK;
  const stack = STACKS.find(({ id, name }) => id === wished || name === wished);
  if (stack !== undefined) return stack;
  throw invalid(`There is no stack ${wished}. Available: ${STACKS.map(({ name }) => name).join(", ")}.`);
}

export function findGeneration(nameOrId: string): Generation {
  if (nameOrId !== CEDAR.name && nameOrId !== CEDAR.id) throw notFound("generation");
  return CEDAR;
}
