--- What a run's manifest and journal may say: types and bounds. A folder may come from anywhere, so what is
--- read is data until it was looked at here; what does not fit is named, and never used.
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"

local M = {}

-- no run in real time has more pulses than its flight record holds, at three records each
local most_pulses = core.flight_most // 3
local most_virtual = 1000000000 -- a run that only counts

local references = { MSO = true, RMT = true, AMT = true }
local proofs = { read = true, received = true, none = true }

local function whole(low, high)
  return { ("a whole number from %d to %d"):format(low, high), function(value)
    local number = type(value) == "number" and math.tointeger(value)
    return number and number >= low and number <= high and number or nil
  end }
end

local function number(low, high)
  return { ("a number from %g to %g"):format(low, high), function(value)
    return type(value) == "number" and value >= low and value <= high and value or nil
  end }
end

local instant = { "a time in nanoseconds", function(value)
  return math.type(value) == "integer" and value or nil
end }
local text = { "text", function(value)
  return type(value) == "string" and escapes.shown(value) or nil
end }
local lines = { "text", function(value)
  return type(value) == "string" and escapes.shown(value, true) or nil
end }
local flag = { "true or false", function(value)
  if type(value) == "boolean" then
    return value
  end
end }
local object = { "an object", function(value)
  return type(value) == "table" and value or nil
end }

local threshold = { "a number from 0 to 1000, or an object with one as its value", function(value)
  local found = value
  if type(value) == "table" then
    found = value.value
  end
  return type(found) == "number" and found >= 0 and found <= 1000 and value or nil
end }

local plain = { string = true, number = true, boolean = true }

local fact = { "a text, a number, or an object with one as its value", function(value)
  local found = value
  if type(value) == "table" then
    found = value.value
  end
  return plain[type(found)] and value or nil
end }

local of_file = { "file", "role", "sha256", "as" } -- texts of an entry of files

local kept = { "a list of objects whose file, role, as and sha256 are texts", function(value)
  if type(value) ~= "table" then
    return nil
  end
  for _, each in ipairs(value) do
    local is_entry = type(each) == "table"
    for _, key in ipairs(of_file) do
      is_entry = is_entry and (each[key] == nil or type(each[key]) == "string")
    end
    if not is_entry then
      return nil
    end
  end
  return value
end }

local pulses, seconds = whole(0, most_virtual), number(0, 1e9)

-- what a field of a manifest may hold; those that are not here are only ever shown
local fields = {
  { "protocol", object }, { "device", object }, { "thresholds", object }, { "result", object },
  { "host", object }, { "moonpulse", object }, { "safety", object }, { "experiment", object },
  { "flight", object }, { "kind", text }, { "status", text }, { "started", text }, { "participant", text },
  { "protocol.id", text }, { "protocol.name", text }, { "protocol.cite", text }, { "protocol.doi", text },
  { "protocol.target", text }, { "protocol.file", text }, { "protocol.outline", lines },
  { "protocol.pulses", pulses }, { "protocol.first_to_last_s", seconds },
  { "protocol.nominal_end_s", seconds }, { "protocol.whole_cycles_s", seconds },
  { "device.name", text }, { "device.description", text }, { "device.model", text },
  { "device.port", text }, { "device.backend", text }, { "device.driver", text },
  { "device.simulated", flag }, { "device.own_simulator", flag },
  { "device.twin", flag }, -- own_simulator, as it was called before
  { "thresholds.rmt", threshold }, { "thresholds.amt", threshold }, { "record_version", whole(1, 1000) },
  { "moonpulse.version", text }, { "result.status", text },
  { "result.reason", text }, { "result.stop", text }, { "result.elapsed_s", seconds },
  { "result.pulses_sent", pulses }, { "result.pulses_confirmed", pulses },
  { "result.pulses_skipped", pulses }, { "result.pulses_planned", pulses },
  { "result.pulses_unknown", pulses }, { "result.events_sum", text }, { "result.flight_lost", flag },
  { "files", kept }, { "device.waveform", fact }, { "device.current_direction", fact },
  { "device.mode", fact }, { "device.coil", fact }, { "device.serial", fact }, { "device.firmware", fact },
  { "experiment.file", text }, { "safety.verdict", text },
}

local null = require "cjson".null
local most_depth = 1000 -- the reader of JSON takes no more

