import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findHostBundle, proxies } from "../bin/setup/programs.ts";
import { ensureUv } from "../bin/setup/uv.ts";
import { ensureStack } from "../src/builder/stack.ts";
import { HandRoot } from "./hand-root.ts";

const CACHE = join(import.meta.dirname, "..", ".cache");

/** What every bench finds ready: the stack, uv, the host's certificates; those of the tests. */
export interface WorkPlace {
  stack: string;
  uv: string;
  certificates: string;
}

export async function prepareWorkPlace(say: (text: string) => void): Promise<WorkPlace> {
  const certificates = findHostBundle();
  if (certificates === null) throw new Error("this machine has no certificates: install the package ca-certificates");
  await mkdir(CACHE, { recursive: true });
  let announced = "";
  const onProgress = (step: string): void => {
    if (step !== announced) say(`stack: ${step}`);
    announced = step;
  };
  const stacksFolder = join(CACHE, "stacks");
  const stack = await ensureStack({ name: "heroku-24", stacksFolder, caBundle: certificates, proxies: proxies(), onProgress });
  return { stack, uv: await ensureUv(join(CACHE, "tools")), certificates };
}

export async function openHandRoot(place: WorkPlace): Promise<HandRoot> {
  return await HandRoot.open({ folder: await mkdtemp(join(tmpdir(), "zarpa-bench-hand-")), ...place });
}
