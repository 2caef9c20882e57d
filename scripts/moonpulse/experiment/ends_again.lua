--- The end of a run that is told what an earlier one was told (moonpulse.experiment.recall). A part of a
--- script that ends it, or stops the stimulator, does so at an instant of its own clock, and what other parts
--- gave by then is the computer's timing: so it waits until the earlier run was left, by its journal.
local core = require "moonpulse.core"
local refusals = require "moonpulse.text.refusal"

local M = {}

-- all that the earlier run had given and decided when it ended is given and decided so much later here
local longer_ns = 1000000000

---@class moonpulse.RecalledEnds the n-th: when the stimulator was left that was armed for the n-th time
---@field [integer] integer from the run's start
---@field arms integer how often it was armed
---@field ended boolean the run came to its end
---@field stopped string? why it was stopped last: name in core.stops

--- From the lines of a journal.
---@param lines table[]
---@return moonpulse.RecalledEnds
function M.of(lines)
  local ends, stop_ns = { arms = 0, ended = false }, nil
  for _, entry in ipairs(lines) do
    local at_ns = math.tointeger(tonumber(entry.at_ns)) or 0
    if entry.kind == "end" then
      ends.ended = true
      break -- what follows is of later writers
    elseif entry.kind == "arm" then
      ends.arms, stop_ns = ends.arms + 1, nil
    elseif entry.kind == "stop" then
      ends.stopped, stop_ns = entry.reason, stop_ns or at_ns
    elseif entry.kind == "disarm" and not ends[ends.arms] then
      ends[ends.arms] = stop_ns or at_ns
    end
  end
  return ends
end

--- A run that is told what an earlier one was told begins: where that one was stuck, or never ended, a script
--- that does not yield is interrupted, and other parts of it go on until that one was stopped.
---@param recall moonpulse.Recall?
function M.begin(recall)
  core.goes_on(recall ~= nil and (recall.ends.stopped == "stuck" or not recall.ends.ended))
end

--- Does what ended a part of a script end the run? What stopped the run had ended it before.
---@param stage moonpulse.Stage of the runner
---@param problem any
---@return boolean
function M.is_end(stage, problem)
  return not refusals.is_stopped(problem)
    or stage.heard.recall ~= nil and problem.reason == "stuck" and not stage.stimulator.stopped
end

local function wait_until(at_ns)
  while core.clock_ns() < at_ns do
    core.wait(math.max(0, at_ns - core.clock_ns()) / 1e9) -- time passes on the way
  end
end

--- A part of the script is about to end the run: of a run that is told what an earlier one was told the other
--- parts go on until that one was ended, and longer. Nothing where there are none.
---@param stage moonpulse.Stage of the runner
---@param stops boolean? it only stops the stimulator, which the earlier run may have armed again
function M.await(stage, stops)
  local heard = stage.heard
  local ends = heard.recall and heard.recall.ends
  if not ends or heard.spawned == 0 or stops and heard.arms < ends.arms or not pcall(core.current) then
    return
  elseif ends.ended then
    wait_until(stage.record.start_ns + (ends[ends.arms] or heard.recall.over_ns) + longer_ns)
  end
  while not ends.ended and stage.device.playing do -- nobody wrote when it was killed
    core.wait(0.05)
  end
end

return M
