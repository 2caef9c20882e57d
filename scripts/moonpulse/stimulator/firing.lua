--- What fires besides the device's own command: a line of its port, or a trigger box on a port of its own.
local refusals = require "moonpulse.text.refusal"

local M = {}

--- Fire over a line, or over a port of its own: there, and down, before anything is armed. Raises a fault.
---@param link moonpulse.Link
---@param trigger moonpulse.Trigger|table { line } or { path, serial, after }, with text as the user wrote it
function M.open(link, trigger)
  local ok, message, code = link.session:trigger {
    line = trigger.line, path = trigger.path, serial = trigger.serial,
    rest = trigger.path and trigger.after,
  }
  if code == "busy" and message:find("already open in this program", 1, true) then
    code = "unsupported"
    message = message .. ": for a line of the device's own port write --trigger rts, dtr or break"
  end
  if not ok then
    refusals.fault(trigger.text and ("--trigger %s: %s"):format(trigger.text, message) or message,
      code == "unsupported" and "usage" or nil)
  end
end

--- A driver may fire over a line by itself: there is only one that it can name.
---@param link moonpulse.Link
---@param driver moonpulse.Driver
---@param actions moonpulse.Action[]
---@return string? line that was opened
function M.open_own(link, driver, actions)
  for _, action in ipairs(actions) do
    local fired = not action.train and driver.encode.pulse(action)
    if type(fired) == "table" and fired.line then
      M.open(link, { line = fired.line })
      return fired.line
    end
  end
end

return M
