--- A protocol as the methods section of its paper: in sentences, with its three durations.
local escapes = require "moonpulse.text.escapes"
local in_order = require "moonpulse.text.in_order"
local lists = require "moonpulse.text.lists"
local numbers = require "moonpulse.text.numbers"
local sentences = require "moonpulse.show.sentences"
local wrapping = require "moonpulse.text.wrapping"

local M = {}

--- The pattern of a plan in sentences.
---@param plan moonpulse.Plan
---@param orders moonpulse.DrawnOrders? which orders are drawn; nil: none
---@return string
function M.pattern(plan, orders)
  return table.concat(sentences.of(plan, nil, orders), ". ")
end

--- Text in lines of at most width letters, each after the first behind indent spaces.
local function wrapped(text, width, indent)
  return table.concat(wrapping.lines(text, width), "\n" .. (" "):rep(indent))
end

local function range_text(value)
  return type(value) == "table" and ("%d to %d"):format(value[1], value[2]) or ("%d"):format(value)
end

local function gap_text(gap)
  if type(gap) ~= "number" then
    return gap
  end
  return gap >= 3600 and ("%g h"):format(gap / 3600) or ("%g min"):format(gap / 60)
end

--- The schedule of sessions in words.
---@param sessions moonpulse.Sessions
---@return string
function M.schedule(sessions)
  local parts = {}
  if sessions.per_day then
    parts[#parts + 1] = range_text(sessions.per_day) .. " a day"
  end
  if sessions.days then
    parts[#parts + 1] = ("on %s day%s"):format(range_text(sessions.days),
      sessions.days == 1 and "" or "s")
  end
  if sessions.total then
    parts[#parts + 1] = range_text(sessions.total) .. " in all"
  end
  if sessions.gap_min then
    parts[#parts + 1] = ("at least %s from the end of one to the start of the next"):format(
      gap_text(sessions.gap_min))
  end
  return table.concat(parts, ", ")
end

--- One phase of a course in words.
---@param phase moonpulse.Phase
---@return string
function M.phase(phase)
  local parts = { M.schedule(phase) }
  if phase.days_per_week then
    parts[#parts + 1] = ("at most on %s of any 7"):format(numbers.counted(phase.days_per_week, "day"))
  end
  if phase.wait_days then
    parts[#parts + 1] = ("%s after the phase before"):format(numbers.counted(phase.wait_days, "day"))
  end
  return (phase.name and phase.name .. ": " or "") .. table.concat(parts, ", ")
end

--- A parameter: value, range or the values that it takes, help.
---@param declared moonpulse.Parameter
---@param value any
---@return string
function M.parameter(declared, value)
  local range = ""
  if declared.min or declared.max then
    range = (" (%s to %s)"):format(declared.min and ("%g"):format(declared.min) or "-",
      declared.max and ("%g"):format(declared.max) or "-")
  end
  if declared.values then
    range = (" (%s)"):format(lists.texts(declared.values))
  end
  return escapes.shown(lists.texts { tostring(value) } .. range)
    .. (declared.needed and ", stands in for yours" or "")
    .. (declared.help and ": " .. escapes.shown(declared.help) or "")
end

--- The counts that the source does not give: with one of them, pulses and durations are unknown.
---@param protocol moonpulse.Protocol
---@return string[]? names nil: there is none
function M.open_counts(protocol)
  local names = {}
  for _, name in ipairs(in_order.keys(protocol.params)) do
    local declared = protocol.params[name]
    if declared.needed and math.type(declared.default) == "integer" then
      names[#names + 1] = name
    end
  end
  return #names > 0 and names or nil
end

local function durations(facts)
  local text = ("%s from the first to the last pulse; %s to the nominal end; %s in whole cycles"):format(
    numbers.duration(facts.first_to_last_s), numbers.duration(facts.nominal_end_s),
    numbers.duration(facts.whole_cycles_s))
  if facts.whole_cycles_s > facts.nominal_end_s + 1e-6 then
    text = text .. ", with the pause after the last one"
  end
  return facts.random and ("%s (random rests drawn with seed %d)"):format(text, facts.seed) or text
end

--- The protocol as text.
---@param protocol moonpulse.Protocol
---@param plan moonpulse.Plan
---@param values table its parameters
---@param facts table from catalogue.measure
---@param orders moonpulse.DrawnOrders? which orders are drawn from the seed; nil: none
---@return string
function M.text(protocol, plan, values, facts, orders)
  local lines = { protocol.name .. "  [" .. protocol.id .. "]" }
  local function say(key, text)
    if text and text ~= "" then
      lines[#lines + 1] = ("%-13s%s"):format(key, wrapped(text, 90, 13))
    end
  end
  say("UNCONFIRMED", protocol.unconfirmed)
  say("Family", protocol.family)
  say("Aim", protocol.aim)
  say("Target", protocol.target)
  say("Intensity", protocol.dose)
  say("Pattern", M.pattern(plan, orders) .. ".")
  local unknown = M.open_counts(protocol)
  say("Pulses", unknown and "not known: the source does not give " .. table.concat(unknown, ", ")
    or numbers.count(facts.pulses))
  say("Duration", unknown and "not known" or durations(facts))
  say("", orders and ("The order%s is drawn from the run's seed, which the record keeps%s."):format(
    orders.is_mixed and " of a part" or "", orders.rule and ": " .. orders.rule or "") or nil)
  say("Published", protocol.reported)
  say("Sessions", protocol.session)
  say("", protocol.sessions and M.schedule(protocol.sessions))
  for i, name in ipairs(in_order.keys(values)) do
    say(i == 1 and "Parameters" or "", name .. " = " .. M.parameter(protocol.params[name], values[name]))
  end
  say("Note", protocol.note)
  say("Evidence", protocol.evidence)
  say("Source", protocol.cite)
  say("", protocol.doi and "doi:" .. protocol.doi:gsub("; ", "; doi:"))
  return table.concat(lines, "\n")
end

return M
