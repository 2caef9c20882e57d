--- Composition: plans are values, made of pulses and of other plans.
local blame = require "moonpulse.text.author_line"
local building = require "moonpulse.compose.context"
local core = require "moonpulse.core"
local intensities = require "moonpulse.compose.intensity"
local notes = require "moonpulse.text.notes"

local M = {}

---@class moonpulse.Plan an immutable plan; `a .. b` is a then b, `a * 3` three times back to back

local build, fail, options = blame.build, blame.fail, blame.options

local function is_plan(value)
  return core.is_plan(value)
end

local function named(plan, label)
  return core.describe(plan, blame.origin(), label)
end

local function check_plan(who, key, value)
  if not is_plan(value) then
    fail("%s: %s must be a plan (a pulse, burst, train ...), not %s", who, key, type(value))
  end
  return value
end

local function check_count(who, key, value)
  local count = type(value) == "number" and math.tointeger(value)
  if not count then
    fail("%s: %s must be a whole number from 1 to below 2^63, not %s", who, key, tostring(value))
  end
  if count < 1 then
    fail("%s: %s = %d: an empty %s has nothing to send; use 1 or more", who, key, count, who)
  end
  return count
end

local drawn_text = "a time that is drawn from the seed is mp.rest { min = 4, max = 6 }, or for trials "
  .. "mp.trials { of = list, shortest = 4, longest = 6 }"
local drawn_instead = {
  trials = "for an interval that is drawn from the seed write shortest = 4, longest = 6",
}

--- Check a time in seconds, or a rate in hz: a number, or text that is an exact fraction
--- ("1/6"). Returns its numerator and denominator, as the engine takes them.
local function check_exact(who, key, value)
  if type(value) == "table" and not key:find("hz", 1, true) then
    fail("%s: %s is one number: %s", who, key, drawn_instead[who] or drawn_text)
  elseif type(value) ~= "number" and type(value) ~= "string" then
    fail("%s: %s must be a number, or text like \"1/6\", not %s", who, key, type(value))
  end
  if type(value) == "number" and (value ~= value or value == math.huge or value == -math.huge) then
    fail("%s: %s must be a finite number, not %s", who, key, tostring(value))
  end
  local ok, num, den = pcall(core.exact, value)
  if ok then
    return num, den
  elseif type(value) == "string" or key == "hz" then
    fail("%s: %s: %s", who, key, num)
  elseif math.abs(value) >= 2 ^ 63 / 1e9 then
    fail("%s: %s = %g s does not fit 2^63 ns (292 years): use a shorter time", who, key, value)
  end
  -- no simple fraction: the engine rounds a time to the nanosecond
  return math.tointeger(math.floor(value * 1e9 + 0.5)), 1000000000
end

--- A plain number, for mp.ms and mp.us.
---@param who string
---@param value any
---@return number
function M.number(who, value)
  if type(value) ~= "number" then
    fail("%s: a number expected, like mp.%s(20), not %s", who, who, type(value))
  end
  return value
end

local function check_positive(who, key, value)
  local num, den = check_exact(who, key, value)
  if num <= 0 then
    fail("%s: %s = %s must be above 0", who, key, tostring(value))
  end
  return num, den
end

local function check_time(who, key, value)
  if check_exact(who, key, value) < 0 then
    fail("%s: %s = %s s is negative: a time is 0 or more", who, key, tostring(value))
  end
end

--- Names go to the engine as C strings, which would end at a zero byte.
local function check_name(who, value)
  if value:find("\0", 1, true) then
    fail("%s: %q holds a zero byte: use plain text", who, value)
  end
  return value
end

local function check_intensity(who, value)
  if not intensities.is(value) then
    fail("%s: intensity must be mp.mso(45), mp.rmt(110) or mp.amt(80), not %s", who,
      type(value) == "number" and "the bare number " .. value or type(value))
  end
  return value
end

local function one_pulse(who, intensity)
  check_intensity(who, intensity)
  intensity = building.intensity() or intensity
  return named(build(core.pulse, intensity.value, intensity.reference), "pulse")
