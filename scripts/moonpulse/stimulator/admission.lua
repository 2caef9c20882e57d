--- The one door: whatever is to be played, by a protocol's run or an experiment, on a port or in
--- virtual time, is made into frames and checked here, and nothing else can be played.
local core = require "moonpulse.core"
local gate = require "moonpulse.safety.gate"
local lower = require "moonpulse.lowering"

local M = {}

local admitted = setmetatable({}, { __mode = "k" })

--- What the safety gate looks at: the plan, and in an experiment what was given before it.
local function judgement(given, at_s)
  local limits = given.driver.limits(given.identity)
  return { plan = given.plan, seed = given.seed, thresholds = given.thresholds,
    limits = limits, step = limits.intensity.step, highest = limits.intensity.highest, policy = given.policy,
    progress = given.progress, earlier = given.earlier, may = given.may, at_s = at_s }
end

local function judge(made, given, at_s)
  local from_ns = core.clock_ns()
  made.report = gate.clear(made.lowering, judgement(given, at_s))
  made.judged_s, made.judging_ns = at_s, core.clock_ns() - from_ns
end

--- Check a plan against the device and the safety limits. Raises a refusal { code, message }.
---@param given moonpulse.Preparation with policy: moonpulse.Policy, and where the run gave other plans
---   before earlier: moonpulse.Given and starts(lowering, firsts): the seconds from the run's start before
---   which the plan cannot start
---@return moonpulse.Admitted
function M.admit(given)
  local lowering, actions = lower.prepare(given)
  local firsts = lower.first_actions(lowering, actions, given.driver.limits(given.identity))
  local made = { lowering = lowering, actions = actions, plan = given.plan,
    seed = given.seed, identity = given.identity, firsts = firsts, first = firsts[1] and firsts[1].action,
    own = lower.own(actions) }
  if given.codes then -- loaded for who has a box
    require("moonpulse.stimulator.codes").check(given.plan, given.seed, given.codes, given.progress)
  end
  judge(made, given, given.starts and given.starts(lowering, firsts))
  admitted[made] = given
  return made
end

--- Judge what was admitted once more, for the instant at which it will really start. Raises as admit().
---@param made moonpulse.Admitted
---@param at_s number seconds from the run's start
function M.again(made, at_s)
  judge(made, assert(admitted[made], "only what admit() made can be judged again"), at_s)
end

--- Was value admitted for the device of that identity?
---@param value any
---@param identity moonpulse.Identity
---@return boolean
function M.is_admitted(value, identity)
  return admitted[value] ~= nil and value.identity == identity
end

return M
