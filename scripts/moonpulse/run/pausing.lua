--- A pause that the operator asks for (p): the run stops behind the trial that goes on, in the silence before
--- the next one, and moonpulse resume goes on with that one. An experiment stops at once while it gives
--- nothing, and else behind the trial, or at the end of the plan, that goes on: also where no other plan
--- follows, for what its script does there (a question, a silence, a file) comes behind the pause, too.
local core = require "moonpulse.core"
local cursors = require "moonpulse.compose.stimulus_cursor"
local numbers = require "moonpulse.text.numbers"
local remainders = require "moonpulse.compose.remainder"

local M = {}

local Pausing = {}
Pausing.__index = Pausing

local most_behind_ns = 250000000 -- behind a trial's last pulse, or half of the silence if that is shorter
local least_silence_ns = 100000000 -- shorter than that: part of the same stimulation
local at_once = 20000 -- events that are looked at without a turn of the loop

--- For a run, while it can_pause.
---@param job moonpulse.Job with { plan, seed }, and once it plays stimuli and plays_from_ns; of an
---   experiment plans, and while it plays playing
---@param stop fun(stopper: string?) stops the run, for the other program that asked, or a key
---@return table pausing
function M.new(job, stop)
  return setmetatable({ job = job, stop = stop, asked = 0 }, Pausing)
end

--- What is being given: its plan, the seed of its rests, its trials, and when it started; nil: nothing.
local function given_now(job)
  if job.plans then
    return job.playing and job.playing.from_ns and job.playing or nil
  end
  return job.plays_from_ns and job.stimuli
    and { plan = job.plan, seed = job.seed, stimuli = job.stimuli, from_ns = job.plays_from_ns } or nil
end

--- Is that request still wanted?
local function is_wanted(self, request)
  return self.job.can_pause and self.asked == request and not self.job.stop_reason
end

--- The first border of trials that is still to come: when to stop there, and behind which trial.
---@return integer? at_ns monotonic; nil: the last trial goes on
---@return integer? trial
local function border(self, request)
  local of = given_now(self.job)
  if not of then
    return nil
  end
  local schedule, cursor = core.schedule(of.plan, of.seed), cursors.new(of.stimuli)
  local from_ns, before_ns, before, seen = of.from_ns, nil, nil, 0
  while is_wanted(self, request) do
    local kind, _, number, _, ns = schedule:next()
    if not kind then
      return nil
    end
    seen = seen + 1
    if seen % at_once == 0 then
      core.wait(0)
    end
    if kind == "pulse" then
      cursor:find(number)
      local trial, now_ns = cursor:trial_of(number), core.clock_ns() - from_ns
      local is_border = before_ns and trial ~= before
        and ns - math.max(before_ns, now_ns) >= least_silence_ns
      if is_border and pcall(remainders.of, of.plan, of.seed, { what = "trial", number = trial }) then
        local after_ns = math.max(before_ns, now_ns)
        local behind_ns = math.min(most_behind_ns, (ns - after_ns) // 2)
        return from_ns + math.max(before_ns + behind_ns, now_ns), before
      end
      before_ns, before = ns, trial
    end
  end
  return nil
end

local function stop(self, behind)
  self.job.paused_behind, self.job.audit.why = behind, "a pause, behind " .. behind
  self.stop(self.stopper)
end

--- An experiment of whose plan no other trial is left: at the plan's end. Of a plan that triggers start
--- again and again, that is the end of the start that goes on: those that are left come behind the pause.
local function pause_behind_plan(self, request)
  local job = self.job
  function job.pause_here()
    if is_wanted(self, request) then
      stop(self, ("plan %d"):format(job.plans))
    end
  end
  local playing = job.playing
  if not playing or playing.over_ns and core.clock_ns() >= playing.over_ns then
    self.say("pauses behind plan %d, now", job.plans)
    return job.pause_here()
  end
  self.say("pauses behind plan %d, when it is over (p again: goes on)", job.plans)
  while playing and playing.over_ns and is_wanted(self, request) do
    local left_ns = playing.over_ns - core.clock_ns()
    if left_ns <= 0 then
      return job.pause_here()
    end
    core.wait(math.min(0.1, left_ns / 1e9))
    playing = job.playing -- another trigger may have come
  end
end

local function pause(self, request)
  local at_ns, trial = border(self, request)
  if not is_wanted(self, request) then
    return
  elseif not at_ns and self.job.plans then
    return pause_behind_plan(self, request)
  elseif not at_ns then
    self.asked, self.cannot = self.asked + 1, true
    return self.say "no pause: the last trial goes on; q stops it"
  end
  trial = trial + (self.job.trials_before or 0)
  local left_s = (at_ns - core.clock_ns()) // 100000000 / 10
  self.say("pauses behind trial %d, %s", trial, left_s <= 0 and "now"
    or ("in %s (p again: goes on)"):format(numbers.seconds(left_s)))
  while is_wanted(self, request) and core.clock_ns() < at_ns do
    core.wait(math.min(0.1, math.max(0, at_ns - core.clock_ns()) / 1e9))
  end
  if is_wanted(self, request) then
    local plan = self.job.plans and (" of plan %d"):format(self.job.plans) or ""
    stop(self, ("trial %d%s"):format(trial, plan))
  end
end

--- The operator wants a pause, or wants it no longer.
---@param say fun(text: string, ...) tells them on a line of its own
---@param stopper string? the other program that asks; nil: a key
function Pausing:toggle(say, stopper)
  self.stopper, self.say, self.asked, self.cannot = stopper, say, self.asked + 1, nil
  if self.asked % 2 == 0 then
    say "no pause: the run goes on"
  elseif not (self.job.plans or given_now(self.job)) then
    self.asked, self.cannot = self.asked + 1, true
    say "nothing was given yet: q stops the run"
  else
    core.spawn(pcall, pause, self, self.asked)
  end
end

return M