end

--- One pulse: mp.pulse(mp.rmt(110)) or mp.pulse { intensity = mp.rmt(110) }. Span 0.
---@param spec moonpulse.Intensity | { intensity: moonpulse.Intensity }
---@return moonpulse.Plan
function M.pulse(spec)
  if intensities.is(spec) or type(spec) == "number" then
    return one_pulse("pulse", spec)
  end
  return one_pulse("pulse", options("pulse", spec, { intensity = "intensity" }).intensity)
end

--- Two pulses, isi seconds from onset to onset: conditioning, then test. Span: isi.
---@param spec { isi: number|string, intensity: moonpulse.Intensity[] | moonpulse.Intensity }
---@return moonpulse.Plan
function M.pair(spec)
  options("pair", spec, { isi = "seconds", intensity = "intensity, or two of them" })
  check_positive("pair", "isi", spec.isi)
  notes.isi(spec.isi)
  local both = spec.intensity
  if intensities.is(both) then
    both = { both, both }
  elseif type(both) ~= "table" or #both ~= 2 then
    fail("pair: intensity must be one, or two: { mp.rmt(80), mp.rmt(120) }")
  end
  local first, second = one_pulse("pair", both[1]), one_pulse("pair", both[2])
  local gap = build(core.rest, spec.isi)
  return named(build(core.sequence, build(core.sequence, first, gap), second), "pair")
end

--- pulses at hz (inside the burst). Span: pulses / hz.
---@param spec { pulses: integer, hz: number|string, intensity: moonpulse.Intensity }
---@return moonpulse.Plan
function M.burst(spec)
  options("burst", spec, { pulses = "number of pulses", hz = "rate", intensity = "intensity" })
  local count = check_count("burst", "pulses", spec.pulses)
  check_positive("burst", "hz", spec.hz)
  local pulse = one_pulse("burst", spec.intensity)
  return named(build(core.train, pulse, count, spec.hz), "burst")
end

local train_keys = {
  of = "?plan", hz = "?rate", every = "?seconds", pulses = "?number of pulses",
  count = "?number of repetitions", duration = "?seconds", intensity = "?intensity",
}

--- Does a x b stay within 64 bits?
local function fits(a, b)
  return math.abs(a * 1.0 * b) < 2.0 ^ 62
end

--- How many repetitions fit duration exactly.
local function count_in(who, key, duration, rate_num, rate_den)
  local num, den = check_positive(who, key, duration)
  local instead = who == "train" and ", or give pulses or count" or ""
  if not fits(num, rate_num) or not fits(den, rate_den) then
    fail("%s: cannot tell how many periods %s = %s s holds: use one with fewer digits%s", who, key,
      tostring(duration), instead)
  end
  local top, bottom = num * rate_num, den * rate_den
  if top % bottom ~= 0 then
    fail("%s: %s = %s s holds %.6g periods, which is not whole: use one that fits%s", who, key,
      tostring(duration), top / bottom, instead)
  end
  return top // bottom
end

