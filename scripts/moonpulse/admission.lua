--- The one door: whatever is to be played, by a protocol's run or an experiment, on a port or in
--- virtual time, is made into frames and checked here, and nothing else can be played.
local gate = require "moonpulse.safety.gate"
local lower = require "moonpulse.lower"

local M = {}

---@class moonpulse.Admitted a plan that may be played on the device it was checked for
---@field lowering userdata
---@field actions moonpulse.Action[]
---@field first moonpulse.Action the action of its first pulse in time
---@field firsts moonpulse.First[] of each output of the device
---@field plan moonpulse.Plan
---@field seed integer
---@field identity table? of the device
---@field report table of moonpulse.safety.judge

local admitted = setmetatable({}, { __mode = "k" })

--- What the safety gate looks at: the plan, and in an experiment what was given before it.
local function judgement(given)
  local limits = given.driver.limits(given.identity)
  return { plan = given.plan, seed = given.seed, thresholds = given.thresholds,
    limits = limits, step = limits.intensity.step, highest = limits.intensity.highest, policy = given.policy,
    progress = given.progress, earlier = given.earlier, at_s = given.at_s }
end

--- Check a plan against the device and the safety limits. Raises a refusal { code, message }.
---@param given moonpulse.Preparation with policy: moonpulse.Policy, and earlier: moonpulse.Given?, at_s:
---   number? where the run gave other plans before
---@return moonpulse.Admitted
function M.admit(given)
  local lowering, actions = lower.prepare(given)
  local report = gate.clear(lowering, judgement(given))
  local firsts = lower.first_actions(lowering, actions, given.driver.limits(given.identity))
  local made = { report = report, lowering = lowering, actions = actions, plan = given.plan,
    seed = given.seed, identity = given.identity, firsts = firsts, first = firsts[1].action }
  admitted[made] = true
  return made
end

--- Was value admitted for the device of that identity?
---@param value any
---@param identity table
---@return boolean
function M.is_admitted(value, identity)
  return admitted[value] == true and value.identity == identity
end

return M
