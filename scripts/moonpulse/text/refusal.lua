--- Errors that are meant for the user: tables with a message, and a code that gives the exit status.
--- Three kinds: a refusal (what was asked for cannot be), a fault (the device, not the script), and a stop.
local M = {}

--- The exit status of each code.
M.status = { ok = 0, usage = 2, limit = 3, fault = 4, stopped = 5 }

-- the metatable of a kind is shared by all of its errors: a script that catches one gets at none
local Refusal = { __metatable = false }
function Refusal.__tostring(self)
  return self.message
end

--- Refuse what was asked for: the command ends with this message.
---@param code "usage"|"limit"|"fault"|"stopped"
---@param text string a format
function M.raise(code, text, ...)
  local message = select("#", ...) > 0 and text:format(...) or text
  error(setmetatable({ code = code, message = message }, Refusal), 0)
end

--- The same with more in the error, for who compares two of them.
---@param more table changed
---@param code "usage"|"limit"|"fault"|"stopped"
---@param text string a format
function M.with(more, code, text, ...)
  more.code, more.message = code, text:format(...)
  error(setmetatable(more, Refusal), 0)
end

--- Refuse a run because its operator's answers do not let it begin: the record says so in its status.
---@param text string
function M.declined(text)
  error(setmetatable({ code = "limit", message = text, declined = true }, Refusal), 0)
end

--- Errors that mean the device, not the script: commands turn them into exit status 4.
local Fault = { __name = "moonpulse.fault", __metatable = false }
function Fault.__tostring(self)
  return self.message
end

--- Errors that mean that a stop came while a driver was at work.
local Stopped = { __name = "moonpulse.stopped", __tostring = Fault.__tostring, __metatable = false }

--- Raise that a device is at fault: the run ends with these words.
---@param text string
---@param code string? an exit status by its name; "fault" where none is given
function M.fault(text, code)
  error(setmetatable({ message = text, code = code }, Fault))
end

--- Is value an error raised by fault, or by a link's?
---@param value any
---@return boolean
function M.is_fault(value)
  return type(value) == "table" and debug.getmetatable(value) == Fault
end

--- Raise that a stop came: who waits or drives a device ends with it, and nobody is at fault.
---@param reason string "signal", "key", ...
---@param text string? what to say instead of "stopped (reason)"
function M.stopped(reason, text)
  error(setmetatable({ message = text or "stopped (" .. reason .. ")", reason = reason,
    code = "stopped" }, Stopped))
end

--- Is value the error of a driver that was stopped? Its reason is in value.reason.
---@param value any
---@return boolean
function M.is_stopped(value)
  return type(value) == "table" and debug.getmetatable(value) == Stopped
end

return M
