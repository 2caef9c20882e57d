--- A protocol as the methods section of its paper: in sentences, with its three durations.
local numbers = require "moonpulse.text.numbers"
local outline = require "moonpulse.show.outline"

local M = {}

local seconds = numbers.seconds

local function rate(view)
  return ("%.6g Hz"):format(view.hz)
end

local nouns = { pulse = true, burst = true, train = true, pair = true }

--- What one part is called: "pulse", "burst", "train", "pair", or "part".
local function noun_of(view)
  local name = view.kind == "pulse" and "pulse" or view.label
  return nouns[name] and name or "part"
end

local sentence -- of what a plan consists of

--- Onset to onset, and what that leaves between the parts: the words mean different things.
local function spaced(view, child)
  local totals = child:totals()
  local period = view.spacing == "gap" and view.period + totals.span or view.period
  local text = ("one every %s, from onset to onset"):format(seconds(period))
  if view.spacing == "train" then
    text = ("one every %s (%s)"):format(seconds(period), rate(view))
  elseif totals.span > 0 and totals.pulses > 0 then
    local silence = period - (totals.last - totals.first)
    text = ("%s (%s from the nominal end to the next onset, %s from the last pulse to the next one)")
      :format(text, seconds(period - totals.span), seconds(silence))
  end
  return text
end

local function repeated(plan, view, out)
  local child = plan:child(1)
  local inside = child:view()
  if view.count == 1 and view.spacing ~= "train" then
    sentence(child, out)
    return
  end
  local noun = noun_of(inside)
  out(("%s %s%s, %s"):format(numbers.count(view.count), noun, view.count == 1 and "" or "s",
    spaced(view, child)))
  if inside.kind ~= "pulse" then
    out("each " .. noun .. ":", true)
    sentence(child, out)
  end
end

local kinds = {}

function kinds.pulse(_, view, out)
  out(("one pulse at %g %%%s"):format(view.intensity, view.reference))
end

function kinds.rest(_, view, out)
  if view.min == view.max then
    out(("%s without pulses"):format(seconds(view.min)))
  else
    out(("%s to %s without pulses, drawn from the seed"):format(seconds(view.min), seconds(view.max)))
  end
end

function kinds.mark(_, view, out)
  out(("the mark \"%s\""):format(view.text))
end

function kinds.channel(plan, view, out)
  out(("on channel %s"):format(view.text))
  sentence(plan:child(1), out)
end

function kinds.parallel(plan, view, out)
  for i = 1, view.children do
    out(i == 1 and "side by side" or "and at the same time")
    sentence(plan:child(i), out)
  end
end

local function trials(plan, view, out)
  local found, shortest, longest = outline.trials(plan, view)
  for i, kind in ipairs(found) do
    out(("%s%s trials with"):format(i > 1 and "and " or "", numbers.count(kind.count)))
    sentence(kind.plan, out)
  end
  if shortest then
    out(shortest == longest and ("one trial every %s, from onset to onset"):format(seconds(shortest))
      or ("%s to %s from onset to onset, drawn from the seed"):format(seconds(shortest),
        seconds(longest)))
  end
end

local most_parts, most_words = 12, 200

function kinds.sequence(plan, view, out)
  if view.label == "trials" and plan:child(1):view().kind == "repeat" then
    trials(plan, view, out)
    return
  end
  for i = 1, math.min(view.children, most_parts) do
    if i > 1 then
      out("then")
    end
    sentence(plan:child(i), out)
  end
  if view.children > most_parts then
    out(("and %s more parts"):format(numbers.count(view.children - most_parts)))
  end
end

kinds["repeat"] = repeated

function sentence(plan, out)
  if out.cut then
    return
  end
  local view = plan:view()
  kinds[view.kind](plan, view, out)
end

--- The pattern of a plan in one sentence.
---@param plan moonpulse.Plan
---@return string
function M.pattern(plan)
  local text, glue, count = "", "", 0
  sentence(plan, setmetatable({}, { __call = function(self, part, is_intro)
    count = count + 1
    if count == most_words then
      self.cut, part, is_intro = true, "and so on", false
    elseif self.cut then
      return
    end
    if is_intro then
      text, glue = text .. "; " .. part, " "
      return
    end
    text = text .. glue .. part
    local is_joint = part == "then" or part:find("with$") or part:find("^on channel")
      or part == "side by side" or part == "and at the same time"
    glue = is_joint and " " or ", "
  end }))
  return (text:gsub(", then ", "; then "))
end

--- Text in lines of at most width letters, each after the first behind indent spaces.
local function wrapped(text, width, indent)
  local lines, line = {}, ""
  for word in text:gmatch("%S+") do
    if line ~= "" and #line + 1 + #word > width then
      lines[#lines + 1], line = line, word
    else
      line = line == "" and word or line .. " " .. word
    end
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n" .. (" "):rep(indent))
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

local function names_of(params)
  local names = {}
  for name in pairs(params) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

--- A parameter: value, range, help.
---@param declared moonpulse.Parameter
---@param value any
---@return string
function M.parameter(declared, value)
  local range = ""
  if declared.min or declared.max then
    range = (" (%s to %s)"):format(declared.min and ("%g"):format(declared.min) or "-",
      declared.max and ("%g"):format(declared.max) or "-")
  end
  local text = value == "" and '""' or tostring(value)
  return text .. range .. (declared.needed and ", stands in for yours" or "")
    .. (declared.help and ": " .. declared.help or "")
end

--- The counts that the source does not give: with one of them, pulses and durations are unknown.
---@param protocol moonpulse.Protocol
---@return string[]? names nil: there is none
function M.open_counts(protocol)
  local names = {}
  for _, name in ipairs(names_of(protocol.params)) do
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
---@param drawn boolean? the plan has an order drawn from the seed
---@return string
function M.text(protocol, plan, values, facts, drawn)
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
  say("Pattern", M.pattern(plan) .. ".")
  local unknown = M.open_counts(protocol)
  say("Pulses", unknown and "not known: the source does not give " .. table.concat(unknown, ", ")
    or numbers.count(facts.pulses))
  say("Duration", unknown and "not known" or durations(facts))
  say("", drawn and "The order is drawn from the run's seed, which the record keeps." or nil)
  say("Published as", protocol.reported)
  say("Sessions", protocol.session)
  say("", protocol.sessions and M.schedule(protocol.sessions))
  for i, name in ipairs(names_of(values)) do
    say(i == 1 and "Parameters" or "", name .. " = " .. M.parameter(protocol.params[name], values[name]))
  end
  say("Note", protocol.note)
  say("Evidence", protocol.evidence)
  say("Source", protocol.cite)
  say("", protocol.doi and "doi:" .. protocol.doi:gsub("; ", "; doi:"))
  return table.concat(lines, "\n")
end

return M
