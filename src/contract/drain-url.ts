/** Where a log drain leads: https://devcenter.heroku.com/articles/log-drains */
export interface DrainAddress {
  /** `syslog`: TCP with octet counting (RFC 6587); `https`: batches in Logplex's own format. */
  kind: "syslog" | "https";
  tls: boolean;
  /** Whether the receiver's certificate has to be good; `#insecure` at the end of a syslog+tls URL says no. */
  verify: boolean;
  /** Host name or IP address, without brackets. */
  host: string;
  port: number;
}

/** Longer ones are mistakes. */
export const MAX_DRAIN_URL_LENGTH = 2_000;

const KINDS: Record<string, { kind: DrainAddress["kind"]; tls: boolean; port: number }> = {
  "syslog:": { kind: "syslog", tls: false, port: 514 },
  "syslog+tls:": { kind: "syslog", tls: true, port: 6514 },
  "https:": { kind: "https", tls: true, port: 443 },
  "http:": { kind: "https", tls: false, port: 80 },
};

/** The address in a drain's URL; null when it is none. */
export function parseDrainUrl(text: string): DrainAddress | null {
  if (text.length > MAX_DRAIN_URL_LENGTH || !URL.canParse(text)) return null;
  const url = new URL(text);
  const known = KINDS[url.protocol];
  if (known === undefined || url.hostname === "" || url.port === "0") return null;
  const { kind, tls, port } = known;
  return {
    kind,
    tls,
    verify: !(kind === "syslog" && url.hash === "#insecure"),
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? port : Number(url.port),
  };
}
