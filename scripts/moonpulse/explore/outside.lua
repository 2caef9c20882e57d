--- Pulses that something outside fires while stim:watch waits for them: drawn so that they come alone, at
--- the edge of the refractory time, too soon, in storms, more than may come, before it waits and after its
--- end.
local core = require "moonpulse.core"
local plans = require "moonpulse.explore.plan"

local M = {}

local device = "magventure" -- the one that reports pulses that it was not sent
local ready_s = 1 -- it waits by then
local edge_ns = 2000 -- reports come by another clock
local about_edge = { -0.02, -1e-3, -1e-5, 0, 0, 0, 1e-5, 0.3, 2 }

--- When the pulses come, in seconds from the call.
local function fires_of(chance, step)
  local list, t = {}, ready_s + chance:draw(0, 32) / 16
  if chance:once_in(12) then
    list[1] = chance:pick { 0.001, 0.02, 0.1 } -- it does not wait yet
  end
  for _ = 1, chance:once_in(8) and 0 or chance:draw(1, step.count + 2) do
    list[#list + 1] = t
    if chance:once_in(8) then -- a storm of 1000 a second
      for i = 1, chance:pick { 3, 30, 300 } do
        list[#list + 1] = t + i * 1e-3
      end
      t = list[#list]
    end
    t = t + step.refractory + chance:pick(about_edge)
  end
  return list
end

--- Let a script of such a device watch at its end.
---@param chance moonpulse.explore.Chance
---@param scenario moonpulse.explore.Scenario with its script; is changed
function M.draw(chance, scenario)
  if scenario.device ~= device or scenario.trigger or not chance:once_in(2) then
    return
  end
  local pulse = { kind = "pulse", value = chance:draw(25, 70), ref = "MSO" }
  local step = { what = "watch", plan = { parts = { pulse } }, count = chance:pick { 1, 3, 5, 9 },
    refractory = chance:pick { 0.05, 0.2, 1, 2 } }
  step.fires = fires_of(chance, step)
  step.goes_on = chance:once_in(4) or nil -- whatever the script does then
  step.timeout = (step.fires[#step.fires] or 2) + chance:pick { -0.01, 0.02, 0.5, 2 }
  step.timeout = math.max(0.1, step.timeout)
  -- the script begins with arming, and may not come to its end
  table.insert(scenario.script[1], chance:once_in(4) and #scenario.script[1] + 1 or 1, step)
end

--- The verb: the pulses come from outside of the script, whatever becomes of it.
---@param self table of moonpulse.explore.play
---@param run moonpulse.ExperimentRun
---@param stim moonpulse.ExperimentDevice
---@param step table
function M.perform(self, run, stim, step)
  local own, pulse = self.device, plans.build(step.plan)
  if not stim:armed() then
    self.arms[#self.arms + 1] = core.clock_ns()
    stim:arm(pulse)
  end
  local call = { step = step, called_ns = core.clock_ns() }
  table.insert(self.watches, call)
  core.spawn(function()
    self.waiting[core.current()] = true
    for _, at_s in ipairs(step.fires) do
      local left_ns = call.called_ns + math.floor(at_s * 1e9 + 0.5) - core.clock_ns()
      if left_ns > 0 then
        core.wait(left_ns / 1e9)
      end
      -- amid a plan of ours its report would be taken for that of ours, which the device then ignores
      if self.over or call.returned_ns and (not step.goes_on or own.playing) then
        break
      end
      self.fired[core.clock_ns()] = true
      own.simulator:fired()
    end
    self.waiting[core.current()] = nil
  end)
  local ok, problem = pcall(stim.watch, stim, pulse, { count = step.count, refractory = step.refractory,
    timeout = step.timeout })
  call.returned_ns = core.clock_ns()
  if not ok then
    error(problem, 0)
  end
  run:sleep(0)
end

local function take_out(list, is_one)
  local kept, taken = {}, {}
  for _, each in ipairs(list) do
    local to = is_one(each) and taken or kept
    to[#to + 1] = each
  end
  return kept, taken
end

--- Put what came from outside into lists of its own: run.fired_given, what the simulator gave of it, and
--- run.outside, its rows. The others are as if it had not been.
---@param run table as moonpulse.explore.evidence has read it
function M.part(run)
  if next(run.fired) == nil then
    run.outside, run.fired_given = {}, {}
    return
  end
  run.pulses, run.outside = take_out(run.pulses, function(row) return row.timed_by == "external" end)
  run.given, run.fired_given = take_out(run.given, function(pulse) return run.fired[pulse.ns] end)
  run.log = take_out(run.log, function(entry)
    return entry.event == "ignored" and run.fired[entry.ns]
  end)
end

--- Came a pulse too soon after the one before, by what the simulator gave?
---@param run table
---@return boolean
function M.too_soon(run)
  for _, call in ipairs(run.watches) do
    for i = 2, #run.fired_given do
      local apart = run.fired_given[i].ns - run.fired_given[i - 1].ns
      if apart < call.step.refractory * 1e9 + edge_ns then
        return true
      end
    end
  end
  return false
end

return M
