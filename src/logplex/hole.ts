import { stat } from "node:fs/promises";
import { runCommand } from "../kernel/command.ts";
import type { Journal } from "../kernel/journal.ts";

/** The command that frees a stretch of a file and leaves its length as it is; `fallocate` belongs to util-linux. */
function holeArgv(path: string, offset: number, length: number): string[] {
  return ["fallocate", "--punch-hole", "--offset", String(offset), "--length", String(length), path];
}

/** Frees `length` bytes of a file from `offset` on. A file system that cannot do it is noted, not an error. */
export async function punchHole(path: string, inode: number, offset: number, length: number, journal: Journal): Promise<void> {
  try {
    // Another file may have taken the name meanwhile: its lines are not carried yet.
    if ((await stat(path)).ino !== inode) return;
    const result = await runCommand(holeArgv(path, offset, length), { env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" } });
    if (result.exitCode !== 0)
      journal.note("the space of carried output could not be given back", { path, reason: result.stderr });
  } catch (cause) {
    journal.fault("the space of carried output could not be given back", cause, { path });
  }
}
