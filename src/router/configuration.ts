/** Everything the nginx configuration is made of. Paths are absolute. */
export interface RouterConfiguration {
  /** nginx's prefix; the worker user may enter it. */
  folder: string;
  /** Folder of our Lua modules (`zarpa/routes.lua`, …). */
  luaFolder: string;
  /** The loadable modules, in the order of loading. */
  modules: string[];
  /** nginx's own version, `[1, 22, 1]`: HTTP/2 is written in two ways. */
  version: readonly [number, number, number];
  /** User and group of the workers when the master is root; null: they stay the user that starts nginx. */
  worker: { user: string; group: string } | null;
  workers: number;
  port: number;
  tlsPort: number;
  /** Also listen on IPv6. */
  ipv6: boolean;
  /** The platform's domain: it, `api.` and `git.` of it, and the loopback names are the control plane's. */
  domain: string;
  certificate: { certFile: string; keyFile: string };
  platformSocket: string;
  feedSocket: string;
  /** Where the control plane hears which sleeping apps are asked for. */
  wakeSocket: string;
  /** Most open files that nginx may ask for. */
  openFiles: number;
  limits: RouterLimits;
  /** What the feed answers to "which configuration runs?". */
  stamp: string;
}

/** How long things may take, in milliseconds. */
export interface RouterLimits {
  /** One attempt to connect to a dyno: H19, H21. */
  connect: number;
  /** From the connection to the first byte of the answer: H12. */
  firstByte: number;
  /** Silence of a stream or of the client: H15, H28. */
  idle: number;
  /** How long a request waits for a dyno that boots: H20. */
  boot: number;
  /** How long a dyno that refused a connection is left out, when there are others. */
  quarantine: number;
}

/** Heroku's (article "HTTP Routing"). */
export const HEROKU_LIMITS: RouterLimits = { connect: 5_000, firstByte: 30_000, idle: 55_000, boot: 75_000, quarantine: 5_000 };

/** File names under the router's folder, shared by the configuration and those who read or replace the files. */
export const ROUTER_FILES = {
  configuration: "nginx.conf",
  pid: "nginx.pid",
  errors: "error.log",
  requests: "requests.log",
  snapshot: "routes",
  temp: "temp",
} as const;

const CLIENT_KEEP_ALIVE_SECONDS = 60;
const HEADER_LINE_BYTES = 8192;
/**
 * Below the idle time of every common app server (gunicorn 2 s, Node 5 s, Puma 20 s): a pooled connection is never used in the moment
 * the dyno closes it.
 */
const POOLED_IDLE_MILLISECONDS = 1500;
const POOLED_CONNECTIONS = 128;
const REQUESTS_PER_CONNECTION = 100_000;
/** Holds the whole response header, which Heroku allows to be far larger than nginx's usual 4 KB. */
const RESPONSE_HEADER_BYTES = 65_536;
const ROUTES_DICTIONARY = "64m";
const REQUEST_LOG_FLUSH_MILLISECONDS = 200;
/** Git pushes, log tails and build output last as long as they last. */
const PLATFORM_SECONDS = 3 * 3600;
const WORKER_CONNECTIONS = 8192;
const OPEN_FILES = 65_536;
/** How long a reloaded nginx's former workers may finish their requests and WebSockets. */
const WIND_DOWN_SECONDS = 600;