--- What nobody looked at: text is shown, so it must not move a terminal's cursor; a number that is none
--- cannot be written again.
local function clean(value, depth)
  if type(value) == "string" then
    return escapes.shown(value, true)
  elseif type(value) == "number" and (value ~= value or value == math.huge or value == -math.huge) then
    return null
  elseif type(value) == "table" and depth < most_depth then
    for key, each in pairs(value) do
      value[key] = clean(each, depth + 1)
    end
  end
  return value
end

--- Take out what is not what its field may hold.
---@param manifest table changed
---@return string[] said what was taken out, a sentence each
function M.manifest(manifest)
  local said = {}
  for _, field in ipairs(fields) do
    local at, key = manifest, field[1]
    local group, name = key:match("^(%w+)%.(.*)$")
    if group then
      at, key = manifest[group], name
    end
    if at and at[key] == null then
      at[key] = nil
    elseif at and at[key] ~= nil then
      at[key] = field[2][2](at[key])
      if at[key] == nil then
        said[#said + 1] = ("manifest.json: %s is not %s: left out"):format(field[1], field[2][1])
      end
    end
  end
  clean(manifest, 0)
  return said
end

-- What the flight record needs beside it -------------------------------------------------------------

--- The fields of a table by a list of { key, type, optional }; raises the sentence of the first that does
--- not fit.
local function take(from, list, where)
  local taken = {}
  if type(from) ~= "table" then
    error({ unfit = where .. " is not an object" }, 0)
  end
  for _, field in ipairs(list) do
    local key, value = field[1], from[field[1]]
    if value == null then
      value = nil
    end
    if value ~= nil or not field[3] then
      taken[key] = field[2][2](value)
      if taken[key] == nil then
        error({ unfit = ("%s.%s is not %s"):format(where, key, field[2][1]) }, 0)
      end
    end
  end
  return taken
end

local function take_list(from, where, most, each)
  local list = {}
  if type(from) ~= "table" or #from > most then
    error({ unfit = ("%s is no list of at most %d"):format(where, most) }, 0)
  end
  for i = 1, #from do
    list[i] = each(from[i], ("%s[%d]"):format(where, i))
  end
  return list
end

local one_of = { "MSO, RMT or AMT", function(value) return references[value] and value or nil end }
local proof = { "read, received or none", function(value) return proofs[value] and value or nil end }
local field_of_row = { "text without control characters", function(value)
  return type(value) == "string" and not value:find("%c") and #value <= 200 and escapes.shown(value) or nil
end }
local nanoseconds = { "whole nanoseconds, at most a day", function(value)
  return math.type(value) == "integer" and value >= 0 and value <= 86400 * 1000000000 and value or nil
end }

local of_action = { { "channel", field_of_row }, { "mso", number(0, 1000) }, { "exact_mso", number(0, 1000),
  true }, { "intensity", number(0, 1e6) }, { "reference", one_of }, { "over", seconds, true } }
local of_train = { { "confirms", whole(0, most_pulses), true }, { "spare", whole(0, most_pulses), true },
  { "reports", number(0, 86400), true }, { "ahead", flag, true }, { "text", text, true } }
local of_level = { { "count", whole(1, most_pulses) }, { "num", whole(0, 1 << 53) },
  { "den", whole(1, 1 << 53) } }

local function part_of(from, where)
  local part = take(from, { { "pulses", whole(1, most_pulses) } }, where)
  part.cell = take_list(from.cell, where .. ".cell", most_pulses, function(pulse, at)
    local taken = take(pulse, { { "offset", seconds } }, at)
    taken.action = take(pulse.action, of_action, at .. ".action")
    return taken
  end)
  local made = #part.cell
  part.levels = take_list(from.levels, where .. ".levels", 64, function(level, at)
    local taken = take(level, of_level, at)
    made = math.min(made * taken.count, most_pulses + 1)
    return taken
  end)
  if made ~= part.pulses then
    error({ unfit = ("%s has not the %d pulses that it says"):format(where, part.pulses) }, 0)
  end
  return part
end

local function action_of(from, where, room)
  local action = take(from, of_action, where)
  if from.train ~= nil and from.train ~= null then
    action.train = take(from.train, of_train, where .. ".train")
    local setting = from.train.setting
    if type(setting) == "table" then
      action.train.setting = take(setting, { { "waveform", text, true } }, where .. ".train.setting")
    end
    action.part = part_of(from.part, where .. ".part")
    room.pulses = room.pulses - action.part.pulses
    if room.pulses < 0 then
      error({ unfit = where .. ": more pulses than any record holds" }, 0)
    end
  end
  return action
end

local of_facts = { { "latency_ns", nanoseconds }, { "confirms", flag, true }, { "proves_end", flag, true },
  { "setting_proof", proof, true }, { "tolerance_ns", nanoseconds, true }, { "pulses", whole(0, most_pulses),
    true } }
-- of a plan that a script plays on several devices: what each has of its own, and what all counted before it
local of_device = { { "place", field_of_row }, { "latency_ns", nanoseconds }, { "confirms", flag, true },
  { "proves_end", flag, true }, { "setting_proof", proof, true } }
local of_counted = { { "pulses", whole(0, 1 << 53) }, { "trials", whole(0, 1 << 53) },
  { "blocks", whole(0, 1 << 53) } }
local most_devices = 16
local of_play = { { "play", whole(1, (1 << 24) - 1), true }, { "start_ns", instant }, { "from_ns", instant },
  { "seed", whole(-(1 << 53), 1 << 53), true }, { "pulses", whole(0, most_pulses) } }
-- a plan that triggers start, or a pulse that is waited for: what its plays have in common
local of_ahead = { { "play", whole(1, (1 << 24) - 1) }, { "count", whole(1, (1 << 24) - 1) },
  { "seed", whole(-(1 << 53), 1 << 53), true }, { "pulses", whole(0, most_pulses) },
  { "delay_ns", whole(0, 1 << 53), true } }
local of_setting = { { "told_ns", whole(0, 1 << 53) }, { "at_ns", whole(0, 1 << 53) },
  { "latency_ns", nanoseconds } }
-- of older versions
local of_set = { { "at_ns", whole(0, 1 << 53) }, { "action", whole(1, most_pulses) } }

--- A row of a map names parts before it, and how often each comes; what it has no pulse of comes never.
local function row_of(from, where, before)
  local row = take_list(from, where, 2 * most_pulses, function(value, at)
    return take({ at = value }, { { "at", whole(1, most_virtual) } }, at).at
  end)
  local depth = 0
  for i = 1, #row, 2 do
    local part = before[row[i]]
    if not part or not row[i + 1] then
      error({ unfit = where .. " is no list of parts before it and their counts" }, 0)
    end
    depth = math.max(depth, part.depth + 1)
  end
  if depth == 0 or depth > most_depth then
    error({ unfit = where .. " is empty, or too deep" }, 0)
  end
  return row, depth
end

local function flat_of(from, where, conditions)
  local flat = take_list(from, where, 4 * most_pulses, function(value, at)
    return take({ at = value }, { { "at", whole(0, most_virtual) } }, at).at
  end)
  for i = 1, #flat, 4 do
    if flat[i] < 1 or not conditions[flat[i + 1] or 0] or not flat[i + 3] then
      error({ unfit = where .. " is no list of pulses, condition, trial and block" }, 0)
    end
  end
  return flat
end

--- Which trial, block and condition pulses are of: moonpulse.compose.stimuli makes it.
local function stimuli_of(from, where)
  local map = take(from, { { "root", whole(1, most_pulses), true } }, where)
  map.conditions = take_list(from.conditions, where .. ".conditions", most_pulses, function(name, at)
    return take({ at = name }, { { "at", field_of_row } }, at).at
  end)
  local before = {}
  map.parts = take_list(from.parts, where .. ".parts", most_pulses, function(each, at)
    local part = take(each, { { "n", whole(1, most_virtual), true }, { "trial", flag, true },
      { "block", flag, true } }, at)
    part.depth = 1
    if part.n then
      part.c = take(each, { { "c", whole(1, #map.conditions) } }, at).c
    elseif each.flat ~= nil and each.flat ~= null then
      part.flat = flat_of(each.flat, at .. ".flat", map.conditions)
    else
      part.row, part.depth = row_of(each.row, at .. ".row", before)
    end
    before[#before + 1] = part
    return part
  end)
  if (map.root or 1) > #map.parts and (map.root or map.parts[1]) then
    error({ unfit = where .. ".root is none of its parts" }, 0)
  end
  return map
end

--- Numbers of JSON are floats where they are large; whole ones count as such.
local function whole_times(from)
  local taken = {}
  for key, value in pairs(from) do
    local is_time = type(key) == "string" and key:match("_ns$") and type(value) ~= "table"
    taken[key] = is_time and (math.tointeger(tonumber(value)) or value) or value
  end
  if type(taken.wire_ns) == "table" then
    local list = {}
    for i, ns in ipairs(taken.wire_ns) do
      list[i] = math.tointeger(ns) or ns
    end
    taken.wire_ns = list
  end
  return taken
end

--- What of a plan on several devices is one's own.
local function device_of(from, where)
  from = type(from) == "table" and whole_times(from) or from
  local own = take(from, of_device, where)
  own.wire_ns = take_list(from.wire_ns, where .. ".wire_ns", most_pulses, function(ns, at)
    return take({ at = ns }, { { "at", nanoseconds } }, at).at
  end)
  own.marks = take_list(from.marks, where .. ".marks", most_pulses, function(mark, at)
    return take({ at = mark }, { { "at", text } }, at).at
  end)
  return own
end

local function facts_of(from, where, room)
  local facts = take(from, of_facts, where)
  facts.actions = take_list(from.actions, where .. ".actions", most_pulses, function(action, at)
    return action_of(action, at, room)
  end)
  facts.wire_ns = take_list(from.wire_ns, where .. ".wire_ns", most_pulses, function(ns, at)
    return take({ at = ns }, { { "at", nanoseconds } }, at).at
  end)
  facts.marks = take_list(from.marks, where .. ".marks", most_pulses, function(mark, at)
    return take({ at = mark }, { { "at", text } }, at).at
  end)
  facts.trials = from.trials and from.trials ~= null and stimuli_of(from.trials, where .. ".trials") or nil
  if type(from.counted) == "table" then
    facts.counted = take(from.counted, of_counted, where .. ".counted")
  end
  if type(from.devices) == "table" then
    facts.devices = take_list(from.devices, where .. ".devices", most_devices, device_of)
  end
  return facts
end

local function caught(call, ...)
  local ok, result = pcall(call, ...)
  if ok then
    return result
  elseif type(result) == "table" and result.unfit then
    return nil, result.unfit
  end
  error(result, 0)
end

--- What a protocol's manifest says for its flight record.
---@param flight any of the manifest
---@return table? facts
---@return string? message what does not fit
function M.flight(flight)
  if type(flight) ~= "table" then
    return nil, "flight is not an object"
  end
  return caught(facts_of, whole_times(flight), "flight", { pulses = most_pulses })
end

--- What a journal has beside plans, settings and marks: docs/verify.md.
local acts = {}
for _, kind in ipairs { "begin", "before", "arm", "disarm", "stop", "threshold", "override", "approval",
  "question", "answer", "refused_answer",
  "trigger", "stream", "watched", "note", "read", "refused", "clock", "end", "sealed",
  "recovered", "report", "signature", "noted", "marked" } do
  acts[kind] = true
end
M.acts = acts

--- An entry of a journal; is_act where it is none of what was played: a plan of a protocol, whose actions
--- stand elsewhere, is none either.
---@param entry any
---@param room { pulses: integer } that all entries together may have
---@return table? entry
---@return string? message what does not fit
function M.entry(entry, room)
  if type(entry) ~= "table" then
    return nil, "it is not an object"
  end
  return caught(function()
    local from = whole_times(entry)
    if acts[from.kind] or from.kind == "play" and from.actions == nil and from.plan ~= nil then
      return { kind = from.kind, is_act = true } -- nothing is played by it
    elseif from.kind == "mark" then
      local mark = take(from, { { "at_ns", instant }, { "text", text }, { "code", whole(1, 255), true } },
        "mark")
      mark.kind = "mark"
      return mark
    elseif from.kind == "set" then
      local set = take(from, of_setting, "set")
      set.kind, set.action = "set", action_of(from.action, "set.action", room)
      return set
    elseif from.kind ~= "play" and from.kind ~= "ahead" and from.kind ~= "watch" then
      error({ unfit = "it is neither a plan, a setting nor a mark" }, 0)
    end
    local play = take(from, from.kind == "play" and of_play or of_ahead, from.kind)
    local facts = facts_of(from, from.kind, room)
    for key, value in pairs(play) do
      facts[key] = value
    end
    facts.sets = take_list(from.sets or {}, "play.sets", most_pulses, function(set, at)
      local taken = take(set, of_set, at)
      return facts.actions[taken.action] and taken
        or error({ unfit = at .. ".action is none of its actions" }, 0)
    end)
    facts.kind = from.kind
    return facts
  end)
end

M.most_pulses, M.whole_times = most_pulses, whole_times

return M
