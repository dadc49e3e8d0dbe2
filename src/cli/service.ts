export interface ServiceOptions {
  /** Folder of this installation. */
  root: string;
  /** The program that runs the bootstrap: the Node that runs this command. */
  node: string;
  /** Folder of all data. */
  home: string;
  /** Of whoever calls `zarpa service`. */
  env: Record<string, string | undefined>;
}

/** Where secrets go: everybody may read a unit. */
const SECRETS_FILE = "/etc/zarpa.env";
const SECRETS: ReadonlySet<string> = new Set(["ZARPA_ADMIN_PASSWORD", "DATABASE_URL"]);
const KEPT = /^(ZARPA_[A-Z_]+|DATABASE_URL|LANG|LC_ALL|LC_MESSAGES|https?_proxy|HTTPS?_PROXY|no_proxy|NO_PROXY)$/;

/**
 * A systemd unit that does what `npm start` does, at each start of the machine and again when the control plane ends. To stop or restart
 * the unit ends the control plane alone (`KillMode=process`): router, database and dynos serve on, and the next start takes them over.
 */
export function systemdUnit({ root, node, home, env }: ServiceOptions): string {
  const kept = Object.entries({ ...env, ZARPA_HOME: home })
    .filter(([name, value]) => KEPT.test(name) && !SECRETS.has(name) && value !== undefined && value !== "")
    .toSorted(([a], [b]) => a.localeCompare(b));
  const variables = [["PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], ...kept];
  return `[Unit]
Description=Zarpa
Documentation=file://${escaped(root)}/README.md
After=network-online.target nftables.service
Wants=network-online.target

[Service]
Type=simple
WorkingDirectory=${escaped(root)}
${variables.map(([name, value]) => `Environment=${quoted(`${name}=${value}`)}`).join("\n")}
EnvironmentFile=-${SECRETS_FILE}
ExecStartPre=${word(node)} ${word(`${root}/bin/bootstrap.mjs`)}
ExecStart=${word(`${root}/node_modules/.bin/node`)} ${word(`${root}/bin/start.ts`)}
Restart=always
RestartSec=1
TimeoutStartSec=15min
TimeoutStopSec=60
KillMode=process
Delegate=yes
TasksMax=infinity
LimitNOFILE=1048576
OOMPolicy=continue

[Install]
WantedBy=multi-user.target
`;
}

/** systemd expands % everywhere. */
function escaped(text: string): string {
  return text.replaceAll("%", "%%");
}

/** One word: quotes, and what could end them, escaped. */
function quoted(text: string): string {
  return `"${escaped(text)
    .replaceAll("\\", String.raw`\\`)
    .replaceAll('"', String.raw`\"`)
    .replaceAll("\n", String.raw`\n`)}"`;
}

/** A word of a command line, where variables would be put in. */
function word(text: string): string {
  return quoted(text).replaceAll("$", () => "$$");
}
