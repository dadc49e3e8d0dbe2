import { type LineParts, partsOf } from "./line.ts";

/** Facility and severity of RFC 5424, as Logplex gives them. */
const PRIORITY = { app: 190, router: 158, heroku: 134, overflow: 172 } as const;

/** What stands in for the drain's own words about lost lines. */
const OVERFLOW = "Error L10 ";

/**
 * A line as a message of RFC 5424 behind its length (octet counting, RFC 6587), for TCP and TLS. The host is the drain's token, which
 * tells receivers the app: https://devcenter.heroku.com/articles/log-drains#drain-tokens
 */
export function syslogFrame(text: string, token: string): string {
  const head = partsOf(text);
  const message = `<${priorityOf(head)}>1 ${head.stamp} ${token} ${head.source} ${head.process} - - ${head.message}`;
  return `${Buffer.byteLength(message)} ${message}`;
}

/** A line as it stands in the body of a POST of Logplex: no structured data, a line feed at the end, which counts. */
export function logplexFrame(text: string): string {
  const head = partsOf(text);
  const message = `<${priorityOf(head)}>1 ${head.stamp} host ${head.source} ${head.process} - ${head.message}\n`;
  return `${Buffer.byteLength(message)} ${message}`;
}

function priorityOf({ source, process, message }: LineParts): number {
  if (source === "app") return PRIORITY.app;
  if (process === "router") return PRIORITY.router;
  return process === "logplex" && message.startsWith(OVERFLOW) ? PRIORITY.overflow : PRIORITY.heroku;
}
