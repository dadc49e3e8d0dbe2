-- Answers that are the router's own: which H code it is (Heroku's article "Error Codes"), which status, which page.

local pages = require "zarpa.pages"

local M = {}

local var = ngx.var

local STATUSES = { H25 = 502, H26 = 417 }
local KINDS = { H82 = "exhausted", H26 = "expectation", H80 = "maintenance", H81 = "blank" }
-- `proxy_buffer_size`: a response header that does not fit has filled it.
local RESPONSE_HEADER_BYTES = 65536

local function answer(status, kind, details)
  details.request_id = var.zarpa_request_id
  local content_type, text = pages.render(kind, details, var.http_accept, var.http_accept_language)
  ngx.status = status
  local header = ngx.header
  header["Content-Type"] = content_type
  header["Content-Length"] = #text
  header["Cache-Control"] = "no-cache, no-store"
  ngx.print(text)
  return ngx.exit(status)
end

-- Answers a request of `app` (its decoded route) with a code.
function M.refuse(code, app)
  var.zarpa_dyno = app.id
  var.zarpa_code = code
  return answer(STATUSES[code] or 503, KINDS[code] or "application", { code = code, app = app.name })
end

function M.unknown_host(host)
  return answer(404, "unknown", { host = host or "" })
end

-- The last value of an nginx variable that has one for each attempt: "-, 0.002", with " : " for an attempt that is only beginning.
function M.last_attempt(values)
  return (values or ""):match("([%d.-]+)[ :,]*$")
end

local last = M.last_attempt

local function code_of_failure()
  local status = last(var.upstream_status)
  if not status then return "H99" end
  local connected = last(var.upstream_connect_time) ~= "-"
  if status == "504" then return connected and "H12" or "H19" end
  if status ~= "502" then return "H99" end
  if not connected then return "H21" end
  local received = tonumber(last(var.upstream_bytes_received)) or 0
  if received == 0 then return "H13" end
  return received >= RESPONSE_HEADER_BYTES and "H25" or "H17"
end

-- nginx could not get an answer from the dyno.
function M.answer()
  local code = var.zarpa_code
  if code == "" then code = code_of_failure() end
  var.zarpa_code = code
  return answer(STATUSES[code] or 503, "application", { code = code })
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
