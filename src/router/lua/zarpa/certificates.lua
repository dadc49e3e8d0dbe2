-- Certificates of custom domains, chosen by the name that a client asks for (SNI), and the answers to ACME's HTTP-01 challenges.
-- Keys of the dictionary: "version", "h:<host>" with a certificate's id, "c:<id>" and "k:<id>" with its chain and private key in PEM,
-- "t:<token>" with a challenge's answer.

local ssl = require "ngx.ssl"
local hosts = require "zarpa.hosts"

local M = {}

local dictionary = ngx.shared.zarpa_certificates
local var = ngx.var

local CHALLENGE_SECONDS = 3600

-- Parsed at this version.
local version
local parsed = {}

local function parse(line)
  local id, names, chain, key = line:match("^id=([%w-]+) hosts=(%S*) chain=(%S+) key=(%S+)$")
  if not id then return nil end
  chain, key = ngx.decode_base64(chain), ngx.decode_base64(key)
  return chain and key and { id = id, names = names, chain = chain, key = key }
end

local function put(key, value)
  local ok, problem = dictionary:safe_set(key, value)
  if not ok then error("no room for another certificate: " .. problem) end
end

-- Makes the lines' certificates the only ones; what is not a certificate is given back, and nothing changes.
local function replace(text)
  local wanted, kept = {}, {}
  for line in text:gmatch("[^\n]+") do
    local certificate = parse(line)
    if not certificate then return false end
    wanted[#wanted + 1] = certificate
  end
  for _, certificate in ipairs(wanted) do
    put("c:" .. certificate.id, certificate.chain)
    put("k:" .. certificate.id, certificate.key)
    kept["c:" .. certificate.id], kept["k:" .. certificate.id] = true, true
    for name in certificate.names:gmatch("[^,]+") do
      put("h:" .. name, certificate.id)
      kept["h:" .. name] = true
    end
  end
  for _, key in ipairs(dictionary:get_keys(0)) do
    if key:find("^[chk]:") and not kept[key] then dictionary:delete(key) end
  end
  dictionary:set("count", #wanted)
  dictionary:incr("version", 1, 0)
  return true
end

-- Called when nginx starts, while it still has the rights to read the file; after a reload everything is there already.
function M.restore(file)
  if dictionary:get("version") then return end
  dictionary:set("version", 1)
  local handle = io.open(file, "r")
  if not handle then return end
  local text = handle:read("*a")
  handle:close()
  if not replace(text) then ngx.log(ngx.ERR, "the snapshot of the certificates holds a line that is none") end
end

-- PUT /certificates: these and no others. PUT /challenge: "<token> <answer>".
function M.serve(body)
  if ngx.req.get_method() ~= "PUT" then return 405, "PUT\n" end
  if var.uri == "/challenge" then
    local token, answer = body:match("^([%w_-]+) (%S+)$")
    if not token then return 400, "not a challenge\n" end
    dictionary:set("t:" .. token, answer, CHALLENGE_SECONDS)
    return 200, ""
  end
  local ok, result = pcall(replace, body)
  if not ok then return 507, result .. "\n" end
  return result and 200 or 400, result and "" or "not a certificate\n"
end

local function id_of(name)
  return hosts.nearest(dictionary, name)
end

local function parsed_of(id)
  local now = dictionary:get("version")
  if now ~= version then version, parsed = now, {} end
  local found = parsed[id]
  if not found then
    local chain, key = dictionary:get("c:" .. id), dictionary:get("k:" .. id)
    if not chain or not key then return nil end
    found = { chain = assert(ssl.parse_pem_cert(chain)), key = assert(ssl.parse_pem_priv_key(key)) }
    parsed[id] = found
  end
  return found
end

-- ssl_certificate_by_lua: names without a certificate of their own get the platform's.
function M.choose()
  local name = ssl.server_name()
  local id = name and id_of(name:lower())
  local found = id and parsed_of(id)
  if not found then return end
  ssl.clear_certs()
  assert(ssl.set_cert(found.chain))
  assert(ssl.set_priv_key(found.key))
end

function M.exist()
  return (dictionary:get("count") or 0) > 0
end

-- Whether the connection's certificate is another one than the host's: a client that uses a connection for more than it is for.
function M.is_misdirected(host)
  local name = var.ssl_server_name
  if not name or name == "" or name == host then return false end
  return id_of(name:lower()) ~= id_of(hosts.normalize(host))
end

-- What is no challenge of ours may be one of the app's own.
function M.answer_challenge()
  local answer = dictionary:get("t:" .. (var.uri:match("([%w_-]+)$") or ""))
  if not answer then return ngx.exec("@lane") end
  ngx.header["Content-Type"] = "application/octet-stream"
  ngx.header["Content-Length"] = #answer
  ngx.print(answer)
end

return M
