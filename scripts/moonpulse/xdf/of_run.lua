--- A run's folder as streams of XDF: its markers, in the words of --lsl, its pulses as numbers, and its event
--- codes. Nothing of it is run: text and JSON are read as data.
local cjson = require "cjson.safe"
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"
local plain_files = require "moonpulse.text.plain_file"
local read = require "moonpulse.record.read"

local M = {}

local most_events, most_journal = 400000000, 400000000 -- bytes
local most_tail = 1 << 20 -- bytes of the journal in which its end is looked for
local most_text = 900 -- of a marker, as over LSL

--- When onset 0 was and when the run ended, by its journal: nanoseconds on its clock, and from onset 0; and
--- whether it was on several devices. That of an experiment is where its journal begins, that of a protocol
--- where its plan starts, behind arming and any trigger that was waited for; one whose plan never started
--- has no onsets.
local function times_of(folder)
  local text, message = core.read_file(folder .. "/journal.jsonl", most_journal)
  if not text then
    return nil, message
  end
  local first = cjson.decode(text:match "^[^\n]*")
  local begin_ns = type(first) == "table" and first.kind == "begin"
    and math.tointeger(tonumber(first.clock_ns))
  if not begin_ns then
    return nil, ("%s/journal.jsonl does not begin with the run's beginning: was it changed?"):format(folder)
  end
  local play = first.what ~= "experiment" and text:match '\n([^\n]-"kind":"play"[^\n]*)'
  play = play and cjson.decode(play)
  local zero_ns = type(play) == "table" and math.tointeger(tonumber(play.start_ns)) or begin_ns
  local ended
  for line in text:sub(-most_tail):gmatch "[^\n]+" do -- what lies behind the end are notes and the seal's
    local each = line:find('"kind":"end"', 1, true) and cjson.decode(line)
    ended = type(each) == "table" and each.kind == "end" and math.tointeger(tonumber(each.at_ns)) or ended
  end
  return zero_ns, ended and begin_ns + ended - zero_ns, first.devices ~= nil
end

--- The codes that go with pulses, by the pulse's number; those of marks, by their planned time, in order; and
--- what was at the box, in order.
local function codes_of(events)
  local by_pulse, by_mark, sent = {}, {}, {}
  for _, row in ipairs(events.codes) do
    local code = math.tointeger(tonumber(row.reply))
    if code and row.pulse then
      by_pulse[row.pulse] = code
    elseif code and row.planned then
      by_mark[row.planned] = by_mark[row.planned] or {}
      table.insert(by_mark[row.planned], code)
    end
    if code and row.status == "sent" and row.time then
      sent[#sent + 1] = { at = row.time, values = { code } }
    end
  end
  return by_pulse, by_mark, sent
end

local function add(list, at, kind, text, code, channel)
  local parts = { kind }
  parts[#parts + 1] = text and escapes.shortened(text, most_text)
  parts[#parts + 1] = channel and "channel=" .. channel
  parts[#parts + 1] = code and ("code=%d"):format(code)
  list[#list + 1] = { at = at, values = { table.concat(parts, " ") } }
end

local function number(value)
  return value or 0 / 0
end

--- Pulses that left, into markers and into numbers.
local function add_pulses(events, by_pulse, markers, pulses, is_several)
  for _, row in ipairs(events.pulses) do
    if row.time and (row.was_sent or row.external) then
      add(markers, row.time, row.status == "perhaps_sent" and "perhaps_sent" or "pulse",
        row.trial_type ~= "pulse" and row.trial_type or nil, row.pulse and by_pulse[row.pulse],
        is_several and row.channel or nil)
      pulses[#pulses + 1] = { at = row.time, values = { number(row.pulse), number(row.mso),
        number(row.lateness), number(row.trial), number(row.block), row.is_confirmed and 1 or 0 } }
    end
  end
end

local function markers_of(events, name, ended_ns, by_pulse, by_mark, is_several)
  local markers, pulses = {}, {}
  add(markers, 0, "start", name)
  for _, row in ipairs(events.marks) do
    local codes = by_mark[row.planned]
    if row.time then
      add(markers, row.time, "mark", row.reply or "", codes and table.remove(codes, 1))
    end
  end
  add_pulses(events, by_pulse, markers, pulses, is_several)
  for _, row in ipairs(events.unasked) do
    if row.time then
      add(markers, row.time, "unasked_pulse")
    end
  end
  return markers, pulses, ended_ns and ended_ns / 1e9
end

--- In the order of their times; what is at once stays as it came.
local function in_order(list)
  for i, each in ipairs(list) do
    each.place = i
  end
  table.sort(list, function(a, b)
    if a.at ~= b.at then
      return a.at < b.at
    end
    return a.place < b.place
  end)
  return list
end

--- A stream of samples at seconds from onset 0.
local function stream(of, zero_ns, list)
  of.created_s, of.times, of.values = zero_ns / 1e9, {}, {}
  for i, each in ipairs(list) do
    of.times[i] = (zero_ns + math.floor(each.at * 1e9 + 0.5)) / 1e9 -- the nanoseconds of events.tsv
    of.values[i] = each.values
  end
  of.source_id = ("moonpulse:%s:%s"):format(of.run, of.name)
  return of
end

local numbers_of_pulses = { { label = "pulse" }, { label = "intensity_mso", unit = "percent" },
  { label = "lateness", unit = "microseconds" }, { label = "trial" }, { label = "block" },
  { label = "confirmed" } }

--- The streams of a run: "Moonpulse", "Moonpulse pulses", and with event codes "Moonpulse codes".
---@param folder string of a run that is over
---@param result string? the run's reason to stop, in one word
---@return moonpulse.XdfStream[]? streams
---@return string? message
function M.streams(folder, result)
  local name = folder:match "([^/]+)$"
  for _, file in ipairs { "events.tsv", "journal.jsonl" } do
    local ok, why = plain_files.check(folder .. "/" .. file)
    if not ok then
      return nil, why
    end
  end
  local zero_ns, ended_ns, is_several = times_of(folder)
  if not zero_ns then
    return nil, ended_ns
  end
  local text, message = core.read_file(folder .. "/events.tsv", most_events)
  local events
  if text then
    events, message = read.parse(text, folder .. "/events.tsv")
  end
  if not events then
    return nil, message
  end
  local by_pulse, by_mark, sent = codes_of(events)
  local markers, pulses, ended = markers_of(events, name, ended_ns, by_pulse, by_mark,
    is_several)
  in_order(markers)
  if ended and result then -- the last, whatever a device reports of its own
    add(markers, math.max(ended, markers[#markers].at), "stop", result)
  end
  local list = { stream({ name = "Moonpulse", type = "Markers", format = "string", run = name,
    channels = { { label = "marker" } } }, zero_ns, markers),
    stream({ name = "Moonpulse pulses", type = "Stimulation", format = "double64", run = name,
      channels = numbers_of_pulses }, zero_ns, in_order(pulses)) }
  if sent[1] then
    list[3] = stream({ name = "Moonpulse codes", type = "Markers", format = "int32", run = name,
      channels = { { label = "code" } } }, zero_ns, in_order(sent))
  end
  return list
end

return M
