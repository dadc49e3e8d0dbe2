-- The route feed: the control plane's view of the table, over a Unix socket that only it can reach. Bodies are route lines, one an app.

local certificates = require "zarpa.certificates"

local M = {}

local dictionary = ngx.shared.zarpa_table

local function parse(line)
  local id = line:match("^id=([%w-]+) ")
  local hosts = line:match(" hosts=(%S*)")
  if not id or not hosts or not line:match(" state=%l+ ") then return nil end
  return id, hosts
end

local function put(key, line)
  local ok, problem = dictionary:safe_set(key, line)
  if not ok then error("the route table takes no more: " .. problem) end
end

-- What has gone goes first: after a failure (no memory) the same line again completes the work.
local function apply(line)
  local id, hosts = parse(line)
  local former = dictionary:get("a:" .. id)
  local gone = line:find(" state=gone ", 1, true)
  local kept = {}
  if not gone then
    for host in hosts:gmatch("[^,]+") do kept[host] = true end
  end
  if former then
    for host in former:match(" hosts=(%S*)"):gmatch("[^,]+") do
      -- A host that another app has taken meanwhile is that app's.
      if not kept[host] and dictionary:get("h:" .. host) == id then dictionary:delete("h:" .. host) end
    end
  end
  if gone then
    dictionary:delete("r:" .. id)
    dictionary:delete("a:" .. id)
    return id
  end
  put("a:" .. id, line)
  -- An app may have a thousand hosts: they point to its route, which does not repeat them.
  put("r:" .. id, (line:gsub(" hosts=%S*", "", 1)))
  for host in pairs(kept) do
    if dictionary:get("h:" .. host) ~= id then put("h:" .. host, id) end
  end
  return id
end

local function lines_of(text)
  local lines = {}
  for line in text:gmatch("[^\n]+") do
    if not parse(line) then return nil, line end
    lines[#lines + 1] = line
  end
  return lines
end

local function app_ids()
  local ids = {}
  for _, key in ipairs(dictionary:get_keys(0)) do
    local id = key:match("^a:(.+)$")
    if id then ids[#ids + 1] = id end
  end
  return ids
end

local function change(lines)
  local named = {}
  for _, line in ipairs(lines) do named[apply(line)] = true end
  return named
end

local function replace(lines)
  local named = change(lines)
  for _, id in ipairs(app_ids()) do
    if not named[id] then apply("id=" .. id .. " state=gone hosts=") end
  end
end

-- Called when nginx starts, and again at each reload: then the table is there already.
function M.restore(file)
  if dictionary:get("version") then return end
  dictionary:set("version", 1)
  local handle = io.open(file, "r")
  if not handle then return end
  local lines, wrong = lines_of(handle:read("*a"))
  handle:close()
  if lines then return change(lines) end
  ngx.log(ngx.ERR, "the snapshot of the routes holds a line that is none: ", wrong)
end

local function body()
  ngx.req.read_body()
  local text = ngx.req.get_body_data()
  if text then return text end
  local file = ngx.req.get_body_file()
  if not file then return "" end
  local handle = assert(io.open(file, "r"))
  text = handle:read("*a")
  handle:close()
  return text
end

local function say(status, text)
  ngx.status = status
  ngx.header["Content-Type"] = "text/plain"
  ngx.header["Content-Length"] = #text
  ngx.print(text)
end

-- Certificates and challenges.
function M.serve_certificates()
  local status, text = certificates.serve(body())
  -- The routes are looked at anew: whether there are certificates matters to them.
  dictionary:incr("version", 1)
  return say(status, text)
end

-- GET: all lines. PATCH: the lines' apps, `state=gone` takes one away. PUT: these apps and no others.
function M.serve()
  local method = ngx.req.get_method()
  if method == "GET" then
    local lines = {}
    for _, id in ipairs(app_ids()) do lines[#lines + 1] = dictionary:get("a:" .. id) end
    lines[#lines + 1] = ""
    return say(200, table.concat(lines, "\n"))
  end
  if method ~= "PATCH" and method ~= "PUT" then return say(405, "GET, PATCH or PUT\n") end
  local lines, wrong = lines_of(body())
  if not lines then return say(400, "not a route: " .. wrong .. "\n") end
  local ok, problem = pcall(method == "PUT" and replace or change, lines)
  -- Also after a failure: what was written is to be seen.
  dictionary:incr("version", 1)
  if not ok then return say(507, problem .. "\n") end
  return say(200, "")
end

return M
