-- The router's own pages, in English and Spanish: HTML for browsers, JSON for those who ask for it, else a few lines of text.

local M = {}

local TEXTS = {
  application = {
    en = {
      "Application error",
      "An error occurred in the application and your page could not be served.",
      "If you are the application owner, check your logs for details:",
      "heroku logs --tail{app}",
    },
    es = {
      "Error de la aplicación",
      "Se ha producido un error en la aplicación y no se ha podido mostrar la página.",
      "Si la aplicación es tuya, mira los detalles en su registro:",
      "heroku logs --tail{app}",
    },
  },
  exhausted = {
    en = {
      "Out of dyno hours",
      "This application's owner has used up this month's Eco dyno hours.",
      "It is back on the first of the next month; dynos of another size run at once:",
      "heroku ps:type basic{app}",
    },
    es = {
      "Sin horas de dyno",
      "El dueño de esta aplicación ha gastado las horas de dyno Eco de este mes.",
      "Volverá el día 1 del mes que viene; los dynos de otro tamaño funcionan ya:",
      "heroku ps:type basic{app}",
    },
  },
  maintenance = {
    en = { "Offline for Maintenance", "This application is undergoing maintenance right now.", "Please check back later." },
    es = { "En mantenimiento", "Esta aplicación está en mantenimiento en este momento.", "Vuelve a intentarlo más tarde." },
  },
  blank = {
    en = { "Welcome to your new app!", "Nothing has been deployed to it yet.", "Deploy it from your repository:", "git push heroku main" },
    es = { "¡Esta es tu nueva aplicación!", "Todavía no se ha desplegado nada en ella.", "Despliégala desde tu repositorio:", "git push heroku main" },
  },
  unknown = {
    en = { "There's nothing here, yet.", "No application has the address {host}.", "To make one:", "heroku create{name}" },
    es = { "Aquí no hay nada, todavía.", "Ninguna aplicación tiene la dirección {host}.", "Para crear una:", "heroku create{name}" },
  },
  misdirected = {
    en = { "Misdirected Request", "This connection's certificate is not for {host}.", "Please load the page again." },
    es = { "Petición mal dirigida", "El certificado de esta conexión no es para {host}.", "Vuelve a cargar la página." },
  },
  bad = {
    en = { "Bad Request", "The request is not HTTP as it should be, or is too long.", "" },
    es = { "Petición incorrecta", "La petición no es HTTP como debe ser, o es demasiado larga.", "" },
  },
  expectation = {
    en = { "Expectation Failed", "The only expectation that is understood is 100-continue.", "" },
    es = { "Expectativa no atendida", "La única expectativa que se entiende es 100-continue.", "" },
  },
}

local HTML = [[<!DOCTYPE html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex"><title>{title}</title><style>
html{color-scheme:light dark}body{margin:0;min-height:100vh;display:grid;place-items:center;font:17px/1.6 system-ui,sans-serif;
background:#f5f6fa;color:#23263a}main{max-width:34rem;padding:2rem}h1{font-size:1.9rem;line-height:1.2;margin:0 0 1rem}p{margin:.4rem 0}
code{display:block;margin:.8rem 0;padding:.8rem 1rem;border-radius:.5rem;background:#e6e8f2;font:15px/1.4 ui-monospace,monospace;
overflow-wrap:anywhere}small{display:block;margin-top:2rem;color:#6a6f88}
@media(prefers-color-scheme:dark){body{background:#14161f;color:#e4e6f1}code{background:#232634}small{color:#8d93ad}}
</style></head><body><main><h1>{title}</h1><p>{first}</p><p>{second}</p>{command}<small>{footer}</small></main></body></html>
]]

-- What Heroku does with the pages that an app names: https://devcenter.heroku.com/articles/error-pages
local FRAME = [[<!DOCTYPE html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex"><title>{title}</title><style>
html,body,iframe{margin:0;padding:0;border:0;width:100%;height:100%;display:block;overflow:hidden}
</style></head><body><iframe src="{page}" title="{title}"></iframe></body></html>
]]

local ESCAPES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

local function html(text)
  return (text:gsub("[&<>\"']", ESCAPES))
end

local function json(text)
  return '"' .. text:gsub('[%c"\\\127-\255]', function(char)
    -- UTF-8 of ours passes; a byte of a client's host name that is none of it does not get here (see `printable`).
    return char:byte() > 127 and char or ("\\u%04x"):format(char:byte())
  end) .. '"'
end

local function fill(template, values)
  return (template:gsub("{(%l+)}", values))
end

-- A host name as it may be shown: whatever a client sent, but only these characters.
local function printable(host)
  return (host:gsub("[^%w.:%[%]_-]", "?"):sub(1, 253))
end

-- The first of the two languages that the client names; English when it names neither.
local function language_of(accept_language)
  for tag in (accept_language or ""):lower():gmatch("(%a+)[%w-]*") do
    if tag == "en" or tag == "es" then return tag end
  end
  return "en"
end

-- The page of the app's own, by its config vars ERROR_PAGE_URL and MAINTENANCE_PAGE_URL; nil when it has none for this.
function M.own(app, kind)
  if kind == "maintenance" then return app.maintenance_page end
  if kind == "application" then return app.error_page end
  return nil
end

-- `details`: code, app (a name), host, request_id, page (an address). Returns the content type and the text.
function M.render(kind, details, accept, accept_language)
  local language = language_of(accept_language)
  local host = printable(details.host or "")
  local name = host:match("^(%l[%l%d-]+)%.")
  local values = { host = host, name = name and " " .. name or "", app = details.app and " --app " .. details.app or "" }
  local text = TEXTS[kind][language]
  local title, first, second = text[1], fill(text[2], values), text[3]
  local command = text[4] and fill(text[4], values)
  local footer = (details.code and details.code .. " · " or "") .. details.request_id
  accept = accept or ""
  if details.page and not accept:find("json", 1, true) then
    local page = fill(FRAME, { language = language, title = html(title), page = html(details.page) })
    return "text/html; charset=utf-8", page
  end
  if accept:find("text/html", 1, true) then
    return "text/html; charset=utf-8", fill(HTML, {
      language = language, title = html(title), first = html(first), second = html(second), footer = html(footer),
      command = command and "<code>" .. html(command) .. "</code>" or "",
    })
  end
  if accept:find("json", 1, true) then
    return "application/json", ('{"id":%s,"message":%s,"request_id":%s}\n'):format(
      json(details.code or kind), json(title .. ": " .. first), json(details.request_id))
  end
  local lines = { title, "", first, second }
  if command then lines[#lines + 1] = "  " .. command end
  lines[#lines + 1] = ""
  lines[#lines + 1] = footer
  return "text/plain; charset=utf-8", table.concat(lines, "\n") .. "\n"
end

return M
