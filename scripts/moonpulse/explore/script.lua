--- An experiment's steps, as a script that does them.
local core = require "moonpulse.core"
local outside = require "moonpulse.explore.outside"
local plans = require "moonpulse.explore.plan"

local M = {}

local actions = {}

function actions.arm(self, _, stim, step)
  self.arms[#self.arms + 1] = core.clock_ns()
  stim:arm(step.plan and plans.build(step.plan, self.scenario.codes))
end

function actions.stop(self, run)
  self.stops[#self.stops + 1] = { source = "requested", at_ns = core.clock_ns(),
    state = self.device.stimulator.armed and "armed" or "connected" }
  run:stop "the script's own"
end

function actions.mark(self, run, _, step)
  for _ = 1, step.times or 1 do
    local code, from_ns = self.scenario.codes and step.code, core.clock_ns()
    run:mark(step.text, code and { code = code } or nil)
    self.marks[#self.marks + 1] = step.text
    self.coded[#self.coded + 1] = code and { code = code, from_ns = from_ns, to_ns = core.clock_ns() } or nil
  end
end

function actions.disarm(_, _, stim) stim:disarm() end
function actions.status(_, _, stim) stim:status() end
function actions.sleep(_, run, _, step) run:sleep(step.s) end

function actions.wait(self, run, _, step)
  local wait = { part = core.current(), step = step, called_ns = core.clock_ns() }
  local waits = self.waits
  waits[#waits + 1] = wait
  wait.at_s, wait.byte = run:wait_trigger { byte = step.byte, timeout = step.timeout }
  wait.returned_ns = core.clock_ns()
end

--- Let triggers start a plan, and note what the script was told of them.
function actions.on_trigger(self, run, stim, step)
  local device, call = self.device, { step = step, called_ns = core.clock_ns() }
  call.first, call.timeout_s = device.plays + 1, step.until_s and math.max(0, step.until_s - run:now())
  table.insert(self.calls, call)
  call.ok, call.starts, call.came = pcall(stim.on_trigger, stim, plans.build(step.plan, self.scenario.codes),
    { count = step.count, refractory = step.refractory, byte = step.byte, every = step.every,
      delay = step.delay, timeout = call.timeout_s })
  call.returned_ns = core.clock_ns()
  for number = call.first, device.plays do
    self.plays[number] = { plan = step.plan, whole = call.ok, call = call }
  end
  if not call.ok then
    error(call.starts, 0)
  end
end

actions.watch = outside.perform

--- Play a plan, and note what came of it: the plan's number, if it was played.
local function play(self, run, stim, step)
  local device = self.device -- behind the handle that a script has
  local before = device.plays
  local ok, result = pcall(stim[step.what == "fire" and "fire" or "play"], stim,
    plans.build(step.plan, self.scenario.codes), step.ahead and { at = run:now() + step.ahead } or nil)
  if device.plays > before then
    self.plays[device.plays] = { plan = step.plan, start_s = ok and result or nil, whole = ok }
  end
  if not ok then
    error(result, 0)
  end
end

--- Play a plan and stop it amid, so that what comes next must be armed for; a plan that is over sooner than
--- that is not stopped.
function actions.cut(self, run, stim, step)
  local playing, was_stopped = true, false
  run:spawn(function()
    run:sleep(step.after)
    if playing then
      was_stopped = true
      actions.stop(self, run)
    end
  end)
  local ok, problem = pcall(play, self, run, stim, step)
  playing = false
  if not ok and not was_stopped then
    error(problem, 0)
  elseif ok and not was_stopped then
    stim:disarm()
  end
end

local function perform(self, run, stim, step)
  if step.what == "play" or step.what == "fire" then
    return play(self, run, stim, step)
  end
  actions[step.what](self, run, stim, step)
end

local function part(self, run, steps)
  local stim = run:device()
  for _, step in ipairs(steps) do
    local ok, problem = pcall(perform, self, run, stim, step)
    if not ok and not self.scenario.catches then
      error(problem, 0)
    elseif not ok then
      run:sleep(0) -- raises if the run is over
    end
  end
end

--- The function of the experiment.
---@param self table of moonpulse.explore.play: plays, calls and waits are filled in
---@return fun(run: moonpulse.ExperimentRun)
function M.body(self)
  local parts = self.scenario.script
  return function(run)
    for i = 2, #parts do
      run:spawn(function() part(self, run, parts[i]) end)
    end
    part(self, run, parts[1])
  end
end

return M
