import { REQUESTS_PER_CONNECTION, type RouterLimits } from "./limits.ts";
import { quoted } from "./nginx-text.ts";

/**
 * Below the idle time of every common app server (gunicorn 2 s, Node 5 s, Puma 20 s): a pooled connection is never used in the moment
 * the dyno closes it.
 */
const POOLED_IDLE_MILLISECONDS = 1500;
const POOLED_CONNECTIONS = 128;
/** Holds the whole response header, which Heroku allows to be far larger than nginx's usual 4 KB. */
const RESPONSE_HEADER_BYTES = 65_536;
const REQUEST_LOG_FLUSH_MILLISECONDS = 200;

/** The balancers: one for each protocol, so that a connection of one is never taken for another. uwsgi has no connections to keep. */
export function dynoUpstreams(): string {
  const pool = `    keepalive ${POOLED_CONNECTIONS};
    keepalive_timeout ${POOLED_IDLE_MILLISECONDS}ms;
    keepalive_requests ${REQUESTS_PER_CONNECTION};\n`;
  const upstream = (name: string, kept: string): string => `  upstream ${name} {
    server 0.0.0.1;
    balancer_by_lua_block { zarpa_routes.balance() }
${kept}  }`;
  return [upstream("zarpa_dynos", pool), upstream("zarpa_dynos_h2c", pool), upstream("zarpa_dynos_uwsgi", "")].join("\n");
}

/** The server of all apps: which host is whose is not in here, but in the route table. */
export function appsServer(input: { listen: string; requestLog: string; mimeTypes: string; limits: RouterLimits }): string {
  const { limits } = input;
  return `  server {
${input.listen}
    server_name _;
    access_log ${quoted(input.requestLog)} zarpa buffer=64k flush=${REQUEST_LOG_FLUSH_MILLISECONDS}ms if=$zarpa_dyno;
    header_filter_by_lua_block { zarpa_answer.check() }
    log_by_lua_block { zarpa_load.done() }
    recursive_error_pages on;
    set $zarpa_code "";
    set $zarpa_sent_method "";
${upstreamLimits("proxy", limits)}
${upstreamLimits("uwsgi", limits)}
${upstreamLimits("grpc", limits)}
    add_header Via "1.1 heroku-router" always;
    error_page 400 405 413 414 494 501 505 /.zarpa/bad-request;
    error_page 418 = @lane;
    error_page 500 502 504 = @failed;

    # The straight way: an app that is up, an ordinary request. No coroutine, one look into the table.
    location / {
      if ($zarpa_special) { return 418; }
      set_by_lua_block $zarpa_dyno { return zarpa_routes.route() }
      if ($zarpa_dyno = "") { return 418; }
${headers("proxy_set_header", false)}
      proxy_pass http://zarpa_dynos;
    }
    location ^~ /.well-known/acme-challenge/ { content_by_lua_block { zarpa_certificates.answer_challenge() } }
    # Everything else: states that answer themselves or hold the request, upgrades, streams, apps with wishes of their own.
    location @lane {
      set $zarpa_cookie "";
      set $zarpa_folder "";
      set $zarpa_slug "";
      lua_check_client_abort on;
      access_by_lua_block { zarpa_lane.enter() }
      proxy_read_timeout ${limits.idle}ms;
      add_header Via "1.1 heroku-router" always;
      add_header Set-Cookie $zarpa_cookie always;
${headers("proxy_set_header", true)}
      proxy_pass http://zarpa_dynos;
    }
    location @h2c {
      grpc_read_timeout ${limits.idle}ms;
      add_header Via "1.1 heroku-router" always;
      add_header Set-Cookie $zarpa_cookie always;
${headers("grpc_set_header", false)}
      grpc_pass grpc://zarpa_dynos_h2c;
    }
    location @uwsgi {
      add_header Via "1.1 heroku-router" always;
      add_header Set-Cookie $zarpa_cookie always;
${UWSGI_PARAMETERS}
      uwsgi_pass zarpa_dynos_uwsgi;
    }
    # Files of the slug. No link is followed, so that none leads out of it.
    location @files {
      include ${quoted(input.mimeTypes)};
      default_type application/octet-stream;
      disable_symlinks on from=$zarpa_slug;
      root $zarpa_folder;
    }
    location @failed { content_by_lua_block { zarpa_failure.answer() } }
    # A path and not a name: a request line that is none has nothing that a named location could be entered with.
    location = /.zarpa/bad-request {
      internal;
      content_by_lua_block { zarpa_failure.bad_request() }
    }
  }`;
}

