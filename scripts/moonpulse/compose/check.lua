--- What the arguments of mp.train and its like may be. Each check raises what is wrong at the author's line;
--- who is the function that was called, key the argument's name.
local blame = require "moonpulse.text.author_line"
local cell_text = require "moonpulse.text.cell_text"
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"
local intensities = require "moonpulse.compose.intensity"

local M = {}

local fail = blame.fail

--- Was value made by compose, or by what composes plans?
---@param value any
---@return boolean
function M.is_plan(value)
  return core.is_plan(value)
end

--- The plan with the author's line and a label, as outlines show it.
---@param plan moonpulse.Plan
---@param label string
---@return moonpulse.Plan
function M.named(plan, label)
  return core.describe(plan, blame.origin(), label)
end

--- The value, which must be a plan: else an error at the author's line.
---@param who string the function that was called, for the sentence
---@param key string the field
---@param value any
---@return moonpulse.Plan
function M.plan(who, key, value)
  if not M.is_plan(value) then
    fail("%s: %s must be a plan (a pulse, burst, train ...), not %s", who, key,
      type(value) == "table" and M.shown(value) or type(value))
  end
  return value
end

--- The plan in front of a method: else it was written with a dot.
---@param name string the method
---@param plan any what the method got for it
function M.object(name, plan)
  if not M.is_plan(plan) then
    fail("plan.%s: write plan:%s(...), with a colon", name, name)
  end
end

--- The channels of a plan's pulses; "" where nobody gave one.
---@param plan moonpulse.Plan
---@return table<string, boolean>
function M.channels(plan)
  local found, seen = {}, {}
  local function look(part, channel)
    local view, id = part:view(), part:id()
    if seen[channel] and seen[channel][id] then
      return
    end
    seen[channel] = seen[channel] or {}
    seen[channel][id] = true
    if view.kind == "pulse" then
      found[channel] = true
    elseif view.kind == "channel" then
      channel = view.text
    end
    for i = 1, view.children do
      look(part:child(i), channel)
    end
  end
  look(plan, "")
  return found
end

local function has_unlabelled(plan, seen)
  local view, id = plan:view(), plan:id()
  if seen[id] or view.condition ~= "" then
    return false
  end
  seen[id] = true
  for i = 1, view.children do
    if has_unlabelled(plan:child(i), seen) then
      return true
    end
  end
  return view.kind == "pulse"
end

--- An event code, as it may be.
---@param who string
---@param code any
---@return integer
function M.code(who, code)
  if math.type(code) ~= "integer" or code < 1 or code > 255 then
    local shown = type(code) == "number" and tostring(code) or type(code) == "string" and ("%q"):format(code)
      or type(code)
    fail("%s: a code is a whole number from 1 to 255 (0 is the box at rest), like code = 7, not %s", who,
      shown)
  end
  return code
end

--- An event code, as it may be, for a plan with pulses, or a mark.
---@param plan moonpulse.Plan that is to get it
---@param code any
---@return integer
function M.coded(plan, code)
  M.code("code", code)
  if plan:totals().pulses == 0 and plan:view().kind ~= "mark" then
    fail("code: there is no pulse in this plan that code %d could go with; a mark gets its own: "
      .. "mp.mark(\"S1\", { code = %d })", code, code)
  end
  return code
end

--- Has a plan pulses that have no label yet?
---@param plan moonpulse.Plan
---@return boolean
function M.unlabelled(plan)
  return has_unlabelled(plan, {})
end

-- what programs that read tables take for "nothing" (pandas 2.2, R 4.2)
local missing = {}
local words = "#N/A #NA -1.#IND -1.#QNAN -NaN -nan 1.#IND 1.#QNAN <NA> N/A NA NULL NaN None n/a nan null"
for word in words:gmatch "%S+" do
  missing[word] = true
end

-- the conditions of stimuli that have no label
local kinds = { pulse = true, pair = true, burst = true, train = true, trial = true, together = true }

--- Is a condition the kind of a stimulus that has no label?
---@param condition string
---@return boolean
function M.is_kind(condition)
  return kinds[condition] == true
end

