import { parentPort } from "node:worker_threads";
import { seal, type SealOrder } from "./seal.ts";
import { makeSpares, type SpareOrder } from "./spare.ts";
import { verify } from "./verify.ts";

/** What the thread is for: thousands of small synchronous file operations that must not stop the control plane. */
export type SlugTask =
  | { kind: "seal"; order: SealOrder }
  | { kind: "verify"; slugs: string; tree: string }
  | { kind: "spare"; order: SpareOrder };

// One task, then the thread ends: it listens no more.
parentPort?.once("message", (task: SlugTask) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
  parentPort?.postMessage(perform(task));
});

function perform(task: SlugTask): unknown {
  if (task.kind === "seal") return seal(task.order);
  if (task.kind === "verify") return verify(task.slugs, task.tree);
  return makeSpares(task.order);
}
