import type { Clock } from "../kernel/clock.ts";

/** Proxies cut idle connections after a minute. */
const KEEP_ALIVE_MS = 15_000;
/** How soon a client that lost its tail comes back. */
const RETRY_MS = 1_000;

/** Server-sent events of numbered lines, with comments while nothing comes: https://html.spec.whatwg.org/multipage/server-sent-events.html */
export async function* eventStream(lines: AsyncIterable<{ id: number; text: string }>, clock: Clock): AsyncGenerator<string> {
  // Sent at once, so that the client knows that the stream is open.
  yield `retry: ${RETRY_MS}\n\n`;
  const iterator = lines[Symbol.asyncIterator]();
  try {
    let next = iterator.next();
    for (;;) {
      const idle = Promise.withResolvers<null>();
      const cancel = clock.after(KEEP_ALIVE_MS, () => idle.resolve(null));
      const line = await Promise.race([next, idle.promise]);
      cancel();
      if (line === null) {
        yield ": keep-alive\n\n";
        continue;
      }
      if (line.done === true) return;
      yield formatEvent(line.value);
      next = iterator.next();
    }
  } finally {
    await iterator.return?.();
  }
}

/** One event; a text with line breaks becomes several `data` lines. */
export function formatEvent({ id, text }: { id: number; text: string }): string {
  const data = text.split(/\r\n|\n|\r/).map((line) => `data: ${line}\n`);
  return `id: ${id}\n${data.join("")}\n`;
}
