import { closeSync, fstatSync, openSync, renameSync, writeSync } from "node:fs";

/** Where the platform's own faults and notable events go: one line of JSON each, for the operator. Not the apps' logs. */
export interface Journal {
  note(event: string, details?: Record<string, unknown>): void;
  fault(event: string, cause: unknown, details?: Record<string, unknown>): void;
}

/** A journal that writes lines to a stream (standard error, a file). */
export function streamJournal(stream: { write(text: string): unknown }, now: () => Date): Journal {
  const write = (record: Record<string, unknown>): void => {
    stream.write(`${JSON.stringify({ at: now().toISOString(), ...record })}\n`);
  };
  return {
    note: (event, details = {}) => write({ event, ...details }),
    fault: (event, cause, details = {}) => write({ event, fault: describe(cause), ...details }),
  };
}

/**
 * A journal in a file, and one older file `<path>.1` when it has grown to `maxBytes`. Each line is written before the call returns: what is
 * said last before a crash is there. A disk that takes no more loses lines, nothing else.
 */
export function fileJournal(path: string, maxBytes: number, now: () => Date): Journal {
  let handle = openSync(path, "a", 0o600);
  const write = (text: string): void => {
    try {
      if (fstatSync(handle).size > maxBytes) {
        renameSync(path, `${path}.1`);
        const next = openSync(path, "a", 0o600);
        closeSync(handle);
        handle = next;
      }
      writeSync(handle, text);
    } catch {
      // Nobody is left to be told.
    }
  };
  return streamJournal({ write }, now);
}

function describe(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const inner = cause.cause === undefined ? "" : ` <- ${describe(cause.cause)}`;
  return `${cause.stack ?? cause.message}${inner}`;
}
