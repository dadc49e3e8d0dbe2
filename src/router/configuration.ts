import { appsServer, dynoUpstreams } from "./apps-server.ts";
import { REQUESTS_PER_CONNECTION, type RouterLimits } from "./limits.ts";
import { quoted } from "./nginx-text.ts";

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
  /** nginx's table of file types. */
  mimeTypes: string;
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

/** File names under the router's folder, shared by the configuration and those who read or replace the files. */
export const ROUTER_FILES = {
  configuration: "nginx.conf",
  pid: "nginx.pid",
  supervisorPid: "supervisor.pid",
  supervisorLog: "supervisor.log",
  errors: "error.log",
  requests: "requests.log",
  snapshot: "routes",
  certificates: "certificates",
  temp: "temp",
} as const;

const CLIENT_KEEP_ALIVE_SECONDS = 60;
const HEADER_LINE_BYTES = 8192;
const ROUTES_DICTIONARY = "64m";
const CERTIFICATES_DICTIONARY = "32m";
const LOADS_DICTIONARY = "8m";
/** Git pushes, log tails and build output last as long as they last. */
const PLATFORM_SECONDS = 3 * 3600;
const WORKER_CONNECTIONS = 8192;
const OPEN_FILES = 65_536;

/** The nginx.conf of the router; the same input gives the same text, so that a running nginx is left alone when nothing changed. */
export function nginxConfiguration(input: RouterConfiguration): string {
  const file = (name: keyof typeof ROUTER_FILES): string => `${input.folder}/${ROUTER_FILES[name]}`;
  const { worker } = input;
  return `# Written by Zarpa's router at each start: changes made here are lost.
${input.modules.map((module) => `load_module ${quoted(module)};`).join("\n")}
${worker === null ? "" : `user ${quoted(worker.user)} ${quoted(worker.group)};\n`}worker_processes ${input.workers};
worker_rlimit_nofile ${Math.min(input.openFiles, OPEN_FILES)};
worker_shutdown_timeout ${input.limits.windDown}ms;
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
  lua_shared_dict zarpa_certificates ${CERTIFICATES_DICTIONARY};
  lua_shared_dict zarpa_loads ${LOADS_DICTIONARY};
  init_by_lua_block {
    zarpa_load = require("zarpa.load")
    zarpa_answer = require("zarpa.answer")
    zarpa_certificates = require("zarpa.certificates")
    zarpa_routes = require("zarpa.routes")
    zarpa_lane = require("zarpa.lane")
    zarpa_failure = require("zarpa.failure")
    zarpa_feed = require("zarpa.feed")
    require("zarpa.wake").socket = ${luaText(`unix:${input.wakeSocket}`)}
    zarpa_lane.boot_seconds = ${input.limits.boot / 1000}
    zarpa_routes.quarantine_seconds = ${input.limits.quarantine / 1000}
    zarpa_feed.restore(${luaText(file("snapshot"))})
    zarpa_certificates.restore(${luaText(file("certificates"))})
  }
  init_worker_by_lua_block {
    math.randomseed(ngx.worker.pid() + ngx.now() * 1000)
    zarpa_load.start()
  }
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
  ssl_certificate_by_lua_block { zarpa_certificates.choose() }
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:zarpa_tls:4m;

${dynoUpstreams()}
  upstream zarpa_platform { server ${quoted(`unix:${input.platformSocket}`)}; }

${appsServer({
  listen: listen(input, " default_server"),
  requestLog: file("requests"),
  mimeTypes: input.mimeTypes,
  limits: input.limits,
})}
${platformServer(input)}
${feedServer(input)}
}
`;
}

/** One line a request, fields parted by tabs; nginx writes quotes and control characters in values as \\xHH, so no value can forge one. */
const LOG_FORMAT = `  log_format zarpa "$msec\\t$zarpa_dyno\\t$zarpa_code\\t$zarpa_method\\t$request_uri\\t$http_host\\t$zarpa_request_id\\t"
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
  # nginx makes a GET of what it refuses.
  map $zarpa_sent_method $zarpa_method { "" $request_method; default $zarpa_sent_method; }
  map $http_via $zarpa_via { "" "1.1 heroku-router"; default "$http_via, 1.1 heroku-router"; }
  map $http_upgrade $zarpa_connection { "" ""; default upgrade; }
  map $http_accept $zarpa_stream { text/event-stream 1; default ""; }
  map $http_upgrade$http_expect$zarpa_stream $zarpa_special { "" ""; default 1; }`;

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
    client_body_buffer_size 8m;
    location = /routes { content_by_lua_block { zarpa_feed.serve() } }
    location = /certificates { content_by_lua_block { zarpa_feed.serve_certificates() } }
    location = /challenge { content_by_lua_block { zarpa_feed.serve_certificates() } }
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

function luaPath(folder: string): string {
  if (/[;?]/.test(folder)) throw new Error(`Lua cannot be given the folder "${folder}": it holds a semicolon or a question mark`);
  return folder;
}

function luaText(value: string): string {
  return quoted(value);
}
