import { watch } from "node:fs";
import type { Clock } from "../kernel/clock.ts";
import type { Journal } from "../kernel/journal.ts";
import type { DynoFolders } from "./dyno-folders.ts";

/** Exit files are announced by the kernel at once; the sweep is for dynos whose monitor died and for lost announcements. */
const SWEEP_MILLISECONDS = 5000;

/**
 * Calls back once with the exit of each dyno, those included that had ended before and are not yet removed. The returned function ends
 * the watching.
 */
export function watchExits(
  folders: DynoFolders,
  clock: Clock,
  journal: Journal,
  onExit: (exit: { dynoId: string; exitCode: number }) => void,
): () => void {
  const told = new Set<string>();
  let ended = false;
  let sweeping = false;
  let again = false;
  let cancel = (): void => {};

  const sweep = async (): Promise<void> => {
    const seen = await folders.observe();
    for (const dynoId of told) if (!seen.some((dyno) => dyno.dynoId === dynoId)) told.delete(dynoId);
    for (const { dynoId, exitCode } of seen) {
      if (ended || exitCode === null || told.has(dynoId)) continue;
      told.add(dynoId);
      onExit({ dynoId, exitCode });
    }
  };
  const look = (): void => {
    again = true;
    if (sweeping || ended) return;
    sweeping = true;
    cancel();
    const rounds = async (): Promise<void> => {
      while (again) {
        again = false;
        await sweep().catch((error: unknown) => journal.fault("runtime.exits", error));
      }
      sweeping = false;
      if (!ended) cancel = clock.after(SWEEP_MILLISECONDS, look);
    };
    void rounds();
  };

  const watcher = watch(folders.exits, look);
  watcher.on("error", (error) => journal.fault("runtime.exits.watch", error));
  look();
  return () => {
    ended = true;
    cancel();
    watcher.close();
  };
}
