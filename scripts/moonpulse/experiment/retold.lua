--- The stimulator of a script that is told first what an earlier run gave (moonpulse.experiment.past): each
--- of its plans is what it was then, counts as given, and is not given again. Of one that broke off what is
--- left is given from its first trial on that had not begun. What was armed then is armed again before the
--- first plan that is given; and in front of a plan a pause begins that was asked for.
local blame = require "moonpulse.text.author_line"
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
    device.dose:gave(plan, seed, (start_ns - past.ago_ns) / 1e9, until_ns and (until_ns - past.ago_ns) / 1e9,
      nerve)
  end
end

--- Is it the plan that was given then? How many times it was started counts on.
---@return integer seed that drew its rests
local function take(device, help, who, plan, was)
  help.check_plan(who, plan)
  local seed = device.show:seed_of(1)
  pasts.check_plan(was, plan, seed)
  for i, start_ns in ipairs(was.starts_ns) do
    local is_last = i == #was.starts_ns
    count(device, plan, seed, start_ns, is_last and was.given and device.past.over_ns or nil)
  end
  help.note_channels(device, plan, seed)
  return seed
end

--- What is left of a plan of which so many pulses were given; nil: nothing.
local function rest_of(plan, seed, given)
  if given == 0 then
    return plan
  end
  local remainders = require "moonpulse.compose.remainder" -- loaded for those that need it
  local trial = remainders.trial_after(plan, seed, given)
  return trial and (remainders.of(plan, seed, { what = "trial", number = trial }))
end

--- A plan that was played: nothing is given but the rest of one that broke off, with the number and so the
--- draws of that one.
local function played(device, help, who, plan, was, live)
  local seed = take(device, help, who, plan, was)
  local rest = was.given and rest_of(plan, seed, was.given)
  if rest then
    local lost = plan:totals().pulses - was.given - rest:totals().pulses
    if lost > 0 then
      local text = ("left out: %s of a trial that had begun"):format(numbers.counted(lost, "pulse"))
      device.mark(text)
      device.show:say(text)
    end
    device:border(rest)
    live(device, rest)
  else
    device.show:gave_before(#was.starts_ns)
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
  take(device, help, who, plan, was)
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
