-- What is not an ordinary request to an app that is up: states that answer themselves, waiting for a dyno, upgrades, `Expect`.

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

local function wait_while_booting(app, host)
  local id = app.id
  if (held[id] or 0) >= MOST_HELD then return failure.refuse("H11", app) end
  held[id] = (held[id] or 0) + 1
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
  while app and WAITS[app.state] and ngx.now() < deadline do
    if app.state == "asleep" then wake.tell(id) end
    ngx.sleep(pause)
    pause = math.min(pause * 1.5, LAST_LOOK_SECONDS)
    app = routes.find(host)
  end
  let_go()
  return app
end

function M.enter()
  local host = ngx.var.http_host
  local app = routes.find(host)
  if not app then return failure.unknown_host(host) end
  local expect = ngx.var.http_expect
  if expect and expect:lower() ~= "100-continue" then return failure.refuse("H26", app) end
  if app.state == "asleep" then
    local label = wake.up(app)
    if label then
      ngx.var.zarpa_dyno = label
      return
    end
  end
  if WAITS[app.state] then
    -- Logged even when the client leaves meanwhile.
    ngx.var.zarpa_dyno = app.id
    app = wait_while_booting(app, host)
    if not app then return failure.unknown_host(host) end
    if WAITS[app.state] then return failure.refuse("H20", app) end
  end
  local answer = ANSWERS[app.state]
  if answer then return failure.refuse(answer, app) end
  local backend = routes.choose(app)
  if not backend then return failure.refuse("H14", app) end
  ngx.var.zarpa_dyno = backend.label
end

return M
