import { parentPort } from "node:worker_threads";
import { seal, type SealOrder } from "./seal.ts";
import { verify } from "./verify.ts";

/** What the thread is for: thousands of small synchronous file operations that must not stop the control plane. */
export type SlugTask = { kind: "seal"; order: SealOrder } | { kind: "verify"; slugs: string; tree: string };

// One task, then the thread ends: it listens no more.
parentPort?.once("message", (task: SlugTask) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
  parentPort?.postMessage(task.kind === "seal" ? seal(task.order) : verify(task.slugs, task.tree));
});
