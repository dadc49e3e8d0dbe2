-- What is not an ordinary request to an app that is up: states that answer themselves, waiting for a dyno, upgrades, `Expect`.

local certificates = require "zarpa.certificates"
local load = require "zarpa.load"
local routes = require "zarpa.routes"
local failure = require "zarpa.failure"
local wake = require "zarpa.wake"

local M = {}

-- How long a request waits for a dyno that boots; set by the configuration.
M.boot_seconds = 75

-- Heroku's limit of requests that wait for a web dyno.
local MOST_HELD = 200
local FIRST_LOOK_SECONDS, LAST_LOOK_SECONDS = 0.01, 0.1

local ANSWERS = { exhausted = "H82", none = "H14", crashed = "H10", maintenance = "H80", blank = "H81" }

-- `asleep`: its dynos were stopped, and the control plane has been told to start them.
local WAITS = { booting = true, asleep = true }

-- Requests that this worker holds, by app id.
local held = {}

-- https://devcenter.heroku.com/articles/session-affinity
local COOKIE = "heroku-session-affinity"
local COOKIE_SECONDS = 86400

-- Holds the request as long as `must_wait(app)` says; gives the app as it is then, or nil when its host has gone.
local function hold(app, host, must_wait)
  local id = app.id
  if (held[id] or 0) >= MOST_HELD then return failure.refuse("H11", app) end
  held[id] = (held[id] or 0) + 1
  -- Logged even when the client leaves meanwhile.
  ngx.var.zarpa_dyno = id
  local waiting = true
  local function let_go()
    if waiting then held[id] = held[id] > 1 and held[id] - 1 or nil end
    waiting = false
  end
  ngx.on_abort(function()
    let_go()
    ngx.exit(499)
  end)
  local deadline = ngx.now() + M.boot_seconds
  local pause = FIRST_LOOK_SECONDS
  while app and must_wait(app) and ngx.now() < deadline do
    ngx.sleep(pause)
    pause = math.min(pause * 1.5, LAST_LOOK_SECONDS)
    app = routes.find(host)
  end
  let_go()
  return app
end

local function is_not_up(app)
  if app.state == "asleep" then wake.tell(app.id) end
  return WAITS[app.state]
end

local function is_quarantined(app)
  return app.up > 0 and routes.choose(app) == nil
end

-- Ends the request of an app in a state that answers itself.
local function refuse_unless_up(app)
  local answer = ANSWERS[app.state] or (app.up == 0 and "H14")
  if answer then return failure.refuse(answer, app) end
end

-- The folder of the slug that a path is served from, and the rest of the path.
local function folder_of(app)
  local uri = ngx.var.uri
  for _, each in ipairs(app.folders or {}) do
    if uri:sub(1, #each.prefix) == each.prefix then return each.folder, uri:sub(#each.prefix) end
  end
end

local function serve_file(app, folder, rest)
  local method = ngx.req.get_method()
  if method ~= "GET" and method ~= "HEAD" then return ngx.exit(405) end
  -- No file that is meant to be hidden; nginx has taken `..` and double slashes away.
  if rest:find("/.", 1, true) then return ngx.exit(404) end
  ngx.var.zarpa_dyno = app.id
  ngx.var.zarpa_slug = app.slug
  ngx.var.zarpa_folder = app.slug .. "/" .. folder
  ngx.req.set_uri(rest)
  return ngx.exec("@files")
end

local function backend_for(app)
  if not app.affinity then return routes.choose(app) end
  local backend = routes.of_session(app, ngx.var["cookie_" .. COOKIE])
  if backend then return backend end
  backend = routes.choose(app)
  if backend then
    local cookie = "%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Lax"
    ngx.var.zarpa_cookie = cookie:format(COOKIE, routes.session_of(backend), COOKIE_SECONDS)
  end
  return backend
end

local function take(app, backend)
  load.begin(backend.load)
  ngx.var.zarpa_dyno = backend.label
  if app.protocol then return ngx.exec("@" .. app.protocol) end
end

function M.enter()
  local host = ngx.var.http_host
  local app = routes.find(host)
  if not app then
    -- A connection that was made for an app, and a host that is none.
    local other = routes.find(ngx.var.ssl_server_name)
    return other and failure.refuse("H31", other) or failure.unknown_host(host)
  end
  if certificates.is_misdirected(host) then return failure.refuse("H32", app) end
  local expect = ngx.var.http_expect
  if expect and expect:lower() ~= "100-continue" then return failure.refuse("H26", app) end
  local folder, rest = folder_of(app)
  if folder and not ANSWERS[app.state] then return serve_file(app, folder, rest) end
  if app.state == "asleep" then
    local label = wake.up(app)
    if label then
      load.begin_label(label, app.load)
      ngx.var.zarpa_dyno = label
      if app.protocol then return ngx.exec("@" .. app.protocol) end
      return
    end
  end
  if WAITS[app.state] then
    app = hold(app, host, is_not_up)
    if not app then return failure.unknown_host(host) end
    if WAITS[app.state] then return failure.refuse("H20", app) end
  end
  refuse_unless_up(app)
  if load.is_crowded(app) then return failure.refuse("H11", app) end
  local backend = backend_for(app)
  if not backend then
    app = hold(app, host, is_quarantined)
    if not app then return failure.unknown_host(host) end
    refuse_unless_up(app)
    backend = backend_for(app)
    if not backend then return failure.refuse("H34", app) end
  end
  return take(app, backend)
end

return M