/** The nginx.conf of the router; the same input gives the same text, so that a running nginx is left alone when nothing changed. */
export function nginxConfiguration(input: RouterConfiguration): string {
  const file = (name: keyof typeof ROUTER_FILES): string => `${input.folder}/${ROUTER_FILES[name]}`;
  const { worker } = input;
  return `# Written by Zarpa's router at each start: changes made here are lost.
${input.modules.map((module) => `load_module ${quoted(module)};`).join("\n")}
${worker === null ? "" : `user ${quoted(worker.user)} ${quoted(worker.group)};\n`}worker_processes ${input.workers};
worker_rlimit_nofile ${Math.min(input.openFiles, OPEN_FILES)};
worker_shutdown_timeout ${WIND_DOWN_SECONDS}s;
pid ${quoted(file("pid"))};
error_log ${quoted(file("errors"))} error;
pcre_jit on;
events {
  worker_connections ${Math.min(WORKER_CONNECTIONS, Math.floor(input.openFiles / 2))};
  multi_accept on;
}
http {
  server_tokens off;
  access_log off;
${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `  ${kind}_temp_path ${quoted(`${file("temp")}/${kind}`)};`).join("\n")}
  lua_package_path ${quoted(`${luaPath(input.luaFolder)}/?.lua;/usr/share/lua/5.1/?.lua;;`)};
  lua_shared_dict zarpa_table ${ROUTES_DICTIONARY};
  init_by_lua_block {
    zarpa_routes = require("zarpa.routes")
    zarpa_lane = require("zarpa.lane")
    zarpa_failure = require("zarpa.failure")
    zarpa_feed = require("zarpa.feed")
    require("zarpa.wake").socket = ${luaText(`unix:${input.wakeSocket}`)}
    zarpa_lane.boot_seconds = ${input.limits.boot / 1000}
    zarpa_routes.quarantine_seconds = ${input.limits.quarantine / 1000}
    zarpa_feed.restore(${luaText(file("snapshot"))})
  }
  init_worker_by_lua_block { math.randomseed(ngx.worker.pid() + ngx.now() * 1000) }
${LOG_FORMAT}
${MAPS}
  tcp_nodelay on;
  keepalive_timeout ${CLIENT_KEEP_ALIVE_SECONDS}s;
  keepalive_requests ${REQUESTS_PER_CONNECTION};
  client_header_timeout 30s;
  client_body_timeout ${input.limits.idle}ms;
  send_timeout ${input.limits.idle}ms;
  client_header_buffer_size 2k;
  large_client_header_buffers 4 ${HEADER_LINE_BYTES};
  client_max_body_size 0;
  merge_slashes off;
  server_names_hash_bucket_size 512;
  proxy_http_version 1.1;
  proxy_request_buffering off;
  proxy_buffering off;
  ssl_certificate ${quoted(input.certificate.certFile)};
  ssl_certificate_key ${quoted(input.certificate.keyFile)};
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:zarpa_tls:4m;

  upstream zarpa_dynos {
    server 0.0.0.1;
    balancer_by_lua_block { zarpa_routes.balance() }
    keepalive ${POOLED_CONNECTIONS};
    keepalive_timeout ${POOLED_IDLE_MILLISECONDS}ms;
    keepalive_requests ${REQUESTS_PER_CONNECTION};
  }
  upstream zarpa_platform { server ${quoted(`unix:${input.platformSocket}`)}; }

${appsServer(input, file("requests"))}
${platformServer(input)}
${feedServer(input)}
}
`;
}

/** One line a request, fields parted by tabs; nginx writes quotes and control characters in values as \\xHH, so no value can forge one. */
const LOG_FORMAT = `  log_format zarpa "$msec\\t$zarpa_dyno\\t$zarpa_code\\t$request_method\\t$request_uri\\t$http_host\\t$zarpa_request_id\\t"
    "$proxy_add_x_forwarded_for\\t$upstream_connect_time\\t$upstream_response_time\\t$request_time\\t$upstream_status\\t$status\\t$body_bytes_sent\\t"
    "$server_protocol\\t$ssl_protocol\\t$request_completion\\t$connection";`;

const MAPS = `  # A request id of the client's is kept when it is harmless; else a random UUID (version 4) is made of nginx's own.
  map $request_id $zarpa_new_id {
    "~^(.{8})(.{4}).(.{3}).(.{3})(.{12})$" "$1-$2-4$3-a$4-$5";
  }
  map $http_x_request_id $zarpa_request_id {
    "" $zarpa_new_id;
    "~^[A-Za-z0-9._=+/-]{20,200}$" $http_x_request_id;
    default $zarpa_new_id;
  }
  map $msec $zarpa_start { "~^(\\d+)\\.(\\d+)$" "$1$2"; }
  map $http_via $zarpa_via { "" "1.1 heroku-router"; default "$http_via, 1.1 heroku-router"; }
  map $http_upgrade $zarpa_connection { "" ""; default upgrade; }
  map $http_accept $zarpa_stream { text/event-stream 1; default ""; }
  map $http_upgrade$http_expect$zarpa_stream $zarpa_special { "" ""; default 1; }`;

/** What a dyno is told about its client: forwarded headers as Heroku adds them, hop-by-hop headers taken away. */
function dynoHeaders(upgrade: boolean): string {
  return `    proxy_set_header Host $http_host;
    proxy_set_header Connection ${upgrade ? "$zarpa_connection" : '""'};
    proxy_set_header Upgrade ${upgrade ? "$http_upgrade" : '""'};
    proxy_set_header Proxy "";
    proxy_set_header Proxy-Connection "";
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Port $server_port;
    proxy_set_header X-Request-Id $zarpa_request_id;
    proxy_set_header X-Request-Start $zarpa_start;
    proxy_set_header Via $zarpa_via;`;
}

