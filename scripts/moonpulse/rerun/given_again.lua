--- What of a run is given again with the command that goes on with it. A record names no place of its
--- computer: "ttyUSB0" was /dev/ttyUSB0, or a link of that name anywhere. What is not surely known here is in
--- capitals, to be filled in.
local lfs = require "lfs"
local streams = require "moonpulse.experiment.stream_in"

local M = {}

--- Where a port is that a record names.
---@param name any "ttyUSB0", "pts/5", "serial/by-id/usb-..."; of anything else where it was nobody knows
---@return string? path of a port that is there now
function M.port(name)
  if type(name) ~= "string" then
    return nil
  end
  local is_system = name:find("^%w[^/]*/") or name:find "^tty%u+%d+$" or name:find "^parport%d+$"
  local path = name:find "^/" and name or is_system and "/dev/" .. name
  return path and lfs.attributes(path, "mode") == "char device" and path or nil
end

--- What a record has of --codes, as it is typed.
---@param text any "ttyUSB1,width=2"
---@return string? "/dev/ttyUSB1,width=2", or "BOX,width=2"; nil: the run had no box
function M.codes(text)
  local path, settings = (type(text) == "string" and text or ""):match "^([^,]+)(.*)$"
  return path and (path == "sim" and path or M.port(path) or "BOX") .. settings
end

--- What a record has of --trigger-in, as it is typed.
---@param text any "pts/6", "lines:ttyUSB1", "keys", "lsl:NAME"
---@return string? nil: it names no place that is known
function M.trigger_in(text)
  if type(text) ~= "string" then
    return nil
  elseif text == "keys" or streams.is_path(text) then
    return text
  end
  local before, path = text:match "^(lines:)(.*)$"
  local port = M.port(path or text)
  return port and (before or "") .. port
end

--- The box of event codes that must be named again: where a simulated one stands in for it none is.
---@param recipe moonpulse.Recipe
---@param own boolean it was on a simulator of ours
---@param speed string|number|nil at which it goes on; "virtual", or a number that is not 1: in virtual time
---@return string? as the record has it
function M.box_of(recipe, own, speed)
  local codes = recipe.begin.options.codes
  return (not own or tonumber(speed) == 1) and type(codes) == "string" and codes or nil
end

return M
