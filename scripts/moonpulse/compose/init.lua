--- Composition: plans are values, made of pulses and of other plans.
local blame = require "moonpulse.text.author_line"
local building = require "moonpulse.compose.context"
local check = require "moonpulse.compose.check"
local core = require "moonpulse.core"
local in_order = require "moonpulse.text.in_order"
local intensities = require "moonpulse.compose.intensity"
local lists = require "moonpulse.text.lists"
local notes = require "moonpulse.text.notes"
local surplus = require "moonpulse.text.surplus"

local M = {}

local build, fail, named, options = blame.build, blame.fail, check.named, blame.options

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

--- The same plan with its event code, where one is given.
local function coded(who, plan, code)
  return code == nil and plan or build(core.coded, plan, check.code(who, code))
end

local function one_pulse(who, intensity)
  check.intensity(who, intensity)
  intensity = building.intensity() or intensity
  return named(build(core.pulse, intensity.value, intensity.reference), "pulse")
end

--- One pulse: mp.pulse(mp.rmt(110)) or mp.pulse { intensity = mp.rmt(110), code = 7 }. Span 0.
---@param spec moonpulse.Intensity | { intensity: moonpulse.Intensity, code: integer? }
---@return moonpulse.Plan
function M.pulse(spec)
  if type(spec) ~= "table" or intensities.is(spec) then
    return one_pulse("pulse", spec)
  end
  options("pulse", spec, { intensity = "intensity", code = "?code" })
  return coded("pulse", one_pulse("pulse", spec.intensity), spec.code)
end

--- Two pulses, isi seconds from onset to onset: conditioning, then test. Span: isi.
---@param spec { isi: number|string, intensity: moonpulse.Intensity[] | moonpulse.Intensity, code: integer? }
---@return moonpulse.Plan
function M.pair(spec)
  options("pair", spec, { isi = "seconds", intensity = "intensity, or two of them", code = "?code" })
  check.positive("pair", "isi", spec.isi)
  notes.isi(spec.isi)
  local both = spec.intensity
  if intensities.is(both) then
    both = { both, both }
  elseif type(both) ~= "table" or #both ~= 2 then
    fail("pair: intensity must be one, or two: { mp.rmt(80), mp.rmt(120) }")
  else
    lists.check("pair", "intensity", both)
  end
  local first, second = one_pulse("pair", both[1]), one_pulse("pair", both[2])
  local gap = build(core.rest, spec.isi)
  local both_in_order = build(core.sequence, build(core.sequence, first, gap), second)
  return coded("pair", named(both_in_order, "pair"), spec.code)
end

--- pulses at hz (inside the burst). Span: pulses / hz.
---@param spec { pulses: integer, hz: number|string, intensity: moonpulse.Intensity, code: integer? }
---@return moonpulse.Plan
function M.burst(spec)
  options("burst", spec, { pulses = "number of pulses", hz = "rate", intensity = "intensity",
    code = "?code" })
  local count = check.count("burst", "pulses", spec.pulses)
  check.positive("burst", "hz", spec.hz)
  local pulse = one_pulse("burst", spec.intensity)
  return coded("burst", named(build(core.train, pulse, count, spec.hz), "burst"), spec.code)
end

local train_keys = {
  of = "?plan", hz = "?rate", every = "?seconds", pulses = "?number of pulses",
  count = "?number of repetitions", duration = "?seconds", intensity = "?intensity", code = "?code",
}

--- How many repetitions fit duration exactly.
local function count_in(who, key, duration, rate_num, rate_den)
  local num, den = check.positive(who, key, duration)
  local instead = who == "train" and ", or give pulses or count" or ""
  if not check.fits(num, rate_num) or not check.fits(den, rate_den) then
    fail("%s: cannot tell how many periods %s = %s s holds: use one with fewer digits%s", who, key,
      tostring(duration), instead)
  end
  local top, bottom = num * rate_num, den * rate_den
  if top % bottom ~= 0 then
    local below = top // bottom
    local function seconds(count)
      return ("%.10g s (%d)"):format(count * rate_den / rate_num, count)
    end
    fail("%s: %s = %s s holds %.6g periods, which is not whole: use %s%s%s", who, key, tostring(duration),
      top / bottom, below > 0 and seconds(below) .. " or " or "", seconds(below + 1), instead)
  end
  return top // bottom
