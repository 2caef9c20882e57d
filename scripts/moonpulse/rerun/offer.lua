--- What is offered to who has a run that broke off: only a command that is not refused.
local goes_on = require "moonpulse.rerun.goes_on"
local read = require "moonpulse.record.read"
local to_type = require "moonpulse.text.to_type"

local M = {}

--- The command that goes on with a run, as its folder is now. Nothing of the folder is run for that: whether
--- a protocol's last trial had begun, resume says.
---@param folder string an absolute path
---@param inputs { port: string?, trigger_in: string?, trigger_baud: string? }? what its record does not
---   name, or without its place, where it is known
---@return string? command nil: nothing does
---@return string? why not
function M.of(folder, inputs)
  local recipe, why = goes_on.recipe(folder)
  if not recipe then
    return nil, why
  elseif recipe.is_experiment then
    local known, at, message = pcall(goes_on.where, recipe)
    if not known or not at then
      return nil, known and message or tostring(at)
    end
  end
  local was = type(recipe.manifest.device) == "table" and recipe.manifest.device or {}
  local own = recipe.begin.devices ~= nil or read.get(recipe.manifest, "device.own_simulator") == true
  local of, is_named = recipe.begin.options, read.get(recipe.manifest, "participant") ~= nil
  local port = inputs and inputs.port or type(was.port) == "string" and was.port or nil
  return to_type.resume(folder, own, port, {
    start_on = of.start_on, stop_line = of.stop_line, is_timed = of.speed == 1,
    trigger_in = inputs and inputs.trigger_in, trigger_baud = inputs and inputs.trigger_baud,
    rmt = not is_named and of.rmt or nil, amt = not is_named and of.amt or nil })
end

return M
