--- The stimulator of a script that is told first what an earlier run gave (moonpulse.experiment.past): each
--- of its plans is what it was then, counts as given, and is not given again. Of one that broke off what is
--- left is given from its first trial on that had not begun. What was armed then is armed again before the
--- first plan that is given; and behind a plan a pause begins that was asked for.
local blame = require "moonpulse.text.author_line"
local core = require "moonpulse.core"
local numbers = require "moonpulse.text.numbers"
local pasts = require "moonpulse.experiment.past"
local refusals = require "moonpulse.text.refusal"
local rests = require "moonpulse.experiment.rest"

local M = {}

--- It counts for the safety gate, as long ago as it was.
---@param was moonpulse.PastEntry
---@param start_ns integer of the script's clock
---@param until_ns integer? of the plan: what comes then or later was not given
local function count(device, was, plan, seed, start_ns, until_ns)
  local past, stimulator = device.past, device.stimulator
  if past.counts and not was.other_session then
    local job = stimulator.job
    local nerve = require("moonpulse.safety.coverage").of(job.policy.protocol or {},
      stimulator.driver.limits(stimulator.identity), job.policy.used).nerve
    local from_ns = start_ns - past.ago_ns - (was.ago_ns or 0)
    device.dose:gave(plan, seed, from_ns / 1e9, until_ns and (from_ns + until_ns - 1000) / 1e9, nerve)
  end
end