end

--- Pulses, or repetitions of a plan, at a rate. Span: count x period, so 20 pulses at 10 Hz
--- span 2 s and the last lies at 1.9 s.
--- Give hz (or every, its inverse), and either pulses (count with of) or duration.
---@param spec { of: moonpulse.Plan?, hz: number|string|nil, every: number|string|nil,
---   pulses: integer?, count: integer?, duration: number|string|nil,
---   intensity: moonpulse.Intensity?, code: integer? }
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
  local num, den = check.positive("train", spec.hz and "hz" or "every", spec.hz or spec.every)
  if spec.every then
    num, den = den, num
  end
  local count
  if counted then
    count = check.count("train", spec.pulses and "pulses" or "count", counted)
  else
    count = count_in("train", "duration", spec.duration, num, den)
  end
  notes.rest("train", "every", spec.every or 0)
  notes.rest("train", "duration", spec.duration or 0)
  local child = spec.of and check.plan("train", "of", spec.of) or one_pulse("train", spec.intensity)
  local plan
  if spec.hz then
    plan = build(core.train, child, count, spec.hz)
  else
    plan = build(core.repeat_plan, child, count, "train", spec.every)
  end
  return coded("train", named(plan, "train"), spec.code)
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
  local num, den = check.positive("theta_burst", "theta_hz", spec.theta_hz)
  local _, hz = check.positive("theta_burst", "on", spec.on), tonumber(spec.hz)
  if hz and burst:totals().span * num > den * (1 + 1e-9) then
    fail("theta_burst: a burst of %.6g s (%d pulses at %g Hz) does not fit every %.6g s (theta_hz = %g): "
      .. "use at most %d pulses, a higher hz, or a lower theta_hz", burst:totals().span,
      spec.pulses, hz, den / num, num / den, math.max(1, math.floor(hz * den / num + 1e-9)))
  end
  notes.rest("theta_burst", "on", spec.on)
  local train = M.train { of = burst, hz = spec.theta_hz,
    count = count_in("theta_burst", "on", spec.on, num, den) }
  if spec.cycles == nil and spec.off == nil then
    return train
  elseif spec.cycles == nil then
    fail("theta_burst: cycles = number of trains is missing: off is the time between them")
  end
  local cycles = check.count("theta_burst", "cycles", spec.cycles)
  if spec.off == nil and cycles == 1 then
    return train
  elseif spec.off == nil then
    fail("theta_burst: off = seconds between trains is missing for %d cycles", cycles)
  end
  check.time("theta_burst", "off", spec.off)
  notes.rest("theta_burst", "off", spec.off)
  local every = check.sum("theta_burst", { "on", spec.on }, 1, { "off", spec.off })
  return named(build(core.repeat_plan, train, cycles, "every", every), "")
end

--- Silence: mp.rest(8), or mp.rest { min = 4, max = 6 } drawn uniformly from the run's seed, or
--- mp.rest(mp.normal { ... }), mp.rest(mp.weighted { ... }) drawn so.
---@param spec number|string|moonpulse.DrawnLength|{ min: number|string, max: number|string } seconds
---@return moonpulse.Plan
function M.rest(spec)
  if building.sealed_kind(spec) == "drawn" then
    return named(require("moonpulse.compose.drawn_length").rest("rest", spec), "rest")
  end
  if type(spec) ~= "table" then
    check.time("rest", "the time", spec)
    notes.rest("rest", "the time", spec)
    return named(build(core.rest, spec), "rest")
  end
  if #spec == 2 then
    fail("rest: to draw a time write { min = 4, max = 6 }, in seconds")
  end
  options("rest", spec, { min = "seconds", max = "seconds" })
  check.time("rest", "min", spec.min)
  check.time("rest", "max", spec.max)
  notes.rest("rest", "max", spec.max)
  return named(build(core.rest, spec.min, spec.max), "rest")