function appsServer(input: RouterConfiguration, requestLog: string): string {
  return `  server {
${listen(input, " default_server")}
    server_name _;
    access_log ${quoted(requestLog)} zarpa buffer=64k flush=${REQUEST_LOG_FLUSH_MILLISECONDS}ms if=$zarpa_dyno;
    recursive_error_pages on;
    set $zarpa_code "";
    proxy_connect_timeout ${input.limits.connect}ms;
    proxy_send_timeout ${input.limits.idle}ms;
    proxy_read_timeout ${input.limits.firstByte}ms;
    proxy_buffer_size ${RESPONSE_HEADER_BYTES};
    proxy_buffers 4 ${RESPONSE_HEADER_BYTES};
    proxy_busy_buffers_size ${2 * RESPONSE_HEADER_BYTES};
    proxy_next_upstream error timeout;
    # What an app says to nginx itself is not obeyed: X-Accel-Redirect would open other locations to it. All of it goes to the client.
    proxy_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate X-Accel-Buffering X-Accel-Charset;
    proxy_pass_header Server;
    proxy_pass_header Date;
    add_header Via "1.1 heroku-router" always;
    error_page 418 = @lane;
    error_page 500 502 504 = @failed;

    # The straight way: an app that is up, an ordinary request. No coroutine, one look into the table.
    location / {
      set_by_lua_block $zarpa_dyno { return zarpa_routes.route() }
      if ($zarpa_dyno = "") { return 418; }
      if ($zarpa_special) { return 418; }
${dynoHeaders(false)}
      proxy_pass http://zarpa_dynos;
    }
    # Everything else: states that answer themselves or hold the request, upgrades, streams.
    location @lane {
      lua_check_client_abort on;
      access_by_lua_block { zarpa_lane.enter() }
      proxy_read_timeout ${input.limits.idle}ms;
${dynoHeaders(true)}
      proxy_pass http://zarpa_dynos;
    }
    location @failed { content_by_lua_block { zarpa_failure.answer() } }
  }`;
}

function platformServer(input: RouterConfiguration): string {
  const names = new Set(["localhost", "127.0.0.1", "[::1]"]);
  for (const name of [input.domain, `api.${input.domain}`, `git.${input.domain}`]) names.add(name);
  return `  server {
${listen(input, "")}
    server_name ${[...names].map(quoted).join(" ")};
    proxy_connect_timeout ${input.limits.connect}ms;
    proxy_send_timeout ${PLATFORM_SECONDS}s;
    proxy_read_timeout ${PLATFORM_SECONDS}s;
    send_timeout ${PLATFORM_SECONDS}s;
    client_body_timeout ${PLATFORM_SECONDS}s;
    proxy_buffer_size 32k;
    proxy_buffers 4 32k;
    proxy_set_header Host $http_host;
    proxy_set_header Connection $zarpa_connection;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Port $server_port;
    error_page 502 504 = @platform_down;
    location / { proxy_pass http://zarpa_platform; }
    location @platform_down { content_by_lua_block { zarpa_failure.platform_down() } }
  }`;
}

function feedServer(input: RouterConfiguration): string {
  return `  server {
    listen ${quoted(`unix:${input.feedSocket}`)};
    client_body_buffer_size 1m;
    location = /routes { content_by_lua_block { zarpa_feed.serve() } }
    location = /stamp { return 200 ${quoted(input.stamp)}; }
  }`;
}

function listen(input: RouterConfiguration, suffix: string): string {
  const [major, minor, patch] = input.version;
  const directive = major > 1 || minor > 25 || (minor === 25 && patch >= 1);
  const addresses = input.ipv6 ? ["", "[::]:"] : [""];
  const lines = addresses.flatMap((address) => [
    `    listen ${address}${input.port}${suffix};`,
    `    listen ${address}${input.tlsPort} ssl${directive ? "" : " http2"}${suffix};`,
  ]);
  return [...lines, ...(directive ? ["    http2 on;"] : [])].join("\n");
}

/** A value in quotes; nginx knows no way to write some characters, so a path with one of them is refused. */
function quoted(value: string): string {
  if (/["\\$\n\r]/.test(value))
    throw new Error(`nginx cannot be given "${value}": it holds a quote, a backslash or a dollar sign`);
  return `"${value}"`;
}

function luaPath(folder: string): string {
  if (/[;?]/.test(folder)) throw new Error(`Lua cannot be given the folder "${folder}": it holds a semicolon or a question mark`);
  return folder;
}

function luaText(value: string): string {
  return quoted(value);
}