--- Is it the plan that was given then? What was given of it counts.
---@param until_ns integer? of the plan at its last start: as of count
local function take(device, help, plan, was, seed, until_ns)
  pasts.check_plan(was, plan, seed)
  for i, start_ns in ipairs(was.starts_ns) do
    count(device, was, plan, seed, start_ns, i == #was.starts_ns and until_ns or nil)
  end
  help.note_channels(device, plan, seed)
end

--- Left out is said once: by the run that would have had to give it.
local function tell(device, text, ...)
  text = text:format(...)
  device.mark(text)
  device.show:say(text)
end

local function tell_lost(device, lost)
  if lost > 0 then
    tell(device, "left out: %s of a trial that had begun", numbers.counted(lost, "pulse"))
  end
end

local function tell_marks_lost(device, lost)
  if lost > 0 then
    tell(device, "left out: %s that nothing goes on with", numbers.counted(lost, "mark"))
  end
end

--- An instant of the script's clock, when it would have come (monotonic).
local function at_of(device, at_ns)
  return device.zero_ns + at_ns - device.past.ago_ns
end

--- Not sooner than it would have come, at an instant of the script's clock.
local function await(device, at_ns)
  device.waiting:until_ns(at_of(device, at_ns))
end

--- What of a plan that was played is left out is told; then what is left of it is given.
---@return number start as of stim:play
local function give_rest(device, was, rest, live, trials)
  device.past:goes_on() -- other parts of the script are told all of theirs before
  tell_lost(device, rest.lost)
  if rest.marks_lost > 0 then
    tell(device, "left out: %s before what is left of the plan", numbers.counted(rest.marks_lost, "mark"))
  elseif rest.marks_again > 0 then
    tell(device, "given again: %s that the plan begins with", numbers.counted(rest.marks_again, "mark"))
  end
  device.turns:begin_held(at_of(device, (was.starts_ns[1] or 0) + rest.begins_ns))
  device:border(rest.plan)
  device.stimulator.job.trials_before = trials
  local start = live(device, rest.plan)
  device.stimulator.job.trials_before = nil
  return start
end

--- A plan that was played: nothing is given but the rest of one that broke off, with the number and so the
--- draws of that one, and not sooner than it would have come. The rest may have been played as well, and have
--- broken off: then what is left of that. Of the trial that broke off what was left out counts for the gate,
--- too: a part of a burst would be taken for something else.
---@param trials integer of the whole plan, before this one
---@return number start when it started, in seconds of the script's clock
local function played(device, help, who, plan, was, live, trials)
  help.check_plan(who, plan)
  local seed, start = device.show:seed_of(1), (was.starts_ns[1] or 0) / 1e9
  local rest, marks_lost
  if was.given then
    rest, marks_lost = rests.of(plan, seed, was.given, was.marks)
  end
  take(device, help, plan, was, seed, rest and rest.first_ns)
  if not rest then
    device.show:gave_before(1)
    if was.given and not device.past:goes_on() then
      tell_lost(device, plan:totals().pulses - was.given)
      tell_marks_lost(device, marks_lost or 0)
    end
  else
    -- other parts find it going on, as they did then: none gives anything in between
    local turn <close> = device.turns:hold(who) -- luacheck: ignore 211
    trials = trials + rest.trials
    local further = device.past:take("play", who)
    local of_rest = further and played(device, help, who, rest.plan, further, live, trials)
      or give_rest(device, was, rest, live, trials)
    start = rest.is_whole and of_rest or start -- nothing was given at the start that was begun then
  end
  return start
end

--- Options of which so many pulses or starts are left; nil: none.
local function left_of(who, options, done)
  if type(options) ~= "table" or math.type(options.count) ~= "integer" then
    blame.fail("%s: count must be a whole number", who)
  end
  local left = {}
  for key, value in pairs(options) do
    left[key] = value
  end
  left.count = options.count - done
  return left.count > 0 and left or nil
end

--- Triggers are counted on; a journal knows one kind of number.
local function sum(came, of_more)
  local more = math.tointeger(of_more)
  return more and came + more or of_more
end

--- What came of a plan that triggers, or something else, started: of one that broke off what is left of its
--- count is waited for, no sooner than it may be started again; of a start that broke off nothing is made up
--- for. That may have been waited for as well.
---@return integer starts
---@return integer|string? of what live gives besides: triggers that came, or why it is over
local function started(device, help, who, plan, was, live, options, kind)
  help.check_plan(who, plan)
  local starts, pulses = #was.starts_ns, plan:totals().pulses
  local seed, lost = device.show:seed_of(1), was.given and starts * pulses - was.given or 0
  take(device, help, plan, was, seed, lost > 0 and rests.time_of(plan, seed, pulses - lost + 1) or nil)
  device.show:gave_before(starts)
  if type(was.value) == "table" then
    return starts, was.value.came or was.value.why
  end
  local left, came = left_of(who, options, starts), was.came or starts
  local further = left and device.past:take(kind, who)
  if further then
    local more, of_more = started(device, help, who, plan, further, live, left, kind)
    return starts + more, sum(came, of_more)
  elseif not device.past:goes_on() then
    tell_lost(device, lost)
  end
  if not left then
    return starts, kind == "ahead" and came or nil
  end
  if starts > 0 and type(left.refractory) == "number" then
    await(device, was.starts_ns[starts] + math.floor(left.refractory * 1e9))
  end
  device:border(plan, who)
  local more, of_more = live(device, plan, left)
  return starts + more, sum(came, of_more)
end

local told = {}

function told.play(device, help, who, plan, was, live)
  return played(device, help, who, plan, was, live, 0)
end
told.fire = told.play

function told.on_trigger(...)
  local starts, came = started(...)
  return starts, math.tointeger(came) or starts
end

function told.watch(device, ...)
  local pulses, why = started(device, ...)
  device.was_armed = nil -- it disarms
  return pulses, why or "count"
end

local kinds = { play = "play", fire = "play", on_trigger = "ahead", watch = "watch" }

--- Before a plan is given. One that is refused leaves armed what was armed: it is for the next one.
---@param who string? the verb that gives it
local function border(device, plan, who)
  device.stimulator.job.trials_before = nil
  if device.was_armed then
    device.was_armed = nil
    local ok, problem = pcall(device.arm_again, device, plan, who)
    if not ok then
      device.was_armed = not (refusals.is_stopped(problem) or refusals.is_fault(problem)) or nil
      error(problem, 0)
    end
  end
end

--- A plan is over, and what came of it is written: a pause that was asked for begins, also where a part of
--- the script ended the plan. A stop that nobody asked for stays what it is.
local function pause(device)
  local stimulator = device.stimulator
  local pause_here, stopped = stimulator.job.pause_here, stimulator.stopped
  if pause_here and not (stopped and not core.stops[stopped].asked_for) then
    pause_here()
    device.waiting.check()
  end
end

--- From now on the verbs of a stimulator are first told what they came to then.
---@param Device table of moonpulse.experiment.stim_verbs; changed
---@param help { check_plan: function, note_channels: function } what the verbs have in common
function M.first(Device, help)
  local arm, disarm, armed = Device.arm, Device.disarm, Device.armed
  Device.border, Device.arm_again = border, arm
  function Device:arm(plan)
    local was = self.past:take("arm", "stim:arm")
    self.was_armed = was ~= nil or nil
    if not was then
      arm(self, plan)
    end
    self.heard:turn()
  end
  function Device:disarm()
    local was = self.past:take "disarm"
    self.was_armed = nil
    if not was then
      disarm(self)
    end
    self.heard:turn()
  end
  function Device:armed()
    if self.was_armed then
      return self.heard:is_armed(true)
    end
    return armed(self)
  end
  for verb, kind in pairs(kinds) do
    local who, live = "stim:" .. verb, Device[verb]
    local function give(self, plan, options)
      local results -- as many as the verb gives: a prompt prints each
      local was = self.past:take(kind, who)
      if was then
        results = table.pack(told[verb](self, help, who, plan, was, live, options, kind))
      else
        if not self.turns:is_held() then -- else it is refused
          self:border(plan, who)
        end
        results = table.pack(live(self, plan, options))
      end
      self.heard:turn()
      return table.unpack(results, 1, results.n)
    end
    Device[verb] = function(self, plan, options)
      local results = table.pack(pcall(give, self, plan, options))
      pause(self)
      if not results[1] then
        error(results[2], 0)
      end
      return table.unpack(results, 2, results.n)
    end
  end
end

return M
