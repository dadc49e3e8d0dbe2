-- What a dyno's answer must keep to: https://devcenter.heroku.com/articles/http-routing#request-and-response-limits (H25).

local M = {}

local var = ngx.var
local find = string.find
local http_version = ngx.req.http_version

local COOKIE_BYTES = 8192
local BAD_GATEWAY = 502

-- The answer to a refusal comes here too.
local function refuse(code)
  if var.zarpa_code ~= "" then return end
  var.zarpa_code = code
  return ngx.exit(BAD_GATEWAY)
end

local function has_long_cookie()
  local cookies = ngx.resp.get_headers(0)["set-cookie"]
  if type(cookies) == "string" then return #cookies > COOKIE_BYTES end
  for _, cookie in ipairs(cookies or {}) do
    if #cookie > COOKIE_BYTES then return true end
  end
  return false
end

-- header_filter_by_lua. nginx itself passes on whatever a dyno calls a length, and takes an answer without a status line for one of
-- HTTP/0.9.
function M.check()
  local length = var.upstream_http_content_length
  if length then
    if find(length, "%D") then return refuse("H25 invalid content length") end
  elseif http_version() == 0.9 then
    return refuse("H17")
  end
  -- Most answers have none, and most that have are short as a whole.
  if var.upstream_http_set_cookie and tonumber(var.upstream_bytes_received) > COOKIE_BYTES and has_long_cookie() then
    return refuse("H25 oversized cookie")
  end
end

return M
