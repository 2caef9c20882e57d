--- When the stimulator was left for the last time in a run in real time, and what the record can have by
--- then. What ends a run is at an instant of the computer's time: a run that is made again goes on for longer
--- (moonpulse.experiment.ends_again), and the record itself says how much of that there was.
local read = require "moonpulse.record.read"

local M = {}

local most_way_ns = 100000000 -- of a pulse, whatever a journal says
local early_ns = 250000000 -- further before the end a part of a script does not come by itself
-- what stops at once whatever goes on, at the instant that the journal has
local at_once = { error = true, requested = true, signal = true, key = true }
-- how a script ends by itself
local own_ends = { finished = true, requested = true, error = true, stuck = true }

--- The lines that tell of the last stop and the last disarming: nil where there was none. Of several devices
--- the last disarming is that after which none is armed.
local function last_of(entries)
  local stop, disarm
  local armed = {} -- of each device; of one alone no line names it
  for _, entry in ipairs(entries) do
    if entry and entry.kind == "end" then
      break -- what follows is of later writers
    elseif entry and entry.kind == "arm" then
      stop, disarm, armed[tostring(entry.device)] = nil, nil, true
    elseif entry and entry.kind == "stop" then
      stop = stop or entry
    elseif entry and entry.kind == "disarm" then
      armed[tostring(entry.device)] = nil
      disarm = disarm or next(armed) == nil and entry or nil
    end
  end
  return stop, disarm
end

local function ns_of(entry)
  return entry and math.tointeger(tonumber(entry.at_ns))
end

--- When what a line tells was asked for: what goes on in the script may know of it from then on, and no pulse
--- has to leave any more. The thread that sends had its turn soon, or where the computer was busy later.
local function asked_ns_of(entry)
  local at_ns, asked_ns = ns_of(entry), entry and math.tointeger(tonumber(entry.asked_ns))
  return at_ns and asked_ns and math.min(at_ns, asked_ns) or at_ns
end

--- When a run that its own script ended was left for the last time, from its start; nil: it was not, or it
--- was ended by something else.
---@param manifest table
---@param entries (table|false)[] the lines of the journal
---@return integer? at_ns
function M.at(manifest, entries)
  local stop, disarm = last_of(entries)
  return own_ends[read.get(manifest, "result.stop")] and (asked_ns_of(stop) or asked_ns_of(disarm)) or nil
end

--- When a line was decided, from the run's start; nil: it does not say.
local function decided_ns(entry, origin_ns)
  local from_ns = entry.kind == "play" and math.tointeger(tonumber(entry.from_ns))
  return from_ns and from_ns - origin_ns or ns_of(entry)
end

local function origin_of(entries)
  return math.tointeger(tonumber(entries[1] and entries[1].clock_ns)) or 0
end

--- What the script itself decided, without its parts.
---@param list moonpulse.Decision[]
---@return moonpulse.Decision[]
function M.of_script(list)
  local kept = {}
  for _, each in ipairs(list) do
    kept[#kept + 1] = each.part == 0 and each or nil
  end
  return kept
end

--- What was decided until then.
---@param list moonpulse.Decision[]
---@param entries (table|false)[] the lines of the journal
---@param at_ns integer of at()
---@param finished boolean the script came to its end: all that it decided itself counts
---@return moonpulse.Decision[]
function M.until_then(list, entries, at_ns, finished)
  local kept, origin_ns = {}, origin_of(entries)
  for _, each in ipairs(list) do
    if finished and each.part == 0 or (decided_ns(entries[each.line], origin_ns) or 0) <= at_ns then
      kept[#kept + 1] = each
    end
  end
  return kept
end

--- What a part of the script decided more here well before then; nil: nothing.
---@param list moonpulse.Decision[] of the run, until then
---@param made moonpulse.Decision[] of the run that was made again, which goes on for longer
---@param entries (table|false)[] the lines of its journal
---@param at_ns integer of at()
---@return moonpulse.DecisionsDiffer?
function M.early(list, made, entries, at_ns)
  local counts, origin_ns = {}, origin_of(entries)
  for _, each in ipairs(list) do
    counts[each.part] = (counts[each.part] or 0) + 1
  end
  for _, each in ipairs(made) do
    local count = (counts[each.part] or 0) - 1
    counts[each.part] = count
    local ns = count == -1 and decided_ns(entries[each.line], origin_ns)
    if ns and ns < at_ns - early_ns then
      return { b = each }
    end
  end
end

---@class moonpulse.PulsesStop what the stop of a run bounds
---@field at_ns integer? when it was, from the run's start
---@field way_ns fun(channel: string?): integer how much later than it a pulse of a channel may be planned
---@field plan_of fun(pulse: integer): table? the plan that a pulse is of; asked in their order
---@field must_be fun(plan: table, onset_ns: integer): boolean was there time to give it?

local function way_of(facts)
  local longest_ns, latency_ns = 0, math.tointeger(tonumber(facts.latency_ns)) or 0
  for _, wire_ns in ipairs(type(facts.wire_ns) == "table" and facts.wire_ns or {}) do
    longest_ns = math.max(longest_ns, latency_ns + (math.tointeger(tonumber(wire_ns)) or 0))
  end
  return longest_ns
end

--- The place of each channel's device, of several.
local function places_of(begin)
  local places = {}
  for _, device in ipairs(type(begin.devices) == "table" and begin.devices or {}) do
    local channels = type(device) == "table" and device.channels
    for _, channel in ipairs(type(channels) == "table" and channels or {}) do
      places[channel] = device.place
    end
  end
  return places
end

--- How long before its time a pulse is handed to the port at most: what is on its way goes on. Of several
--- devices each has a way of its own, and a plan's line says those of each of them.
---@return fun(channel: string?): integer ns
local function longest_ways(entries)
  local of_one_ns, of_place, places = 0, {}, places_of(entries[1] or {})
  for _, entry in ipairs(entries) do
    local is_play = entry and entry.kind == "play"
    if is_play and type(entry.devices) ~= "table" then
      of_one_ns = math.max(of_one_ns, way_of(entry))
    end
    for _, each in ipairs(is_play and type(entry.devices) == "table" and entry.devices or {}) do
      local place = type(each) == "table" and each.place or nil
      if place ~= nil then
        of_place[place] = math.max(of_place[place] or 0, way_of(each))
      end
    end
  end
  return function(channel)
    return math.min(of_place[places[channel or false] or false] or of_one_ns, most_way_ns)
  end
end

--- What the last stop of a run says of its pulses.
---@param manifest table
---@param entries (table|false)[] the lines of the journal
---@param plan_of fun(pulse: integer): table?
---@return moonpulse.PulsesStop
function M.bounds(manifest, entries, plan_of)
  local stop, disarm = last_of(entries)
  local at_ns, begin = ns_of(stop), entries[1] or {}
  local options = type(begin.options) == "table" and begin.options or {}
  local is_at_once = at_ns and at_once[stop.reason] and stop.reason == read.get(manifest, "result.stop")
    and (options.late == nil or options.late == "abort")
  local asked_ns = asked_ns_of(stop)
  local function must_be(plan, onset_ns)
    return is_at_once and plan.tolerance_ns ~= nil and onset_ns + plan.tolerance_ns < asked_ns
  end
  return { at_ns = at_ns or ns_of(disarm), way_ns = longest_ways(entries), plan_of = plan_of,
    must_be = must_be }
end

return M