--- What is wrong with the name of a condition, which is a cell of a table that every program reads alike.
---@param condition string
---@return string? problem a sentence without its full stop; nil: nothing
function M.label_problem(condition)
  local shown = '"' .. escapes.shown(condition) .. '"'
  local problem = cell_text.problem(condition)
  if missing[condition] or condition == "" then
    return ("label: %s is what tables have where something is missing: use another name"):format(shown)
  elseif condition:find("^%s") or condition:find("%s$") or condition:find('"', 1, true) then
    return ("label: %s: a condition has no quotes, nor blanks at its ends: programs that read the record's "
      .. "table would drop them"):format(shown)
  elseif #condition > 63 then
    return ("label: %s: a condition has 1 to 63 bytes, not %d: shorten it"):format(shown, #condition)
  elseif problem then
    return ("label: %s: a condition %s; like \"SICI\" or \"TS alone\""):format(shown, problem)
  end
end

--- The name of a condition, as it may be.
---@param plan moonpulse.Plan that is to get it
---@param condition any
---@return string
function M.label(plan, condition)
  if type(condition) ~= "string" then
    fail("label: the name of a condition expected, like plan:label \"SICI\", not %s", type(condition))
  elseif M.is_kind(condition) then -- a plan file may: it may have been made of a table of pulses
    fail("label: %q is what a record calls a %s that has no label: use another name, like \"TS alone\"",
      condition, condition == "together" and "stimulus" or condition)
  elseif M.label_problem(M.name("label", condition)) then
    fail("%s", M.label_problem(condition))
  elseif plan:totals().pulses == 0 then
    fail("label: there is no pulse in this plan that could be %q", condition)
  elseif not M.unlabelled(plan) then
    fail("label: each pulse of this plan has a label already, which it keeps: %q would name none; give it "
      .. "before, or leave it out inside", condition)
  end
  return condition
end

--- A value as its author knows it: no inner words, no addresses.
---@param value any
---@return string
function M.shown(value)
  if M.is_plan(value) then
    return "a plan"
  elseif intensities.is(value) then
    return ("an intensity, mp.%s(%g)"):format(value.reference:lower(), value.value)
  end
  return require("moonpulse.text.value_words").shown(value)
end

--- How often: a whole number, else an error at the author's line.
---@param who string the function that was called
---@param key string the field
---@param value any
---@return integer from 1 up
function M.count(who, key, value)
  local count = type(value) == "number" and math.tointeger(value)
  if not count then
    fail("%s: %s must be a whole number from 1 to below 2^63, not %s", who, key, M.shown(value))
  end
  if count < 1 then
    fail("%s: %s = %d: an empty %s has nothing to send; use 1 or more", who, key, count, who)
  end
  return count
end

local drawn_text = "a time that is drawn from the seed is mp.rest { min = 4, max = 6 }, or for trials "
  .. "mp.trials { of = list, shortest = 4, longest = 6 }"
local drawn_instead = {
  trials = "for an interval that is drawn from the seed write shortest = 4, longest = 6, or every = "
    .. "mp.normal { ... }, for one of your own between each two trials every = "
    .. "mp.intervals { 4.1, 5.3, 4.7 }",
  times = "for one of your own between each two repetitions write every = mp.intervals { 4.1, 5.3, 4.7 }, or "
    .. "gap =; a time that is drawn from the seed is mp.rest { min = 4, max = 6 }",
}

--- A time in seconds, or a rate in hz: a number, or text that is an exact fraction ("1/6").
---@param who string the function that was called
---@param key string the field; "hz" in it: a rate
---@param value any
---@return integer num
---@return integer den as the engine takes them
function M.exact(who, key, value)
  local is_rest = type(value) == "userdata" and drawn_instead[who] -- mp.rest { ... } is a plan
  if (type(value) == "table" or is_rest) and not key:find("hz", 1, true) then
    fail("%s: %s is one number: %s", who, key, drawn_instead[who] or drawn_text)
  elseif type(value) ~= "number" and type(value) ~= "string" then
    fail("%s: %s must be a number, or text like \"1/6\", not %s", who, key, type(value))
  end
  if type(value) == "number" and (value ~= value or value == math.huge or value == -math.huge) then
    fail("%s: %s must be a finite number, not %s", who, key, M.shown(value))
  end
  local ok, num, den = pcall(core.exact, value)
  if ok then
    return num, den
  elseif type(value) == "string" or key == "hz" then
    fail("%s: %s: %s", who, key, num)
  elseif math.abs(value + 0.0) >= 2 ^ 63 / 1e9 then -- of the least integer math.abs is that integer
    fail("%s: %s = %g s does not fit 2^63 ns (292 years): use a shorter time", who, key, value)
  end
  -- no simple fraction: the engine rounds a time to the nanosecond
  return math.tointeger(math.floor(value * 1e9 + 0.5)), 1000000000
end

--- As exact, above 0.
---@param who string the function that was called
---@param key string the field
---@param value any
---@return integer num
---@return integer den
function M.positive(who, key, value)
  local num, den = M.exact(who, key, value)
  if num <= 0 then
    fail("%s: %s = %s must be above 0", who, key, tostring(value))
  end
  return num, den
end

--- As exact, 0 or more; returns nothing.
---@param who string the function that was called
---@param key string the field
---@param value any seconds
function M.time(who, key, value)
  if M.exact(who, key, value) < 0 then
    fail("%s: %s = %s s is negative: a time is 0 or more", who, key, tostring(value))
  end
end

local function name_problem(value)
  if value:find("\0", 1, true) then
    return ("%q holds a zero byte: use plain text"):format(value)
  elseif not utf8.len(value) then
    return ("\"%s\" is not UTF-8 text: save the file as UTF-8"):format(escapes.shown(value))
  elseif not cell_text.is_plain(value) then
    return ("\"%s\": %s"):format(escapes.shown(value), cell_text.plain)
  end
end

--- A text of a plan, which stands on lines of its own or of a record: it is plain. Names go to the engine as
--- C strings, too, which would end at a zero byte.
---@param who string the function that was called
---@param value string
---@return string
function M.name(who, value)
  local problem = name_problem(value)
  return problem and fail("%s: %s", who, problem) or value
end

--- What is wrong with the name of a channel, which is a cell of a record's table.
---@param value string
---@return string? problem nil: nothing
function M.channel_problem(value)
  local problem = utf8.len(value) and cell_text.is_formula(value) and cell_text.problem(value)
  return problem and ("\"%s\": the name of a channel %s"):format(value, problem) or name_problem(value)
end

--- The name of a channel.
---@param who string the function that was called
---@param value string
---@return string
function M.channel(who, value)
  local problem = M.channel_problem(value)
  return problem and fail("%s: %s", who, problem) or value
end

--- The value, which must have been made by mp.mso, mp.rmt or mp.amt: a bare number is an error at the
--- author's line, for nobody knows of what it is a percentage.
---@param who string the function that was called
---@param value any
---@return moonpulse.Intensity
function M.intensity(who, value)
  local meant = type(value) == "string" and value:find("%a") and intensities.parse(value)
  if meant then
    fail("%s: intensity must be a value, not the text %q: write mp.%s(%g)", who, value,
      meant.reference:lower(), meant.value)
  elseif not intensities.is(value) then
    fail("%s: intensity must be mp.mso(45), mp.rmt(110) or mp.amt(80), not %s", who,
      type(value) == "number" and "the bare number " .. value or type(value))
  end
  return value
end

--- Does a x b stay within 64 bits?
---@param a integer
---@param b integer
---@return boolean
function M.fits(a, b)
  return math.abs(a * 1.0 * b) < 2.0 ^ 62
end

--- first + sign * second, exact where 64 bits hold it. Both are { key, seconds }.
---@param who string the function that was called
---@param first { [1]: string, [2]: number|string } key, seconds
---@param sign 1|-1
---@param second { [1]: string, [2]: number|string }
---@return string|number seconds
function M.sum(who, first, sign, second)
  local a_num, a_den = M.exact(who, first[1], first[2])
  local b_num, b_den = M.exact(who, second[1], second[2])
  if M.fits(2 * a_num, b_den) and M.fits(2 * b_num, a_den) and M.fits(a_den, b_den) then
    return ("%d/%d"):format(a_num * b_den + sign * b_num * a_den, a_den * b_den)
  end
  return a_num / a_den + sign * b_num / b_den
end

return M
