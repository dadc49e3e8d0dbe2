-- How nginx tells of several attempts at one request.

local M = {}

-- The last value of an nginx variable that has one for each attempt: "-, 0.002", with " : " for an attempt that is only beginning.
function M.last(values)
  return (values or ""):match("([%d.-]+)[ :,]*$")
end

return M
