-- The route table: a shared dictionary that all workers read, and what each worker has decoded of it.
-- Keys of the dictionary: "version" (grows with each change), "a:<app id>" with the app's line as it came, "r:<app id>" with the same
-- but for its hosts, and "h:<host>" with the app's id.

local balancer = require "ngx.balancer"
local failure = require "zarpa.failure"
local wake = require "zarpa.wake"

local M = {}

-- How long a backend that refused is left out, when there are others; set by the configuration.
M.quarantine_seconds = 5

local dictionary = ngx.shared.zarpa_table
local var = ngx.var
local random = math.random
local set_current_peer = balancer.set_current_peer
local set_more_tries = balancer.set_more_tries
local get_last_failure = balancer.get_last_failure

local MOST_ATTEMPTS = 10
local MOST_REMEMBERED_HOSTS = 20000

-- Decoded at this version of the table; a change empties `by_host`, and what has the same line is taken over from `former`.
local version
local by_host, remembered = {}, 0
local by_line, former = {}, {}
local by_label, former_labels = {}, {}

-- "id=… name=… state=… hosts=… backends=web.1@10.0.0.2:5000,…" as written by src/router/route-line.ts.
local function decode(line)
  local app = { id = line:match("^id=(%S+)"), name = line:match(" name=(%S*)"), state = line:match(" state=(%S+)"), up = 0 }
  if app.state == "up" then
    for dyno, address, port in line:match(" backends=(%S*)"):gmatch("([^@,]+)@([^,]+):(%d+)") do
      local backend = { app = app, address = address, port = tonumber(port), quarantined_until = 0 }
      -- What nginx logs of the request, and how the balancer finds the choice again.
      backend.label = app.id .. " " .. dyno .. " " .. address .. ":" .. port
      app.up = app.up + 1
      app[app.up] = backend
    end
  elseif app.state == "asleep" then
    wake.decode(app, line)
  end
  return app
end

local function forget(now)
  version = now
  by_host, remembered = {}, 0
  former, by_line = by_line, {}
  former_labels, by_label = by_label, {}
end

-- "Name.LOCALHOST:8080" -> "name.localhost"
local function normalize(host)
  local name = host:lower():gsub(":%d+$", ""):gsub("%.$", "")
  return name
end

local function look_up(host)
  local id = dictionary:get("h:" .. normalize(host))
  local line = id and dictionary:get("r:" .. id)
  if not line then return nil end
  local app = by_line[line]
  if not app then
    app = former[line] or decode(line)
    by_line[line] = app
    for index = 1, app.up do by_label[app[index].label] = app[index] end
  end
  if remembered >= MOST_REMEMBERED_HOSTS then by_host, remembered = {}, 0 end
  by_host[host] = app
  remembered = remembered + 1
  return app
end

-- One of the app's backends at random, those in quarantine last; nil when the app is not up.
local function choose(app, but)
  local count = app.up
  if count == 0 then return nil end
  local start = random(count)
  local now
  for step = 0, count - 1 do
    local backend = app[(start + step - 1) % count + 1]
    if backend ~= but then
      if backend.quarantined_until == 0 then return backend end
      now = now or ngx.now()
      if backend.quarantined_until <= now then
        backend.quarantined_until = 0
        return backend
      end
    end
  end
  if but then return nil end
  return app[start]
end

-- The hot path, one call a request: the label of the chosen backend, or "" when `zarpa.lane` has to look closer.
function M.route()
  local now = dictionary:get("version")
  if now ~= version then forget(now) end
  local host = var.http_host
  if not host then return "" end
  local app = by_host[host] or look_up(host)
  if not app then return "" end
  local count = app.up
  if count == 1 then return app[1].label end
  if count == 0 then return "" end
  return choose(app).label
end

-- The app of a host as things are now, or nil.
function M.find(host)
  local now = dictionary:get("version")
  if now ~= version then forget(now) end
  if not host then return nil end
  return by_host[host] or look_up(host)
end

M.choose = choose

local function backend_of(label)
  local backend = by_label[label] or former_labels[label]
  if backend then return backend end
  -- The table changed twice since the choice: the label says it all.
  local address, port = label:match(" ([^ ]+):(%d+)$")
  return { app = { up = 1 }, address = address, port = tonumber(port), quarantined_until = 0, label = label }
end

-- Another backend after one that refused or did not take the connection; else nil, and the code of the answer.
local function another(failed, status)
  if failure.last_attempt(var.upstream_connect_time) ~= "-" then
    -- Connected, and failed after that. What may have reached the app is not repeated, but for a pooled connection that the
    -- dyno closed in the same moment; nginx does not tell the two apart, so a second try is given to requests that change nothing.
    if status == 504 then return nil, "H12" end
    if ngx.ctx.tried_again then return nil, "H13" end
    ngx.ctx.tried_again = true
    return failed
  end
  failed.quarantined_until = ngx.now() + M.quarantine_seconds
  local app = M.find(var.http_host)
  local backend = app and choose(app, failed)
  if backend then return backend end
  return nil, status == 504 and "H19" or "H21"
end

-- balancer_by_lua: once a request, and again after each failed attempt.
function M.balance()
  local label = var.zarpa_dyno
  local backend = by_label[label] or backend_of(label)
  local failed, status = get_last_failure()
  if failed then
    local code
    backend, code = another(backend, status)
    if not backend then
      var.zarpa_code = code
      return ngx.exit(ngx.ERROR)
    end
    var.zarpa_dyno = backend.label
  elseif backend.app.up > 1 then
    set_more_tries(math.min(backend.app.up, MOST_ATTEMPTS) - 1)
  end
  local ok, problem = set_current_peer(backend.address, backend.port)
  if not ok then
    ngx.log(ngx.ERR, "no connection to ", backend.label, ": ", problem)
    return ngx.exit(ngx.ERROR)
  end
end

return M
