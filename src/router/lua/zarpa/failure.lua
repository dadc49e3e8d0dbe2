-- Answers that are the router's own: which H code it is (Heroku's article "Error Codes"), which status, which page.

local pages = require "zarpa.pages"
local routes = require "zarpa.routes"
local last = require("zarpa.attempts").last

local M = {}

local var = ngx.var

local STATUSES = { H25 = 502, H26 = 417, H31 = 421, H32 = 421 }
local KINDS = {
  H26 = "expectation", H31 = "misdirected", H32 = "misdirected", H80 = "maintenance", H81 = "blank", H82 = "exhausted",
}
local WORDS = { H26 = "H26 unsupported expect header value" }
-- nginx's own number for a header that is too long.
local HEADER_TOO_LONG = 494
-- `proxy_buffer_size`: a response header that does not fit has filled it.
local RESPONSE_HEADER_BYTES = 65536

local BARE = "HTTP/1.1 %d Application Error\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"

local function answer(status, kind, details)
  details.request_id = var.zarpa_request_id
  local content_type, text = pages.render(kind, details, var.http_accept, var.http_accept_language)
  ngx.status = status
  local header = ngx.header
  header["Content-Type"] = content_type
  header["Content-Length"] = #text
  header["Cache-Control"] = "no-cache, no-store"
  -- nginx has decided for HTTP/0.9, because the dyno's answer had no status line: then it writes no header, whoever asked.
  if ngx.req.http_version() == 0.9 and var.server_protocol:find("^HTTP/1") then
    ngx.print(BARE:format(status, content_type, #text))
  end
  ngx.print(text)
  return ngx.exit(status)
end

-- Answers a request of `app` (its decoded route) with a code.
function M.refuse(code, app)
  var.zarpa_dyno = app.id
  var.zarpa_code = WORDS[code] or code
  local kind = KINDS[code] or "application"
  return answer(STATUSES[code] or 503, kind, { code = code, app = app.name, page = pages.own(app, kind) })
end

function M.unknown_host(host)
  return answer(404, "unknown", { host = host or "" })
end

local function code_of_failure()
  local status = last(var.upstream_status)
  if not status then return "H99" end
  local connected = last(var.upstream_connect_time) ~= "-"
  if status == "504" then return connected and "H12" or "H19" end
  if status ~= "502" then return "H99" end
  if not connected then return "H21" end
  local received = tonumber(last(var.upstream_bytes_received)) or 0
  if received == 0 then return "H13" end
  return received >= RESPONSE_HEADER_BYTES and "H25 oversized header" or "H17"
end

-- nginx could not get an answer from the dyno. A code may be followed by words for the log.
function M.answer()
  if var.zarpa_code == "" then var.zarpa_code = code_of_failure() end
  local code = var.zarpa_code:match("^%S+")
  if code == "H19" or code == "H21" then routes.quarantine(var.zarpa_dyno) end
  local app = routes.find(var.http_host)
  return answer(STATUSES[code] or 503, "application", { code = code, page = app and pages.own(app, "application") })
end

-- nginx could not make sense of the request: its line, a header, a piece of its body; or it is too long.
function M.bad_request()
  local app = routes.find(var.http_host)
  if app then
    local has_dyno = (var.zarpa_dyno or ""):find(" ", 1, true)
    if not has_dyno then var.zarpa_dyno = app.id end
    var.zarpa_code = has_dyno and "H26 bad chunk" or "H26 bad header"
    var.zarpa_sent_method = (var.request or ""):match("^(%S+) ") or ""
  end
  local status = ngx.status
  return answer(status == HEADER_TOO_LONG and 400 or status, "bad", {})
end

-- The control plane does not answer; the apps are served all the same. The body is what Heroku's API says in maintenance.
function M.platform_down()
  local text = [[{"id":"maintenance","message":"Zarpa's control plane is not running: start it with npm start. The apps are still served."}]]
  ngx.status = 503
  ngx.header["Content-Type"] = "application/json"
  ngx.header["Content-Length"] = #text
  ngx.header["Retry-After"] = "2"
  ngx.print(text)
  return ngx.exit(503)
end

return M
