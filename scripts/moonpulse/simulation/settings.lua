--- What a simulator was told when it was switched on, over what it is by itself.
local in_order = require "moonpulse.text.in_order"

local M = {}

--- The defaults of a simulator's own options, and of those that a driver may have in common with it.
---@param own table<string, any>
---@param specs moonpulse.Spec[]? one without a default: false
---@return table<string, any> defaults
function M.with(own, specs)
  local defaults = {}
  for key, value in pairs(own) do
    defaults[key] = value
  end
  for _, spec in ipairs(specs or {}) do
    defaults[spec[1]] = spec.default or false
  end
  return defaults
end

--- Raises where an option is not known, or its value not possible.
---@param who string the simulator, for the message
---@param defaults table<string, any> of every option that it knows
---@param given table<string, any>?
---@param wrong (fun(key: string, value: any): string?)? what is wrong with a value
---@return table<string, any> settings
function M.over(who, defaults, given, wrong)
  local settings = M.with(defaults)
  for key, value in in_order.pairs(given or {}) do
    if defaults[key] == nil then
      error(("%s simulator: there is no option %s; known: %s"):format(who, tostring(key),
        table.concat(in_order.keys(defaults), ", ")), 3)
    end
    local message = wrong and wrong(key, value)
    if message then
      error(("%s simulator: %s"):format(who, message), 3)
    end
    settings[key] = value
  end
  return settings
end

return M
