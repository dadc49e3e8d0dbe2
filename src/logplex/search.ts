import { readFile } from "node:fs/promises";
import { matcherOf, partsOf, stampOf } from "./line.ts";
import type { FoundLine, LogSearch } from "./ports.ts";
import { decodeRecords } from "./segment.ts";
import type { AppLog } from "./store.ts";

/**
 * The newest lines of a stored log that match, oldest first. One segment after the other is read, the newest first, so that no more than
 * what is found and one segment is in memory, and other work comes between them.
 */
export async function searchLog(log: AppLog, wanted: LogSearch): Promise<FoundLine[]> {
  const { limit, beforeId } = wanted;
  const matches = lineMatcher(wanted);
  // While somebody reads, no segment is let go of that a burst would push out.
  const leave = log.enter();
  try {
    const { segments } = await log.snapshot();
    let found: FoundLine[] = [];
    for (const segment of segments.toReversed()) {
      if (found.length >= limit) break;
      if (beforeId !== null && segment.firstId >= beforeId) continue;
      const content = await readFile(segment.path).catch(() => Buffer.alloc(0));
      const lines: FoundLine[] = [];
      for (const { id, text } of decodeRecords(content.subarray(0, segment.bytes), 0)) {
        if (beforeId !== null && id >= beforeId) break;
        if (matches(text)) lines.push({ id, text, ...partsOf(text) });
      }
      found = [...lines.slice(-(limit - found.length)), ...found];
    }
    return found;
  } finally {
    leave();
  }
}

function lineMatcher({ filter, from, to, query }: LogSearch): (text: string) => boolean {
  const passes = matcherOf(filter);
  // Stamps are all of one form, in UTC: their order as texts is that of the times.
  const first = from === null ? "" : stampOf(from);
  const end = to === null ? "~" : stampOf(to);
  const needle = query?.toLowerCase() ?? "";
  return (text) => {
    const stamp = text.slice(0, text.indexOf(" "));
    if (stamp < first || stamp >= end || !passes(text)) return false;
    return needle === "" || text.toLowerCase().includes(needle, text.indexOf("]: ") + 3);
  };
}
