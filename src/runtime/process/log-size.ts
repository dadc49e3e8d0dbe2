import { stat, truncate } from "node:fs/promises";
import type { Host } from "./host.ts";

/** A dyno's unread output is thrown away at this size: a flood fills no disk. */
const MAX_LOG_BYTES = 64 * 1024 * 1024;
const LOOK_MILLISECONDS = 5000;

/** Keeps the output files of plain processes, which write them without a reader in between, from growing for ever. */
export function boundLogs(host: Host): () => void {
  const { clock, journal } = host.options;
  let ended = false;
  let cancel = (): void => {};
  const look = async (): Promise<void> => {
    for (const id of await host.folders.ids()) {
      const path = (await host.folders.read(id))?.logPath ?? null;
      if (path === null) continue;
      const size = (await stat(path).catch(() => null))?.size ?? 0;
      // The program appends: what it writes next goes to the new beginning.
      if (size > MAX_LOG_BYTES) await truncate(path);
    }
  };
  const again = (): void => {
    if (ended) return;
    cancel = clock.after(LOOK_MILLISECONDS, () => {
      void look()
        .catch((error: unknown) => journal.fault("process.log", error))
        .finally(again);
    });
  };
  again();
  return () => {
    ended = true;
    cancel();
  };
}
