--- A protocol's run in virtual time: what moonpulse.run.play does in real time, on a simulator in this
--- process.
local core = require "moonpulse.core"
local insides = require "moonpulse.simulation.inside"
local plays = require "moonpulse.run.play"
local virtual_time = require "moonpulse.simulation.virtual_time"

local M = {}

--- Run job. Begins and ends virtual time.
---@param job moonpulse.Job as for moonpulse.run.play, and with simulator, faults or cuts if asked for
---@param record moonpulse.Record
---@param speed number|"max"
---@param hooks moonpulse.Hooks as for moonpulse.run.play
---@return moonpulse.Ended outcome as of moonpulse.run.play, with took_s and virtual_s: what was played, from
---   armed to the last row, took so long, and is so long in virtual time
function M.run(job, record, speed, hooks)
  if not pcall(core.current) then
    return core.run(M.run, job, record, speed, hooks)
  end
  local time <close> = virtual_time.begin(speed)
  local simulator <close> = insides.start(job.driver, record.folder .. "/twin.tsv",
    job.faults and job.faults.text, job.simulator, job.cuts and job.cuts.far)
  if job.driver.trigger then
    job.driver.trigger.path = simulator.trigger_path
  end
  local timed = setmetatable({
    armed = function(...)
      hooks.armed(...)
      time.start()
    end,
    played = function() time.stop() if hooks.played then hooks.played() end end,
  }, { __index = hooks })
  local outcome = plays.run(job, simulator.path, record, timed)
  outcome.took_s, outcome.virtual_s = time.took()
  return outcome
end

return M
