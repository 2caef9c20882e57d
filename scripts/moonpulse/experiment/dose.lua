--- What an experiment has given so far, as the safety gate must see it: plans in quick succession are
--- one train to the brain, whatever the script calls them.
local compose = require "moonpulse.compose"
local rules = require "moonpulse.safety.rules"

local M = {}

local Dose = {}
Dose.__index = Dose

local window_s, most_plans = 120, 200 -- how far back trains and the pauses between them are judged

---@param job table with policy; gets safety: the gravest report so far
function M.new(job)
  return setmetatable({ job = job, list = {}, older = 0 }, Dose)
end

--- What is long ago counts as pulses only.
local function forget(self, now_s)
  local list = self.list
  while list[1] and (list[1].end_s < now_s - window_s or #list > most_plans) do
    self.older = self.older + table.remove(list, 1).pulses
  end
end

local function after(before, gap_s, plan)
  return gap_s > 0 and before .. compose.rest(gap_s) .. plan or before .. plan
end

--- The policy, with the pulses of this run that are not in the plan to be judged.
local function policy_of(self)
  local policy = {}
  for key, value in pairs(self.job.policy) do
    policy[key] = value
  end
  local known = policy.history or {}
  policy.history = { day = (known.day or 0) + self.older, week = (known.week or 0) + self.older,
    sessions = known.sessions or 0, last_end_s = known.last_end_s }
  return policy
end

--- What the gate must look at before plan is played, now_s seconds after the run's start or later.
---@param plan moonpulse.Plan
---@param now_s number
---@return { judged: moonpulse.Plan, policy: moonpulse.Policy }
function Dose:with(plan, now_s)
  forget(self, now_s)
  local judged, at_s
  for _, each in ipairs(self.list) do
    judged = judged and after(judged, each.start_s - at_s, each.plan) or each.plan
    at_s = each.end_s
  end
  judged = judged and after(judged, now_s - at_s, plan) or plan
  return { judged = judged, policy = policy_of(self) }
end

--- plan starts at start_s. Also where it is stopped later: then more is counted than was given.
---@param plan moonpulse.Plan
---@param report table of the gate
---@param start_s number
function Dose:add(plan, report, start_s)
  local totals, job = plan:totals(), self.job
  table.insert(self.list, { plan = plan, start_s = start_s, end_s = start_s + totals.span,
    pulses = totals.pulses })
  if not job.safety or rules.order[report.verdict] >= rules.order[job.safety.verdict] then
    job.safety = report
  end
end

return M
