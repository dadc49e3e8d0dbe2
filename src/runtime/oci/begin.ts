import { constants } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { mustRun } from "../../kernel/command.ts";
import { markProcess } from "../host-process.ts";
import { HELPER_ENV, type Machine } from "./machine.ts";

const POLL_MILLISECONDS = 1;
const PATIENCE_MILLISECONDS = 10_000;

/**
 * Lets the program of a created container begin. runc's containers wait for somebody to read their pipe `exec.fifo`, and are "created" for
 * as long as it exists: reading and removing it is all that `runc start` does, and starting that program takes longer than everything else
 * here. Runtimes without such a pipe are asked in the way of the specification.
 */
export async function beginContainer(machine: Machine, id: string, pid: number): Promise<void> {
  const fifo = join(machine.runtimeState, id, "exec.fifo");
  // Without blocking: a thread that waits for a container which has died would wait for ever.
  const pipe = await open(fifo, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => null);
  if (pipe === null) {
    await mustRun([...machine.runtime, "start", id], { env: HELPER_ENV });
    return;
  }
  try {
    for (let waited = 0; ; waited += POLL_MILLISECONDS) {
      // Asked first: it may speak, run and end between the two questions.
      const isAlive = markProcess(pid) !== null;
      if (await hasSpoken(pipe)) break;
      if (!isAlive) throw new Error("the container ended before its program began");
      if (waited > PATIENCE_MILLISECONDS) throw new Error("the container does not let its program begin");
      await machine.options.clock.sleep(POLL_MILLISECONDS);
    }
  } finally {
    await pipe.close();
  }
  await rm(fifo, { force: true });
}

/** Whether the container has written; it writes when it has found the reader. */
async function hasSpoken(pipe: FileHandle): Promise<boolean> {
  try {
    return (await pipe.read(Buffer.alloc(1), 0, 1)).bytesRead > 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return false;
    throw error;
  }
}