--- Pulses, or repetitions of a plan, at a rate. Span: count x period, so 20 pulses at 10 Hz
--- span 2 s and the last lies at 1.9 s.
--- Give hz (or every, its inverse), and either pulses (count with of) or duration.
---@param spec { of: moonpulse.Plan?, hz: number|string|nil, every: number|string|nil,
---   pulses: integer?, count: integer?, duration: number|string|nil,
---   intensity: moonpulse.Intensity? }
---@return moonpulse.Plan
function M.train(spec)
  options("train", spec, train_keys)
  if (spec.of == nil) == (spec.intensity == nil) then
    fail("train: give either of = a plan to repeat, or intensity = ... for single pulses")
  end
  if (spec.hz == nil) == (spec.every == nil) then
    fail("train: give either hz = rate or every = seconds from onset to onset")
  end
  local counted = spec.pulses or spec.count
  if (counted == nil) == (spec.duration == nil) or (spec.pulses and spec.count) then
    fail("train: give one of pulses = (single pulses), count = (repetitions of a plan), duration = s")
  end
  if spec.of and spec.pulses then
    fail("train: with of = a plan, say how often with count = (or duration =), not pulses =")
  end
  local num, den = check_positive("train", spec.hz and "hz" or "every", spec.hz or spec.every)
  if spec.every then
    num, den = den, num
  end
  local count
  if counted then
    count = check_count("train", spec.pulses and "pulses" or "count", counted)
  else
    count = count_in("train", "duration", spec.duration, num, den)
  end
  local child = spec.of and check_plan("train", "of", spec.of) or one_pulse("train", spec.intensity)
  local plan
  if spec.hz then
    plan = build(core.train, child, count, spec.hz)
  else
    plan = build(core.repeat_plan, child, count, "train", spec.every)
  end
  return named(plan, "train")
end

--- first + sign * second, exact where 64 bits hold it. Both are { key, seconds }.
local function exact_sum(who, first, sign, second)
  local a_num, a_den = check_exact(who, first[1], first[2])
  local b_num, b_den = check_exact(who, second[1], second[2])
  if fits(2 * a_num, b_den) and fits(2 * b_num, a_den) and fits(a_den, b_den) then
    return ("%d/%d"):format(a_num * b_den + sign * b_num * a_den, a_den * b_den)
  end
  return a_num / a_den + sign * b_num / b_den
end

--- Theta burst in one call: bursts of pulses at hz, repeated at theta_hz for on seconds; with
--- off and cycles, intermittent: on + off seconds from onset to onset, cycles times.
---@param spec { pulses: integer, hz: number|string, theta_hz: number|string, on: number|string,
---   off: number|string|nil, cycles: integer?, intensity: moonpulse.Intensity }
---@return moonpulse.Plan
function M.theta_burst(spec)
  options("theta_burst", spec, {
    pulses = "pulses per burst", hz = "rate inside the burst", theta_hz = "rate of the bursts",
    on = "seconds of a train", off = "?seconds between trains", cycles = "?number of trains",
    intensity = "intensity",
  })
  local burst = M.burst { pulses = spec.pulses, hz = spec.hz, intensity = spec.intensity }
  local num, den = check_positive("theta_burst", "theta_hz", spec.theta_hz)
  local train = M.train { of = burst, hz = spec.theta_hz,
    count = count_in("theta_burst", "on", spec.on, num, den) }
  if spec.cycles == nil and spec.off == nil then
    return train
  elseif spec.cycles == nil then
    fail("theta_burst: cycles = number of trains is missing: off is the time between them")
  end
  local cycles = check_count("theta_burst", "cycles", spec.cycles)
  if spec.off == nil and cycles == 1 then
    return train
  elseif spec.off == nil then
    fail("theta_burst: off = seconds between trains is missing for %d cycles", cycles)
  end
  check_time("theta_burst", "off", spec.off)
  return train:times(cycles, {
    every = exact_sum("theta_burst", { "on", spec.on }, 1, { "off", spec.off }),
  })
end

--- Silence: mp.rest(8), or mp.rest { min = 4, max = 6 } drawn uniformly from the run's seed.
---@param spec number|string|{ min: number|string, max: number|string } seconds
---@return moonpulse.Plan
function M.rest(spec)
  if type(spec) ~= "table" then
    check_time("rest", "the time", spec)
    notes.rest("rest", "the time", spec)
    return named(build(core.rest, spec), "rest")
  end
  if #spec == 2 then
    fail("rest: to draw a time write { min = 4, max = 6 }, in seconds")
  end
  options("rest", spec, { min = "seconds", max = "seconds" })
  check_time("rest", "min", spec.min)
  check_time("rest", "max", spec.max)
  notes.rest("rest", "max", spec.max)
  return named(build(core.rest, spec.min, spec.max), "rest")
end