/**
 * What an app says to nginx itself is not obeyed: X-Accel-Redirect would open other locations to it. All of it goes to the client.
 */
function upstreamLimits(module: "proxy" | "uwsgi" | "grpc", limits: RouterLimits): string {
  const buffers = `
    ${module}_buffers 4 ${RESPONSE_HEADER_BYTES};
    ${module}_busy_buffers_size ${2 * RESPONSE_HEADER_BYTES};
    ${module}_buffering off;`;
  const ignored = "X-Accel-Expires X-Accel-Limit-Rate X-Accel-Buffering X-Accel-Charset";
  return `    ${module}_connect_timeout ${limits.connect}ms;
    ${module}_send_timeout ${limits.idle}ms;
    ${module}_read_timeout ${limits.firstByte}ms;
    ${module}_buffer_size ${RESPONSE_HEADER_BYTES};${module === "grpc" ? "" : buffers}
    ${module}_next_upstream error timeout;
    ${module}_ignore_headers X-Accel-Redirect ${module === "grpc" ? "X-Accel-Charset" : ignored};
    ${module}_pass_header Server;
    ${module}_pass_header Date;`;
}

/** What a dyno is told about its client: forwarded headers as Heroku adds them, hop-by-hop headers taken away. */
function headers(directive: "proxy_set_header" | "grpc_set_header", upgrade: boolean): string {
  const connection =
    directive === "grpc_set_header"
      ? []
      : [`Connection ${upgrade ? "$zarpa_connection" : '""'}`, `Upgrade ${upgrade ? "$http_upgrade" : '""'}`];
  const all = [
    "Host $http_host",
    ...connection,
    'Proxy ""',
    'Proxy-Connection ""',
    "X-Forwarded-For $proxy_add_x_forwarded_for",
    "X-Forwarded-Proto $scheme",
    "X-Forwarded-Port $server_port",
    "X-Request-Id $zarpa_request_id",
    "X-Request-Start $zarpa_start",
    "Via $zarpa_via",
  ];
  return all.map((header) => `      ${directive} ${header};`).join("\n");
}

/** nginx's `uwsgi_params`, and Heroku's headers. */
const UWSGI_PARAMETERS = [
  "QUERY_STRING $query_string",
  "REQUEST_METHOD $request_method",
  "CONTENT_TYPE $content_type",
  "CONTENT_LENGTH $content_length",
  "REQUEST_URI $request_uri",
  "PATH_INFO $document_uri",
  "SERVER_PROTOCOL $server_protocol",
  "REQUEST_SCHEME $scheme",
  "HTTPS $https if_not_empty",
  "REMOTE_ADDR $remote_addr",
  "REMOTE_PORT $remote_port",
  "SERVER_PORT $server_port",
  "SERVER_NAME $host",
  'HTTP_PROXY ""',
  "HTTP_X_FORWARDED_FOR $proxy_add_x_forwarded_for",
  "HTTP_X_FORWARDED_PROTO $scheme",
  "HTTP_X_FORWARDED_PORT $server_port",
  "HTTP_X_REQUEST_ID $zarpa_request_id",
  "HTTP_X_REQUEST_START $zarpa_start",
  "HTTP_VIA $zarpa_via",
]
  .map((parameter) => `      uwsgi_param ${parameter};`)
  .join("\n");
