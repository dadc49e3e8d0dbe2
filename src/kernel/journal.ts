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

function describe(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const inner = cause.cause === undefined ? "" : ` <- ${describe(cause.cause)}`;
  return `${cause.stack ?? cause.message}${inner}`;
}
