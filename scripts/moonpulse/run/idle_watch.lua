--- Beside an experiment's script: turns with the loop, in which an idle device is looked after.
local core = require "moonpulse.core"

local M = {}

local function keep_watch(stage)
  local stimulator = stage.stimulator
  while not stage.over do
    if stimulator.watching and (not stage.device.playing or stimulator.list) then
      stimulator:watch()
    end
    stage.record:sync()
    core.wait(stimulator:next_s(0.05))
  end
end

local Watch = {}
Watch.__index = Watch

--- It looks whether the run is over, behind what waits in the script.
function Watch:wake()
  self.stage.waiting:wake()
  self.task:wake()
end

--- However the run was left: its record is about to be closed, and nobody writes in it any more.
function Watch:__close()
  self.stage.over = true
end

--- From now on, until it is closed or stage.over.
---@param stage moonpulse.Stage of the runner
---@return table to be closed
function M.begin(stage)
  return setmetatable({ stage = stage, task = core.spawn(keep_watch, stage) }, Watch)
end

return M
