-- The route table: a shared dictionary that all workers read, and what each worker has decoded of it.
-- Keys of the dictionary: "version" (grows with each change), "a:<app id>" with the app's line as it came, "r:<app id>" with the same
-- but for its hosts, and "h:<host>" with the app's id.

local balancer = require "ngx.balancer"
local certificates = require "zarpa.certificates"
local hosts = require "zarpa.hosts"
local load = require "zarpa.load"
local last_attempt = require("zarpa.attempts").last
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

local begin, move, is_crowded = load.begin, load.move, load.is_crowded

local MOST_ATTEMPTS = 10
local LONE = 5
-- Below this many requests at once nobody asks whether there are too many.
local FEW = load.FEW
local MOST_REMEMBERED_HOSTS = 20000

-- Decoded at this version of the table; a change empties `by_host`, and what has the same line is taken over from `former`.
local version
local has_certificates = false
local by_host, remembered = {}, 0
local by_line, former = {}, {}
local by_label, former_labels = {}, {}

-- "/static/:folder,…": the longest prefix first.
local function decode_folders(text)
  local folders = {}
  for prefix, folder in text:gmatch("([^:,]+):([^,]+)") do folders[#folders + 1] = { prefix = prefix, folder = folder } end
  table.sort(folders, function(a, b) return #a.prefix > #b.prefix end)
  return folders
end

-- What an app wants beyond the usual. Such apps take the lane (`zarpa.lane`).
local function decode_options(app, line)
  app.error_page = line:match(" error_page=(%S+)")
  app.maintenance_page = line:match(" maintenance_page=(%S+)")
  app.affinity = line:find(" affinity=1", 1, true) ~= nil
  app.least = line:find(" balance=least-connections", 1, true) ~= nil
  app.protocol = line:match(" protocol=(%S+)")
  local folders = line:match(" static=(%S+)")
  app.slug = line:match(" slug=(%S+)")
  app.folders = folders and decode_folders(folders)
  app.special = app.affinity or app.least or app.protocol ~= nil or app.folders ~= nil
end

-- "id=… name=… state=… hosts=… backends=web.1@10.0.0.2:5000,…" as written by src/router/route-line.ts.
local function decode(line)
  local app = { id = line:match("^id=(%S+)"), name = line:match(" name=(%S*)"), state = line:match(" state=(%S+)"), up = 0 }
  app.load = load.of_app(app.id)
  decode_options(app, line)
  if app.state == "up" then
    for dyno, address, port in line:match(" backends=(%S*)"):gmatch("([^@,]+)@([^,]+):(%d+)") do
      local backend = { app = app, dyno = dyno, address = address, port = tonumber(port), quarantined_until = 0 }
      -- What nginx logs of the request, and how the balancer finds the choice again.
      backend.label = app.id .. " " .. dyno .. " " .. address .. ":" .. port
      backend.load = load.of_dyno(backend.label, app.load)
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
  has_certificates = certificates.exist()
  by_host, remembered = {}, 0
  former, by_line = by_line, {}
  former_labels, by_label = by_label, {}
end

local function look_up(host)
  local id = hosts.nearest(dictionary, hosts.normalize(host))
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

local function is_well(backend, now)
  if backend.quarantined_until == 0 then return true end
  if backend.quarantined_until > now then return false end
  backend.quarantined_until = 0
  return true
end

-- One of the app's backends, at random or the one with the fewest requests of this worker; nil when none is up or all are in quarantine.
local function choose(app, but)
  local count = app.up
  if count == 0 then return nil end
  local start = random(count)
  local now = ngx.now()
  local best
  for step = 0, count - 1 do
    local backend = app[(start + step - 1) % count + 1]
    if backend ~= but and is_well(backend, now) then
      if not app.least then return backend end
      if not best or backend.load.active < best.load.active then best = backend end
    end
  end
  return best
end

-- The hot path, one call a request: the label of the chosen backend, or "" when `zarpa.lane` has to look closer.
function M.route()
  local now = dictionary:get("version")
  if now ~= version then forget(now) end
  local host = var.http_host
  if not host then return "" end
  local app = by_host[host] or look_up(host)
  if not app or app.special then return "" end
  local count = app.up
  if count == 0 then return "" end
  local backend = app[1]
  if count > 1 or backend.quarantined_until ~= 0 then
    backend = choose(app)
    if not backend then return "" end
  end
  if has_certificates and certificates.is_misdirected(host) then return "" end
  if app.load.active >= FEW and is_crowded(app) then return "" end
  begin(backend.load)
  return backend.label
end

-- The app of a host as things are now, or nil.
function M.find(host)
  local now = dictionary:get("version")
  if now ~= version then forget(now) end
  if not host then return nil end
  return by_host[host] or look_up(host)
end

M.choose = choose

-- The backend that a client's session belongs to, by what its cookie says; nil when it is gone or in quarantine.
function M.of_session(app, cookie)
  for index = 1, app.up do
    local backend = app[index]
    if M.session_of(backend) == cookie then return is_well(backend, ngx.now()) and backend or nil end
  end
  return nil
end

-- Names the dyno, not its instance: a restarted web.1 keeps its clients.
function M.session_of(backend)
  local session = backend.session
  if not session then
    session = ngx.md5(backend.app.id .. " " .. backend.dyno)
    backend.session = session
  end
  return session
end

local function backend_of(label)
  local backend = by_label[label] or former_labels[label]
  if backend then return backend end
  -- The table changed twice since the choice: the label says it all.
  local address, port = label:match(" ([^ ]+):(%d+)$")
  return { app = { up = 1 }, address = address, port = tonumber(port), quarantined_until = 0, label = label }
end

-- An app's last well dyno is asked again soon: nobody else could answer meanwhile.
local function quarantine(backend)
  local seconds = M.quarantine_seconds
  if backend.app.up == 1 or not choose(backend.app, backend) then seconds = seconds / LONE end
  backend.quarantined_until = ngx.now() + seconds
end

-- The dyno of a label took no connection.
function M.quarantine(label)
  local backend = by_label[label] or former_labels[label]
  if backend then quarantine(backend) end
end

-- Another backend after one that refused or did not take the connection; else nil, and the code of the answer.
local function another(failed, status)
  if last_attempt(var.upstream_connect_time) ~= "-" then
    -- Connected, and failed after that. What may have reached the app is not repeated, but for a pooled connection that the
    -- dyno closed in the same moment; nginx does not tell the two apart, so a second try is given to requests that change nothing.
    if status == 504 then return nil, "H12" end
    if ngx.ctx.tried_again then return nil, "H13" end
    ngx.ctx.tried_again = true
    return failed
  end
  quarantine(failed)
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
    move(label, backend.label)
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
