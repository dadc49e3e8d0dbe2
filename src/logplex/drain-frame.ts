/** Facility and severity of RFC 5424, as Logplex gives them. */
const PRIORITY = { app: 190, router: 158, heroku: 134, overflow: 172 } as const;

/** What stands in for the drain's own words about lost lines. */
const OVERFLOW = "Error L10 ";

interface Head {
  stamp: string;
  source: string;
  process: string;
  message: string;
}

/** The parts of a line as it is stored: `<stamp> <source>[<process>]: <message>`. */
function partsOf(text: string): Head {
  const space = text.indexOf(" ");
  const bracket = text.indexOf("[", space);
  const end = text.indexOf("]: ", bracket);
  return {
    stamp: text.slice(0, space),
    source: text.slice(space + 1, bracket),
    process: text.slice(bracket + 1, end),
    message: text.slice(end + 3),
  };
}

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

function priorityOf({ source, process, message }: Head): number {
  if (source === "app") return PRIORITY.app;
  if (process === "router") return PRIORITY.router;
  return process === "logplex" && message.startsWith(OVERFLOW) ? PRIORITY.overflow : PRIORITY.heroku;
}
