-- Host names as clients write them.

local M = {}

-- "Name.LOCALHOST.:8080" -> "name.localhost"
function M.normalize(host)
  local name = host:lower():gsub(":%d+$", ""):gsub("%.$", "")
  return name
end

-- What a dictionary has for a name, or for the nearest wildcard domain above it.
function M.nearest(dictionary, name)
  local value = dictionary:get("h:" .. name)
  local dot = name:find(".", 1, true)
  while not value and dot do
    value = dictionary:get("h:*" .. name:sub(dot))
    dot = name:find(".", dot + 1, true)
  end
  return value
end

return M
