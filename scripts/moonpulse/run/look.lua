--- Bounds of an experiment that is only looked at (check, show, events). Somebody else may have written it:
--- it gets no further than its own computing (moonpulse.protocol.sandbox), and of that only so much.
local blame = require "moonpulse.text.author_line"
local core = require "moonpulse.core"

local M = {}

local longest_h = 24 -- of the experiment's own time
local most = { seconds = 60, megabytes = 1024, file_megabytes = 512 } -- of this process
local by_signal = {
  [24] = ("it took more than %d s of computing"):format(most.seconds), -- SIGXCPU
  [25] = ("it recorded more than %d MB"):format(most.file_megabytes), -- SIGXFSZ
}

--- From now on this process is one that looks at an experiment.
function M.begin()
  core.confine(most)
end

--- Raise, at the script's line, where it goes on for longer than is looked at.
---@param since_ns integer of the run's time
function M.check(since_ns)
  if since_ns > longest_h * 3600 * 1000000000 then
    blame.fail("the experiment goes on for more than %d h, which is as long as it is looked at: does it come "
      .. "to an end?", longest_h)
  end
end

--- Why the process that looked was ended by a signal.
---@param signal integer
---@return string
function M.ended(signal)
  return ("the look at the experiment was ended: %s: does it come to an end?"):format(by_signal[signal]
    or ("by signal %d"):format(signal))
end

return M