end

--- A named instant in the record: mp.mark "block 1", or with an event code mp.mark("S1", { code = 7 }). Takes
--- no time.
---@param text string 1 to 63 bytes, no control characters
---@param spec { code: integer? }? from 1 to 255
---@return moonpulse.Plan
function M.mark(text, spec)
  if type(text) ~= "string" then
    fail("mark: text expected, like mp.mark \"block 1\", not %s", type(text))
  end
  if spec ~= nil and type(spec) ~= "table" then
    fail("mark: { code = 7 } may stand behind the text, not %s: leave it out (where a function gives several "
      .. "values, put its call in parentheses)", check.shown(spec))
  end
  options("mark", spec or {}, { code = "?code" })
  return coded("mark", named(build(core.mark, check.name("mark", text)), "mark"), spec and spec.code)
end

--- Raise where nobody said which coil an entry comes from, or said it in vain.
---@param unnamed integer? the entry before that names no channel
---@param key string|integer of this entry
---@param plan moonpulse.Plan
---@param names integer how many entries have a name
---@return integer? unnamed the same, with this one
local function check_coil(unnamed, key, plan, names)
  local is_open = plan:totals().unnamed
  if type(key) == "string" then
    local channels = is_open and {} or check.channels(plan)
    if next(channels) and not channels[key] then
      fail("together: no pulse would be on channel %s: its plan names its own, %s: leave out one of the two "
        .. "names", key, table.concat(in_order.keys(channels), ", "))
    end
    return unnamed
  elseif is_open and names > 0 then
    fail("together: the plan number %d names no channel, where others do: mp.together { left = a, right = b }"
      .. ", or a:at \"left\"", key)
  elseif is_open and unnamed then
    fail("together: the plans number %s and %s would come from one coil: name their channels: "
      .. "mp.together { left = a, right = b }, or a:at \"left\"; what one coil gives is one plan: a .. b",
      unnamed, key)
  end
  return is_open and key or unnamed
end

