--- What is offered to who has a run that broke off: only a command that is not refused.
local given_again = require "moonpulse.rerun.given_again"
local goes_on = require "moonpulse.rerun.goes_on"
local lfs = require "lfs"
local read = require "moonpulse.record.read"
local seals = require "moonpulse.record.seal"
local to_type = require "moonpulse.text.to_type"

local M = {}

--- What of a run came from outside, and comes so again.
local function from_outside(recipe, inputs, own)
  local of = recipe.begin.options
  local box = given_again.box_of(recipe, own, of.speed)
  local fired = of.trigger or read.get(recipe.manifest, "device.trigger")
  local answers = inputs.answers or type(of.answers_from) == "string" and of.answers_from or nil
  return { start_on = of.start_on, stop_line = of.stop_line, is_timed = of.speed == 1,
    trigger = inputs.trigger or fired and "WHERE" or nil,
    trigger_in = inputs.trigger_in or given_again.trigger_in(of.trigger_in) or of.trigger_in and "PATH"
      or nil,
    trigger_baud = inputs.trigger_baud or of.trigger_baud,
    codes = box and (inputs.codes or given_again.codes(box)), answers = answers,
    events = answers == "events" and (inputs.events or "PATH") or nil,
    sign = inputs.sign or lfs.symlinkattributes(recipe.folder .. "/" .. seals.signature, "mode") and "KEY"
      or nil }
end

--- The command that goes on with a run, where it was judged already that one does.
---@param recipe moonpulse.Recipe
---@param inputs moonpulse.Inputs? as of M.of
---@return string
function M.command(recipe, inputs)
  local was = type(recipe.manifest.device) == "table" and recipe.manifest.device or {}
  local own = recipe.begin.devices ~= nil or read.get(recipe.manifest, "device.own_simulator") == true
  local options, of = from_outside(recipe, inputs or {}, own), recipe.begin.options
  if recipe.begin.devices then -- resume names the command
    return to_type.resume(recipe.folder, true, nil, {})
  elseif read.get(recipe.manifest, "participant") == nil then
    options.rmt, options.amt = of.rmt, of.amt
  end
  return to_type.resume(recipe.folder, own, inputs and inputs.port or given_again.port(was.port), options)
end

--- The command that goes on with a run, as its folder is now. Nothing of the folder is run for that: whether
--- a protocol's last trial had begun, resume says.
---@param folder string an absolute path
---@param inputs moonpulse.Inputs? what its record does not name, or without its place, where it is known
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
  return M.command(recipe, inputs)
end

return M
