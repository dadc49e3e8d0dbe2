-- How many requests each app and dyno has at once. A worker counts its own, and tells the others when its count has moved by a step:
-- the limit is kept to within a step for each worker, and ordinary traffic shares nothing.

local M = {}

-- A worker with fewer requests of an app does not ask what the others have.
M.FEW = 16

-- https://devcenter.heroku.com/articles/http-routing#dyno-connection-behavior
local MOST_PER_DYNO = 200
local STEP = 16

local shared = ngx.shared.zarpa_loads
local var = ngx.var
local exiting = ngx.worker.exiting

-- Kept as long as a decoded route holds them.
local apps = setmetatable({}, { __mode = "v" })
local dynos = setmetatable({}, { __mode = "v" })

local workers, own

-- Called once by each worker.
function M.start()
  workers, own = ngx.worker.count(), ngx.worker.id()
end

local function publish(app)
  app.published = app.active
  if workers > 1 then shared:set(own .. ":" .. app.id, app.active) end
end

function M.of_app(id)
  local app = apps[id]
  if not app then
    app = { id = id, active = 0, published = 0 }
    if workers and workers > 1 then shared:delete(own .. ":" .. id) end
    apps[id] = app
  end
  return app
end

function M.of_dyno(label, app)
  local dyno = dynos[label]
  if not dyno then
    dyno = { active = 0, app = app }
    dynos[label] = dyno
  end
  return dyno
end

function M.begin(dyno)
  local app = dyno.app
  dyno.active = dyno.active + 1
  local active = app.active + 1
  app.active = active
  if active - app.published >= STEP then publish(app) end
end

-- For a dyno that is in no route yet: one that was just thawed. Its count is held by the request.
function M.begin_label(label, app)
  local dyno = M.of_dyno(label, app)
  ngx.ctx.load = dyno
  M.begin(dyno)
end

-- Another dyno takes the request.
function M.move(from, to)
  from, to = dynos[from], dynos[to]
  if from and from.active > 0 then from.active = from.active - 1 end
  if to then to.active = to.active + 1 end
end

function M.is_crowded(app)
  local active = app.load.active
  for worker = 0, workers - 1 do
    if worker ~= own then active = active + (shared:get(worker .. ":" .. app.id) or 0) end
  end
  return active >= MOST_PER_DYNO * app.up
end

-- log_by_lua: the request is over.
function M.done()
  local dyno = dynos[var.zarpa_dyno]
  if dyno then
    local app = dyno.app
    if dyno.active > 0 then dyno.active = dyno.active - 1 end
    if app.active > 0 then app.active = app.active - 1 end
    if app.published - app.active >= STEP then publish(app) end
  end
  -- The router is going, and did not wait for the end of this one.
  if exiting() and var.request_completion == "" then var.zarpa_code = "H24" end
end

return M
