--- What an experiment has given so far, for the safety gate: its whole run, and only what was given. A plan
--- that was refused, or that was to come much later, changes nothing of it.
local givens = require "moonpulse.safety.given"
local gravest = require "moonpulse.safety.gravest"
local judge = require "moonpulse.safety.judge"
local walk = require "moonpulse.safety.walk"

local M = {}

local Dose = {}
Dose.__index = Dose

--- What a run has given: nothing so far.
---@param job moonpulse.Job with policy and thresholds; gets safety: all reports so far as one
function M.new(job)
  return setmetatable({ job = job, given = givens.new(), unasked = {}, met = gravest.new() }, Dose)
end

--- An instant at which a plan may begin: after the last pulse that was given.
---@param at_s number seconds from the run's start
---@return number
function Dose:behind(at_s)
  return math.max(at_s, self.given.last_s)
end

--- What the gate must know before a plan is played: what was given before it, and when it begins, never later
--- than the device can give it.
---@param starts_s fun(lowering: moonpulse.core.Lowering, firsts: moonpulse.First[]): number seconds from the
---   run's start
---@param may boolean? it is of starts that may come, as close as they may
---@return { earlier: moonpulse.Given, starts: (fun(lowering: moonpulse.core.Lowering,
---   firsts: moonpulse.First[]): number), may: boolean? }
function Dose:before(starts_s, may)
  return { earlier = self.given, may = may, starts = function(...) return self:behind(starts_s(...)) end }
end

--- A plan that was admitted starts at start_s.
---@param plan moonpulse.Plan
---@param seed integer
---@param report moonpulse.Report of the gate
---@param start_s number
function Dose:begins(plan, seed, report, start_s)
  self.playing = { plan = plan, seed = seed, at_s = start_s, nerve = report.nerve }
  self:judged(report)
end

--- What the gate has said of what may come.
---@param report moonpulse.Report
function Dose:judged(report)
  self.met:add(report)
  self.job.safety = self.met.report
end

local function count_unasked(self)
  for _, each in ipairs(self.unasked) do
    walk.add(self.given, each.at_s, each.pulse)
  end
  self.unasked = {}
end

--- The run that this one goes on with gave a plan.
---@param plan moonpulse.Plan
---@param seed integer
---@param at_s number when it started
---@param until_s number? when it was broken off; nil: it came to its end
---@param nerve table<string, true> the channels of a nerve's stimulator
function Dose:gave(plan, seed, at_s, until_s, nerve)
  judge.follow(self.given, { plan = plan, seed = seed, at_s = at_s, until_s = until_s, nerve = nerve })
end

--- The device reports a pulse that nobody sent: it was given all the same.
---@param at_s number from the run's start
---@param pulse { channel: string, intensity: number, reference: string } what it may have been
function Dose:gave_unasked(at_s, pulse)
  table.insert(self.unasked, { at_s = at_s, pulse = pulse })
  if not self.playing then
    count_unasked(self)
  end
end

--- Count what stimulators say that nobody asked for. Of which strength it was is not known: what was told
--- last, or all that the device can give, on its own channel.
---@param list moonpulse.Stimulator[]
---@param before_ns integer what the run's start is on the script's clock, where instants count
function Dose:hear(list, before_ns)
  for _, each in ipairs(list) do
    local channels = each.job.channels or { "1" }
    function each.record.on_unasked(since_ns)
      self:gave_unasked((before_ns + since_ns) / 1e9, each.listening.told or { channel = channels[1],
        intensity = each.driver.limits(each.identity).intensity.max, reference = "MSO" })
    end
  end
end

--- The plan that began came to its end, or was stopped: then all that was due by now counts as given, also
--- pulses that were left out.
---@param now_s number? nil: it came to its end
function Dose:ended(now_s)
  local played = self.playing
  self.playing = nil
  if played then
    judge.follow(self.given, { plan = played.plan, seed = played.seed, at_s = played.at_s,
      until_s = now_s, nerve = played.nerve })
  end
  count_unasked(self)
end

return M