--- Plans side by side, all from the same instant: mp.together { left = a, right = b } on the
--- channels left and right, or mp.together { a, b } on the channels the plans name themselves: of a list one
--- plan at most may leave that open.
---@param plans table<string|integer, moonpulse.Plan>
---@return moonpulse.Plan
function M.together(plans)
  if type(plans) ~= "table" or next(plans) == nil then
    fail("together: a table of plans expected, like { left = a, right = b }")
  end
  local keys, most, listed, odd = {}, 64, 0, nil
  for key in pairs(plans) do
    local is_name = type(key) == "string" or math.type(key) == "integer"
    odd = is_name and odd or not is_name and (not odd or type(key) < odd) and type(key) or odd
    keys[#keys + 1] = key
    listed = listed + (type(key) == "string" and 0 or 1)
  end
  if odd then
    fail("together: a channel is a name, not %s", odd)
  end
  table.sort(keys, function(a, b) -- so that the same table always gives the same plan, and the same error
    if type(a) == type(b) then
      return a < b
    end
    return math.type(a) == "integer"
  end)
  for _, key in ipairs(keys) do
    check.plan("together", tostring(key), plans[key])
  end
  lists.check("together", "the table", plans, true)
  if #keys > most then
    fail("together: %d plans side by side, at most %d: put some of them in sequence", #keys, most)
  end
  local list, unnamed = {}, nil
  for i, key in ipairs(keys) do
    local plan = plans[key]
    if #keys > 1 or listed == 0 then
      unnamed = check_coil(unnamed, key, plan, #keys - listed)
    end
    list[i] = type(key) == "string" and build(core.channel, plan, check.channel("together", key))
      or plan
  end
  return named(build(core.parallel, list), "together")
end

--- plan:times(n): n times back to back; plan:times(n, { every = s }) from onset to onset;
--- plan:times(n, { gap = s }) with silence between the end and the next onset; s may be mp.intervals, n - 1.
---@param plan moonpulse.Plan
---@param count integer
---@param spacing { every: number|string|moonpulse.Intervals|nil,
---   gap: number|string|moonpulse.Intervals|nil }?
---@return moonpulse.Plan
function M.times(plan, count, spacing)
  check.object("times", plan)
  check.count("times", "the number of times", count)
  if type(spacing) == "number" then
    fail("times: :times(%d, %s) does not say which time that is: write :times(%d, { every = %s }) from onset "
      .. "to onset, or :times(%d, { gap = %s }) from the end to the next onset", count, spacing, count,
      spacing, count, spacing)
  end
  options("times", spacing or {}, { every = "?seconds", gap = "?seconds" })
  if spacing and next(spacing) == nil then
    fail("times: :times(%d, {}) says no time (is its value nil?): write { every = seconds from onset to "
      .. "onset } or { gap = seconds from the end to the next onset }, or :times(%d) for back to back", count,
      count)
  end
  spacing = spacing or {}
  if spacing.every and spacing.gap then
    fail("times: give either every = (onset to onset) or gap = (end to onset), not both")
  end
  for _, key in ipairs { "every", "gap" } do
    if building.sealed_kind(spacing[key]) == "intervals" then
      return require("moonpulse.compose.intervals").times(plan, count, key, spacing[key])
    end
  end
  if spacing.every then
    check.positive("times", "every", spacing.every)
    notes.rest("times", "every", spacing.every)
    return named(build(core.repeat_plan, plan, count, "every", spacing.every), "")
  end
  check.time("times", "gap", spacing.gap or 0)
  notes.rest("times", "gap", spacing.gap or 0)
  return named(build(core.repeat_plan, plan, count, "gap", spacing.gap or 0), "")
end

--- plan:at(channel): its pulses that have no channel yet go to this one. Refused where all of them have one.
---@param plan moonpulse.Plan
---@param channel string
---@return moonpulse.Plan
function M.at(plan, channel)
  check.object("at", plan)
  if type(channel) ~= "string" and math.type(channel) ~= "integer" then
    fail("at: the name of a channel expected, not %s", type(channel))
  end
  check.channel("at", tostring(channel))
  local totals = plan:totals()
  if totals.pulses > 0 and not totals.unnamed then
    fail("at: each pulse of this plan has a channel already, which it keeps: %q would be none's; give it "
      .. "before, or leave it out inside", channel)
  end
  return named(build(core.channel, plan, tostring(channel)), "")
end

--- plan:label(condition): the name of what its pulses are, for the record: "SICI". Parts that have a label
--- keep it.
---@param plan moonpulse.Plan
---@param condition string 1 to 63 bytes
---@return moonpulse.Plan
function M.label(plan, condition)
  check.object("label", plan)
  return build(core.tagged, plan, check.label(plan, condition))
end

--- plan:code(n): the event code of each of its pulses, for the box of --codes: 1 to 255. Parts that have a
--- code keep it.
---@param plan moonpulse.Plan
---@param code integer
---@return moonpulse.Plan
function M.code(plan, code)
  check.object("code", plan)
  return build(core.coded, plan, check.coded(plan, code))
end

--- plan:block(): a block of trials, in the record.
---@param plan moonpulse.Plan
---@return moonpulse.Plan
function M.block(plan)
  check.object("block", plan)
  if plan:totals().pulses == 0 then
    fail("block: there is no pulse in it")
  end
  return build(core.tagged, plan, nil, "block")
end

M.is_plan = check.is_plan

setmetatable(core.plan_methods, { __index = function(_, name)
  fail("a plan has no %s: it has :times(n, { every = seconds }), :at(channel), :label(condition), "
    .. ":code(n) and :block(); plans are put together with a .. b (one after the other), a * 3 and "
    .. "mp.together",
    tostring(name))
end })

local function method(name, call, instead)
  core.plan_methods[name] = core.framed(surplus.refused("plan:" .. name, call, instead, true))
end

method("times", M.times)
method("label", M.label, "a plan has one label: plan:label \"SICI\"")
method("code", M.code, "a plan has one code: plan:code(7)")
method("block", M.block, "a block has no name: plan:block()")
method("at", M.at, "a plan has one channel for its pulses: mp.together { left = a, right = b } gives each of "
  .. "two plans its own")

return M
