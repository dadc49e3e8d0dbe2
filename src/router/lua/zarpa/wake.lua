-- Apps that sleep. Frozen dynos are thawed here, by a write to their control groups' files, so that they wake at once and even while
-- the control plane is away; those that were stopped are started by the control plane, which is told of every wake.

local M = {}

-- Unix socket of the control plane that takes ids of apps, one a line; set by the configuration.
M.socket = nil

-- A control plane that does not answer is asked again after this long.
local AGAIN_SECONDS = 0.5
local TIMEOUT_MILLISECONDS = 1000

-- By app id: when this worker told the control plane last.
local told = {}

-- What a route line says of an app asleep: its frozen web dynos, and the files that thaw its dynos.
function M.decode(app, line)
  app.frozen, app.thaw = {}, {}
  for dyno, address, port in line:match(" backends=(%S*)"):gmatch("([^@,]+)@([^,]+):(%d+)") do
    app.frozen[#app.frozen + 1] = app.id .. " " .. dyno .. " " .. address .. ":" .. port
  end
  for file in (line:match(" thaw=(%S*)") or ""):gmatch("[^,]+") do app.thaw[#app.thaw + 1] = file end
end

local function thaw(file)
  local handle = io.open(file, "r+")
  if not handle then return false end
  -- cgroup v1 and v2.
  local written = handle:write(file:find("freezer.state", 1, true) and "THAWED" or "0")
  return handle:close() and written ~= nil
end

local function tell(_, id)
  local socket = ngx.socket.tcp()
  socket:settimeout(TIMEOUT_MILLISECONDS)
  if socket:connect(M.socket) then
    socket:send(id .. "\n")
    socket:close()
  end
end

-- Tells the control plane that somebody asks for the app; in the background, and not for each of many requests.
function M.tell(id)
  local now = ngx.now()
  if told[id] and now - told[id] < AGAIN_SECONDS then return end
  told[id] = now
  ngx.timer.at(0, tell, id)
end

-- Thaws the app's dynos; the label of a web dyno that answers then, or nil when the control plane has to start one.
function M.up(app)
  M.tell(app.id)
  if #app.frozen == 0 then return nil end
  for _, file in ipairs(app.thaw) do
    if not thaw(file) then return nil end
  end
  return app.frozen[math.random(#app.frozen)]
end

return M
