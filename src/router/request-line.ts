/** One request, ready for the app's log: source `heroku`, process `router`. */
export interface RequestLine {
  appId: string;
  at: Date;
  /** The app's dynos gave no answer, or not all of it, and not for a reason of the client's. */
  failed: boolean;
  message: string;
}

/** What nginx's error log says of a request that was cut short: the dyno went silent, or closed the connection. */
export type Cut = "timeout" | "backend";

interface Code {
  desc: string;
  level?: "info" | "warning";
  /** Who interrupted. */
  sock?: "client" | "backend";
  /** What Heroku prints where our status line had gone out already, or was another one. */
  status?: number;
}

/** Heroku's article "Error Codes". */
const CODES: Record<string, Code> = {
  H10: { desc: "App crashed" },
  H11: { desc: "Backlog too deep" },
  H12: { desc: "Request timeout" },
  H13: { desc: "Connection closed without response" },
  H14: { desc: "No web processes running" },
  H15: { desc: "Idle connection", status: 503 },
  H17: { desc: "Poorly formatted HTTP response" },
  H18: { desc: "Server Request Interrupted", sock: "backend", status: 503 },
  H19: { desc: "Backend connection timeout" },
  H20: { desc: "App boot timeout" },
  H21: { desc: "Backend connection refused" },
  H24: { desc: "Forced close" },
  H25: { desc: "HTTP restriction" },
  H26: { desc: "Request Error" },
  H27: { desc: "Client Request Interrupted", level: "warning", sock: "client", status: 499 },
  H28: { desc: "Client Connection Idle", level: "warning", sock: "client", status: 499 },
  H31: { desc: "Misdirected Request" },
  H32: { desc: "TLS Certificate Mismatch" },
  H33: { desc: "HTTP/2 Stream Broken", level: "warning", sock: "client", status: 499 },
  H34: { desc: "All up dynos are quarantined" },
  H80: { desc: "Maintenance mode", level: "info" },
  H82: { desc: "You've used up your dyno hour pool" },
  H81: { desc: "Blank app", level: "info" },
  H99: { desc: "Platform error" },
};
/** These never reached a dyno's answer: the time went into the connection, if there was one. */
const UNCONNECTED = new Set(["H19", "H21"]);

const FIRST_SERVER_ERROR = 500;

const FIELDS = [
  "seconds",
  "route",
  "code",
  "method",
  "uri",
  "host",
  "requestId",
  "forwarded",
  "connectTimes",
  "responseTimes",
  "requestTime",
  "upstreamStatuses",
  "status",
  "bytes",
  "protocol",
  "tls",
  "completion",
  "connection",
] as const;
type Fields = Record<(typeof FIELDS)[number], string>;

/**
 * Heroku's router line of one line of nginx's request log (`log_format zarpa`); null when it is none. nginx has escaped quotes and
 * control characters in all that came from the client, and they stay escaped: nothing in a path can look like another member or line.
 */
export function requestLine(line: string, cutOf: (connection: string) => Cut | null): RequestLine | null {
  const values = line.split("\t");
  const seconds = Number(values[0]);
  if (values.length !== FIELDS.length || !Number.isFinite(seconds)) return null;
  const fields = Object.fromEntries(FIELDS.map((name, index) => [name, values[index] ?? ""])) as Fields;
  const [appId = "", dyno = ""] = fields.route.split(" ");
  const [code = null, ...words] = codeOf(fields, cutOf)?.split(" ") ?? [];
  const detail = words.join(" ");
  const about = code === null ? null : (CODES[code] ?? { desc: "Platform error" });
  const members = [
    about?.sock === undefined ? "" : `sock=${about.sock}`,
    `at=${about === null ? "info" : (about.level ?? "error")}`,
    about === null ? "" : `code=${code} desc="${about.desc}${code === "H25" ? `: ${detail}` : ""}"`,
    code === "H26" ? `cause="${detail}"` : "",
    `method=${fields.method} path="${fields.uri}" host=${fields.host.replace(/:\d+$/, "")} request_id=${fields.requestId}`,
    `fwd="${fields.forwarded}" dyno=${dyno} ${times(fields, code)}`,
    `status=${about?.status ?? fields.status} bytes=${fields.bytes} ${protocolOf(fields)}`,
  ];
  const failed = about !== null && about.level === undefined && Number(about.status ?? fields.status) >= FIRST_SERVER_ERROR;
  return { appId, at: new Date(seconds * 1000), failed, message: members.filter((member) => member !== "").join(" ") };
}

function codeOf(fields: Fields, cutOf: (connection: string) => Cut | null): string | null {
  if (fields.code !== "") return fields.code;
  const left = fields.protocol === "HTTP/2.0" ? "H33" : "H27";
  if (fields.status === "499") return left;
  const answered = lastOf(fields.upstreamStatuses) === fields.status;
  // nginx's own: the client was too slow with its body, or sent a broken one.
  if (!answered && fields.status === "408") return "H28";
  if (!answered && fields.status === "400") return "H26 bad chunk";
  const cut = cutOf(fields.connection);
  if (cut === "timeout") return "H15";
  // A WebSocket has no complete response: it ends when either side wishes.
  if (fields.status === "101") return null;
  if (cut === "backend") return "H18";
  return fields.completion === "OK" ? null : left;
}

function times(fields: Fields, code: string | null): string {
  if (code !== null && UNCONNECTED.has(code)) return `connect=${milliseconds(fields.requestTime)} service=`;
  const tries = listOf(fields.connectTimes).filter((time) => time !== "-");
  if (tries.length === 0) return "connect= service=";
  const connect = tries.reduce((sum, time) => sum + Number(time), 0);
  return `connect=${milliseconds(String(connect))} service=${milliseconds(lastOf(fields.responseTimes))}`;
}

function milliseconds(seconds: string): string {
  return `${Math.round(Number(seconds) * 1000)}ms`;
}

function protocolOf(fields: Fields): string {
  if (fields.tls === "-" || fields.tls === "") return "protocol=http";
  if (fields.protocol !== "HTTP/2.0") return "protocol=https";
  return `protocol=http2.0 tls=true tls_version=${fields.tls.toLowerCase().replace(/^tlsv/, "tls")}`;
}

/** nginx parts the attempts by commas, and those before and after an internal redirect by colons. */
function listOf(text: string): string[] {
  return text.split(/\s*[,:]\s+/).filter((part) => part !== "");
}

function lastOf(text: string): string {
  return listOf(text).at(-1) ?? "";
}

/** The connection that a line of nginx's error log is about, and how its request was cut short; null for all other lines. */
export function cutLine(line: string): { connection: string; cut: Cut } | null {
  const [, connection, text] = /^\S+ \S+ \[error\] \d+#\d+: \*(\d+) (.*)/.exec(line) ?? [];
  if (connection === undefined || text === undefined) return null;
  if (!/ while (reading upstream|sending to client)/.test(text)) return null;
  if (text.startsWith("upstream timed out")) return { connection, cut: "timeout" };
  return { connection, cut: "backend" };
}
