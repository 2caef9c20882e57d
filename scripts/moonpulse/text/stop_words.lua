--- Why a run was stopped, and what to do about it, in words.
local core = require "moonpulse.core"

local M = {}

local reasons = {
  signal = "stopped by a signal", requested = "stopped on request",
  late = "a pulse would have left too late",
  close = "the host was held up: the next pulse would have come much closer to the last than planned",
  record = "the computer was too busy to take note of what was sent",
  full = "the flight record is full: make the run shorter, or ask the stimulator less often",
  gone = "the port is lost",
  blocked = "the port does not take bytes", device = "stopped by a device fault",
  error = "stopped by an error",
  stuck = "the computer was too busy: Moonpulse did not get to run for half a second",
  key = "stopped by a key (q or space)", line = "stopped by the stop line",
  guard = "the guard process is gone, or was stopped",
  silent = "the stimulator stopped confirming its pulses: is it switched on, and the cable sound?",
  setting = "the stimulator did not confirm its settings: is the cable sound and fully plugged in?",
}
-- where somebody wrote a script it may be that, too
local stuck_in_script = "the script did not yield for half a second, or the computer was too busy"
-- reasons to stop that are the device's doing
M.faults_of_device = { gone = true, blocked = true, silent = true, setting = true }
local remedies = {
  stuck = "; close other programs",
  late = "; close other programs, or allow more with --tolerance MS or --late skip",
  close = "; close other programs, or leave such pulses out with --late skip",
}

--- What to do about it, to be said behind how far the run came; "" where nothing is to be said.
---@param reason string
---@param scripted any true: an experiment's
function M.remedy(reason, scripted)
  return remedies[reason] and remedies[reason] .. (reason == "stuck" and scripted
    and ", and wait with run:sleep, not in a loop" or "") or ""
end

--- A reason of the engine's, in words.
---@param reason string
---@param scripted any true: an experiment's, so the script may be the one that did not yield
function M.words(reason, scripted)
  if reason == "stuck" and core.muted() then
    return "nobody took what Moonpulse printed for half a second (a held terminal, a full pipe)"
  end
  return reason == "stuck" and scripted and stuck_in_script or reasons[reason] or reason
end

return M
