--- The stimulator of a script that is told first what an earlier run gave (moonpulse.experiment.past): each
--- of its plans is what it was then, counts as given, and is not given again. Of one that broke off what is
--- left is given from its first trial on that had not begun. What was armed then is armed again before the
--- first plan that is given; and in front of a plan a pause begins that was asked for.
local blame = require "moonpulse.text.author_line"
local core = require "moonpulse.core"
local numbers = require "moonpulse.text.numbers"
local pasts = require "moonpulse.experiment.past"

local M = {}

--- It counts for the safety gate, as long ago as it was.
local function count(device, plan, seed, start_ns, until_ns)
  local past, stimulator = device.past, device.stimulator
  if past.counts then
    local job = stimulator.job
    local nerve = require("moonpulse.safety.coverage").of(job.policy.protocol or {},
      stimulator.driver.limits(stimulator.identity), job.policy.used).nerve
    device.dose:gave(plan, seed, (start_ns - past.ago_ns) / 1e9,
      until_ns and (until_ns - past.ago_ns - 1000) / 1e9, nerve)
  end
end

--- Is it the plan that was given then? How many times it was started counts on.
---@param until_ns integer? of the plan: what comes then or later was not given
local function take(device, help, plan, was, seed, until_ns)
  pasts.check_plan(was, plan, seed)
  for _, start_ns in ipairs(was.starts_ns) do
    count(device, plan, seed, start_ns, until_ns and start_ns + until_ns)
  end
  help.note_channels(device, plan, seed)
end

---@class moonpulse.Rest what is left of a plan that broke off
---@field plan moonpulse.Plan
---@field first_ns integer when the first of it was to come, from the plan's start
---@field silence_ns integer so long behind the last pulse that was given
---@field lost integer pulses of a trial that had begun

--- What is left of a plan of which so many pulses were given; nil: nothing.
---@return moonpulse.Rest?
local function rest_of(plan, seed, given)
  if given == 0 then
    return { plan = plan, first_ns = 0, silence_ns = 0, lost = 0 }
  end
  local remainders = require "moonpulse.compose.remainder" -- loaded for those that need it
  local trial, before = remainders.trial_after(plan, seed, given)
  if not trial then
    return nil
  end
  local rest = { plan = remainders.of(plan, seed, { what = "trial", number = trial }), lost = before - given }
  local schedule, since_ns = core.schedule(plan, seed), 0
  repeat
    local kind, _, number, _, ns = schedule:next()
    since_ns = kind == "pulse" and number == given and ns or since_ns
    rest.first_ns = ns
  until kind == "pulse" and number == before + 1
  rest.silence_ns = rest.first_ns - since_ns
  return rest
end

--- A plan that was played: nothing is given but the rest of one that broke off, with the number and so the
--- draws of that one, and not sooner than it would have come. Of the trial that broke off what was left out
--- counts for the gate, too: a part of a burst would be taken for something else.
local function played(device, help, who, plan, was, live)
  help.check_plan(who, plan)
  local seed = device.show:seed_of(1)
  local rest = was.given and rest_of(plan, seed, was.given)
  take(device, help, plan, was, seed, rest and rest.first_ns)
  if not rest then
    device.show:gave_before(#was.starts_ns)
  elseif not device.past:goes_on() then
    if rest.lost > 0 then
      local text = ("left out: %s of a trial that had begun"):format(numbers.counted(rest.lost, "pulse"))
      device.mark(text)
      device.show:say(text)
    end
    device.waiting:until_ns(device.stimulator.record.start_ns + rest.silence_ns - device.past.ago_ns)
    device:border(rest.plan)
    live(device, rest.plan)
  end
  return (was.starts_ns[1] or 0) / 1e9
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

--- What came of a plan that triggers, or something else, started: of one that broke off what is left of its
--- count is waited for.
local function started(device, help, who, plan, was, live, options)
  help.check_plan(who, plan)
  take(device, help, plan, was, device.show:seed_of(1))
  local starts = #was.starts_ns
  device.show:gave_before(starts)
  if type(was.value) == "table" then
    return starts, was.value
  end
  local left = left_of(who, options, starts)
  if not left then
    return starts, {}
  end
  device:border(plan)
  local more, of_more = live(device, plan, left)
  return starts + more, { came = math.type(of_more) == "integer" and starts + of_more or nil, why = of_more }
end

local told = { play = played, fire = played }

function told.on_trigger(...)
  local starts, of = started(...)
  return starts, math.tointeger(of.came) or starts
end

function told.watch(device, ...)
  local pulses, of = started(device, ...)
  device.was_armed = nil -- it disarms
  return pulses, of.why or "count"
end

local kinds = { play = "play", fire = "play", on_trigger = "ahead", watch = "watch" }

--- Before a plan is given.
local function border(device, plan)
  local job = device.stimulator.job
  if job.pause_here then
    job.pause_here()
    device.waiting.check()
  end
  if device.was_armed then
    device:arm(plan)
  end
end

--- From now on the verbs of a stimulator are first told what they came to then.
---@param Device table of moonpulse.experiment.stim_verbs; changed
---@param help { check_plan: function, note_channels: function } what the verbs have in common
function M.first(Device, help)
  local arm, disarm, armed = Device.arm, Device.disarm, Device.armed
  Device.border = border
  function Device:arm(plan)
    local was = self.past:take("arm", "stim:arm")
    self.was_armed = was ~= nil or nil
    if not was then
      arm(self, plan)
    end
  end
  function Device:disarm()
    local was = self.past:take "disarm"
    self.was_armed = nil
    if not was then
      disarm(self)
    end
  end
  function Device:armed()
    return self.was_armed or armed(self)
  end
  for verb, kind in pairs(kinds) do
    local who, live = "stim:" .. verb, Device[verb]
    Device[verb] = function(self, plan, options)
      local was = self.past:take(kind, who)
      if was then
        return told[verb](self, help, who, plan, was, live, options)
      end
      self:border(plan)
      return live(self, plan, options)
    end
  end
end

return M
