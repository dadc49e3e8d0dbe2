import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** How far a drain has come, and what it still has to say about lines that got lost. */
export interface DrainPosition {
  /** Id of the last line that is delivered. */
  lastId: number;
  /** Lines lost since the receiver was last told. */
  dropped: number;
  /** ISO 8601; null: none are lost. */
  droppedSince: string | null;
}

/** Beside the app's log, so that it goes with it. */
function pathOf(folder: string, drainId: string): string {
  return join(folder, `drain-${drainId}.json`);
}

/** Null: the drain is new, or a power cut has emptied the file. */
export async function readPosition(folder: string, drainId: string): Promise<DrainPosition | null> {
  try {
    return JSON.parse(await readFile(pathOf(folder, drainId), "utf8")) as DrainPosition;
  } catch {
    return null;
  }
}

export async function writePosition(folder: string, drainId: string, position: DrainPosition): Promise<void> {
  const path = pathOf(folder, drainId);
  await writeFile(`${path}.new`, JSON.stringify(position), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

export async function removePosition(folder: string, drainId: string): Promise<void> {
  await rm(pathOf(folder, drainId), { force: true });
}
