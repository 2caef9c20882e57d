--- A protocol run in real time: connect, arm, play, disarm; every way out leaves the device safe.
local blame = require "moonpulse.text.author_line"
local core = require "moonpulse.core"
local refusals = require "moonpulse.text.refusal"
local stimulators = require "moonpulse.stimulator"
local stimuli = require "moonpulse.compose.stimuli"

local M = {}

--- What went wrong between arm and the end: the device is safe by now, leave() has asked it.
---@param stimulator moonpulse.Stimulator
---@param problem any the error
---@param left moonpulse.Left of leave()
---@return moonpulse.Ended left where it was a stop, or an error that is not the device's; a fault is raised
function M.explain(stimulator, problem, left)
  if refusals.is_stopped(problem) then
    left.stop = stimulator.stopped or problem.reason
    return left
  elseif not refusals.is_fault(problem) then
    left.stop, left.text = "error", blame.text(problem)
    left.code = type(problem) == "table" and rawget(problem, "code") or "usage"
    return left
  elseif left.not_disarmed then
    problem.message = ("%s; NOT CONFIRMED SAFE: %s"):format(problem.message, left.not_disarmed)
    problem.code, problem.not_disarmed = nil, left.not_disarmed
  end
  error(problem, 0)
end

--- Arm it, and wait for the trigger of its start where there is one.
---@return integer? start_ns when the plan starts (monotonic); nil: soon
local function arm(stimulator, admitted, hooks, starting)
  if starting then
    starting:await(false)
  end
  stimulator:arm(admitted.first, admitted.actions, admitted.firsts)
  local realtime = stimulator.link.session:realtime()
  hooks.armed(realtime, stimulator.link.waited_ns)
  if starting then
    starting:await(true)
    return starting:start_ns(admitted)
  end
end

--- Run job on the device at path.
---@param job moonpulse.Job as for moonpulse.stimulator, and { plan, seed }
---@param path string
---@param record moonpulse.Record
---@param hooks moonpulse.Hooks
---@return moonpulse.Ended outcome
function M.run(job, path, record, hooks)
  local stimulator <close> = stimulators.new(job, record)
  -- loaded for who waits
  local starting <close> = job.start_on and require("moonpulse.run.start_on").open(job, stimulator) or nil
  local identity = stimulator:connect(path)
  hooks.connected(identity, (stimulator.link.session:backend()))
  local admitted = stimulator:admit(job.plan, job.seed, nil, function()
    core.wait(0) -- nothing is armed: a stop is heard of here
    stimulator:check_stop()
  end)
  job.lowering, job.actions, job.safety = admitted.lowering, admitted.actions, admitted.report
  job.first = admitted.first
  job.stimuli = stimuli.of(job.plan, job.seed)
  record:set_actions(job.actions, job.driver, stimulator.slow_ns)
  record:set_stimuli(job.stimuli)
  if job.markers then
    job.markers:plays(job.plan, job.seed, record.last_number)
  end
  hooks.prepared(job)
  if starting then
    starting:begin()
  end
  -- from here on every way out passes leave()
  local done, problem = pcall(function()
    local from_ns = arm(stimulator, admitted, hooks, starting)
    stimulator:play(admitted, { start_ns = from_ns, progress = hooks.progress,
      on_start = job.audit and function(start_ns)
        job.plays_from_ns = start_ns
        job.audit:tell("play", { play = 1, plan = "resolved.plan", seed = tostring(job.seed),
          start_ns = start_ns, from_ns = core.clock_ns(), pulses = job.plan:totals().pulses })
      end or nil })
    if hooks.played then
      hooks.played()
    end
    stimulator:recover()
    stimulator:stop("finished")
  end)
  if not done and not stimulator.armed then -- nothing was armed: nothing to leave
    error(problem, 0)
  elseif not done then
    pcall(stimulator.stop, stimulator, stimulators.reason_of(problem))
  end
  -- a driver's callback may fail meanwhile, which is raised here: the run has its end all the same
  local asked, left = pcall(stimulator.leave, stimulator)
  if not asked then
    left = { stop = stimulator.stopped, fault = stimulator.fault, not_disarmed = blame.text(left) }
  end
  return done and left or M.explain(stimulator, problem, left)
end

return M