--- A named instant in the record: mp.mark "block 1". Takes no time.
---@param text string 1 to 63 bytes
---@return moonpulse.Plan
function M.mark(text)
  if type(text) ~= "string" then
    fail("mark: text expected, like mp.mark \"block 1\", not %s", type(text))
  end
  return named(build(core.mark, check_name("mark", text)), "mark")
end

--- Plans side by side, all from the same instant: mp.together { left = a, right = b } on the
--- channels left and right, or mp.together { a, b } on the channels the plans name themselves.
---@param plans table<string|integer, moonpulse.Plan>
---@return moonpulse.Plan
function M.together(plans)
  if type(plans) ~= "table" or next(plans) == nil then
    fail("together: a table of plans expected, like { left = a, right = b }")
  end
  local keys, most = {}, 64
  for key, plan in pairs(plans) do
    if type(key) ~= "string" and math.type(key) ~= "integer" then
      fail("together: a channel is a name, not %s", type(key))
    end
    check_plan("together", tostring(key), plan)
    keys[#keys + 1] = key
  end
  if #keys > most then
    fail("together: %d plans side by side, at most %d: put some of them in sequence", #keys, most)
  end
  table.sort(keys, function(a, b) -- so that the same table always gives the same plan
    if type(a) == type(b) then
      return a < b
    end
    return math.type(a) == "integer"
  end)
  local list = {}
  for i, key in ipairs(keys) do
    local plan = plans[key]
    list[i] = type(key) == "string" and build(core.channel, plan, check_name("together", key))
      or plan
  end
  return named(build(core.parallel, list), "together")
end

--- plan:times(n): n times back to back; plan:times(n, { every = s }) from onset to onset;
--- plan:times(n, { gap = s }) with silence between the end and the next onset.
---@param plan moonpulse.Plan
---@param count integer
---@param spacing { every: number|string|nil, gap: number|string|nil }?
---@return moonpulse.Plan
function M.times(plan, count, spacing)
  check_plan("times", "what stands before :times(n)", plan)
  check_count("times", "the number of times", count)
  if type(spacing) == "number" then
    fail("times: :times(%d, %s) does not say which time that is: write :times(%d, { every = %s }) from onset "
      .. "to onset, or :times(%d, { gap = %s }) from the end to the next onset", count, spacing, count,
      spacing, count, spacing)
  end
  options("times", spacing or {}, { every = "?seconds", gap = "?seconds" })
  spacing = spacing or {}
  if spacing.every and spacing.gap then
    fail("times: give either every = (onset to onset) or gap = (end to onset), not both")
  end
  if spacing.every then
    check_positive("times", "every", spacing.every)
    notes.rest("times", "every", spacing.every)
    return named(build(core.repeat_plan, plan, count, "every", spacing.every), "")
  end
  check_time("times", "gap", spacing.gap or 0)
  notes.rest("times", "gap", spacing.gap or 0)
  return named(build(core.repeat_plan, plan, count, "gap", spacing.gap or 0), "")
end

--- plan:at(channel): its pulses that have no channel yet go to this one.
---@param plan moonpulse.Plan
---@param channel string
---@return moonpulse.Plan
function M.at(plan, channel)
  check_plan("at", "what stands before :at(channel)", plan)
  if type(channel) ~= "string" and math.type(channel) ~= "integer" then
    fail("at: the name of a channel expected, not %s", type(channel))
  end
  return named(build(core.channel, plan, check_name("at", tostring(channel))), "")
end

--- A list in an order drawn from the run's seed; the list itself stays as it is. Only inside
--- plan = function(p), where the seed is known.
---@generic T
---@param list T[]
---@return T[]
function M.shuffle(list)
  if type(list) ~= "table" or #list == 0 then
    fail("shuffle: a list expected, like mp.shuffle { a, b, c }")
  end
  local chosen = building.arranged(list)
  local draw = chosen or building.order()
  if chosen then
    return chosen
  elseif not draw then
    fail("shuffle: the order is drawn from the run's seed, which is known only while the plan is "
      .. "made: call it inside plan = function(p) ... end of mp.protocol; in an experiment write "
      .. "run:shuffle(list)")
  end
  local order = table.move(list, 1, #list, 1, {})
  for i = #order, 2, -1 do -- Fisher and Yates
    local j = draw(i - 1) + 1
    order[i], order[j] = order[j], order[i]
  end
  return order
end

--- The time between the end of a trial and the next trial's onset, for an interval from onset to
--- onset.
local function left_of(key, interval, trial)
  local totals = trial:totals()
  if totals.random then
    fail("trials: a trial with a random rest inside has no known end: put the rest between trials")
  end
  local span = totals.exact_span or totals.span
  local left = exact_sum("trials", { key, interval }, -1, { "a trial", span })
  if check_exact("trials", key, left) < 0 then
    fail("trials: %s = %s s is shorter than a trial of %g s", key, tostring(interval), totals.span)
  end
  return left
end

--- A trial as one part of a sequence: repeated once, it does not dissolve into it.
local function as_part(trial, spacing, period)
  return build(core.repeat_plan, trial, 1, spacing or "gap", period or 0)
end

local function same_trials(trial, count, every, rest_after)
  if every then
    return named(M.times(trial, count, { every = every }), "")
  elseif count == 1 then
    return named(as_part(trial), "")
  end
  local next_one = named(build(core.sequence, rest_after(trial), as_part(trial)), "next trial")
  return named(build(core.sequence, as_part(trial), M.times(next_one, count - 1)), "trials")
end

local function seconds_of(key, value)
  local num, den = check_exact("trials", key, value)
  return num / den
end

local function all_same(list)
  for i = 2, #list do
    if list[i] ~= list[1] then
      return false
    end
  end
  return true
end

--- Trials one after the other, from onset to onset every seconds, or an interval drawn uniformly
--- from shortest to longest from the run's seed. Span: to the end of the last trial.
---@param spec { of: moonpulse.Plan[], every: number|string|nil, shortest: number|string|nil,
---   longest: number|string|nil }
---@return moonpulse.Plan
function M.trials(spec)
  options("trials", spec, { of = "list of plans", every = "?seconds", shortest = "?seconds",
    longest = "?seconds" })
  local list = spec.of
  if type(list) ~= "table" or #list == 0 then
    fail("trials: of must be a list of plans, like of = { a, b }, not %s", type(list))
  elseif (spec.every == nil) == (spec.shortest == nil) or (spec.shortest == nil) ~= (spec.longest == nil)
  then
    fail("trials: give either every = seconds, or shortest = and longest = seconds")
  end
  for i, trial in ipairs(list) do
    check_plan("trials", "trial " .. i, trial)
  end
  for _, key in ipairs { "every", "shortest", "longest" } do
    if spec[key] ~= nil then
      check_positive("trials", key, spec[key])
      notes.rest("trials", key, spec[key])
    end
  end
  if spec.shortest and seconds_of("shortest", spec.shortest) > seconds_of("longest", spec.longest) then
    fail("trials: shortest = %s is above longest = %s", spec.shortest, spec.longest)
  end
  local every = spec.every
  if not every and spec.shortest == spec.longest then
    every = spec.shortest
  end
  local function rest_after(trial)
    return build(core.rest, left_of("shortest", spec.shortest, trial),
      left_of("longest", spec.longest, trial))
  end
  if all_same(list) then
    return same_trials(list[1], #list, every, rest_after)
  end
  local plan
  for i, trial in ipairs(list) do
    local is_last = i == #list
    -- as a train of one, a trial lasts its interval
    local part = as_part(trial, every and (is_last and "every" or "train"), every)
    plan = plan and build(core.sequence, plan, part) or part
    if not every and not is_last then
      plan = build(core.sequence, plan, rest_after(trial))
    end
  end
  return named(plan, "trials")
end

M.is_plan = is_plan
core.plan_methods.times = core.framed(M.times)
core.plan_methods.at = core.framed(M.at)

return M
