--- A run's folder as streams of XDF: its markers, in the words of --lsl, its pulses as numbers, and its event
--- codes. Nothing of it is run: text and JSON are read as data.
local cjson = require "cjson.safe"
local columns = require "moonpulse.record.columns"
local core = require "moonpulse.core"
local escapes = require "moonpulse.text.escapes"
local plain_files = require "moonpulse.text.plain_file"
local read = require "moonpulse.record.read"

local M = {}

local most_journal = 400000000 -- bytes
local most_tail = 1 << 20 -- bytes of the journal in which its end is looked for
local most_text = 900 -- of a marker, as over LSL

--- When onset 0 was and when the run ended, by its journal: nanoseconds on its clock, and from onset 0. That
--- of an experiment is where its journal begins, that of a protocol where its plan starts, behind arming and
--- any trigger that was waited for; one whose plan never started has no onsets.
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
  return zero_ns, ended and begin_ns + ended - zero_ns
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
      sent[#sent + 1] = { at = row.time, value = code }
    end
  end
  return by_pulse, by_mark, sent
end

local function text_of(kind, text, code)
  return kind .. (text and " " .. escapes.shortened(text, most_text) or "")
    .. (code and (" code=%d"):format(code) or "")
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

--- Which pulses left, in the order of their times: there may be a million.
local function order_of(pulses)
  local order, time, leaves, sorted = {}, pulses.time, {}, true
  for number, kind in ipairs(pulses.kinds) do
    leaves[number] = kind.was_sent or kind.external
  end
  for i = 1, pulses.count do
    if time[i] and leaves[pulses.kind[i]] then
      sorted = sorted and not (order[1] and time[i] < time[order[#order]])
      order[#order + 1] = i
    end
  end
  if not sorted then
    table.sort(order, function(a, b)
      if time[a] ~= time[b] then
        return time[a] < time[b]
      end
      return a < b
    end)
  end
  return order
end

--- What markers of pulses of each kind say, without their code.
local function words_of(kinds, is_several)
  local list = {}
  for number, kind in ipairs(kinds) do
    list[number] = text_of(kind.status == "perhaps_sent" and "perhaps_sent" or "pulse",
      kind.trial_type ~= "pulse" and kind.trial_type or nil)
      .. (is_several and kind.channel and " channel=" .. kind.channel or "")
  end
  return list
end

--- The markers that are of no pulse: what comes before pulses that are at the same time, and what behind.
local function other_markers(events, name, by_mark)
  local before, behind = { { at = 0, text = text_of("start", name) } }, {}
  for _, row in ipairs(events.marks) do
    local codes = by_mark[row.planned]
    if row.time then
      before[#before + 1] = { at = row.time,
        text = text_of("mark", row.reply or "", codes and table.remove(codes, 1)) }
    end
  end
  for _, row in ipairs(events.unasked) do
    behind[#behind + 1] = row.time and { at = row.time, text = "unasked_pulse" } or nil
  end
  return in_order(before), in_order(behind)
end

--- All markers, in the order of their times.
---@return number[] times
---@return string[] texts
local function markers_of(events, name, order, by_pulse, by_mark, is_several)
  local pulses, times, texts = events.pulses, {}, {}
  local before, behind = other_markers(events, name, by_mark)
  local words, next_before, next_behind = words_of(pulses.kinds, is_several), 1, 1
  local function take(list, from, last_at, at_once)
    while list[from] and (list[from].at < last_at or at_once and list[from].at == last_at) do
      times[#times + 1], texts[#texts + 1] = list[from].at, list[from].text
      from = from + 1
    end
    return from
  end
  local function take_others(last_at, at_once)
    -- of both lists in the order of their times
    while behind[next_behind] and behind[next_behind].at < last_at do
      next_before = take(before, next_before, behind[next_behind].at, true)
      next_behind = take(behind, next_behind, behind[next_behind].at, true)
    end
    next_before = take(before, next_before, last_at, at_once)
  end
  for _, i in ipairs(order) do
    local at, code = pulses.time[i], by_pulse[pulses.pulse[i]]
    local text = words[pulses.kind[i]]
    take_others(at, true)
    times[#times + 1], texts[#texts + 1] = at, code and ("%s code=%d"):format(text, code) or text
  end
  take_others(math.huge, false)
  return times, texts
end

--- What is known of a device, for the header of a stream.
local function facts_of(device)
  local list = {}
  for _, key in ipairs { "name", "description", "model", "serial", "firmware", "simulated" } do
    local value = device[key]
    if value ~= nil and value ~= cjson.null and type(value) ~= "table" then
      list[#list + 1] = { key, value == true and "yes" or value == false and "no" or tostring(value) }
    end
  end
  return list
end

--- The outputs that pulses went to, by their channels, and the number of each kind's.
---@return moonpulse.XdfOutput[]
---@return integer[] number by the kind
local function outputs_of(pulses, manifest)
  local known, names, number_of, numbers, list = {}, {}, {}, {}, {}
  local device = type(manifest.device) == "table" and manifest.device or {}
  local of_channel = {}
  for _, each in ipairs(type(device.devices) == "table" and device.devices or {}) do
    local own = type(each) == "table" and type(each.channels) == "table" and each.channels
    for _, channel in ipairs(own or {}) do
      of_channel[tostring(channel)] = each
    end
  end
  for _, each in ipairs(columns.counts(pulses)) do
    local channel = each.kind.channel or "1"
    names[#names + 1] = not known[channel] and channel or nil
    known[channel] = true
  end
  table.sort(names)
  for i, channel in ipairs(names) do
    number_of[channel] = i
    list[i] = { channel = channel, device = facts_of(of_channel[channel] or device) }
  end
  for number, kind in ipairs(pulses.kinds) do
    numbers[number] = number_of[kind.channel or "1"]
  end
  return list, numbers
end

local numbers_of_pulses = { { label = "pulse" }, { label = "intensity_mso", unit = "percent" },
  { label = "lateness", unit = "microseconds" }, { label = "trial" }, { label = "block" },
  { label = "confirmed" }, { label = "output" }, { label = "code" } }

--- A stream of samples.
---@param of table what it is
---@param zero_ns integer onset 0
---@param count integer
---@param at fun(i: integer): number seconds from onset 0
---@param values fun(i: integer): ...
local function stream(of, zero_ns, count, at, values)
  of.created_s, of.count, of.values = zero_ns / 1e9, count, values
  of.time = function(i)
    return (zero_ns + math.floor(at(i) * 1e9 + 0.5)) / 1e9 -- the nanoseconds of events.tsv
  end
  of.source_id = ("moonpulse:%s:%s"):format(of.run, of.name)
  return of
end

--- The pulses that left, as numbers.
local function pulses_stream(name, pulses, order, zero_ns, by_pulse, manifest)
  local outputs, output_of = outputs_of(pulses, manifest)
  local nan = 0 / 0
  return stream({ name = "Moonpulse pulses", type = "Stimulation", format = "double64", run = name,
    channels = numbers_of_pulses, outputs = outputs }, zero_ns, #order,
    function(i) return pulses.time[order[i]] end,
    function(i)
      i = order[i]
      local number, number_of_kind = pulses.pulse[i] or nil, pulses.kind[i]
      local kind = pulses.kinds[number_of_kind]
      return number or nan, kind.mso or nan, pulses.lateness[i] or nan, pulses.trial[i] or nan,
        kind.block or nan, kind.is_confirmed and 1 or 0, output_of[number_of_kind],
        number and by_pulse[number] or nan
    end)
end

--- What a folder says, or nil and a message.
local function read_all(folder)
  for _, file in ipairs { "events.tsv", "journal.jsonl" } do
    local ok, why = plain_files.check(folder .. "/" .. file)
    if not ok then
      return nil, why
    end
  end
  local zero_ns, ended_ns = times_of(folder)
  if not zero_ns then
    return nil, ended_ns
  end
  local events, message = columns.of(folder .. "/events.tsv", { time = true, pulse = true, trial = true,
    lateness = true })
  return events and { events = events, zero_ns = zero_ns, ended_s = ended_ns and ended_ns / 1e9 }, message
end

--- The streams of a run: "Moonpulse", "Moonpulse pulses", and with event codes "Moonpulse codes".
---@param folder string of a run that is over
---@param manifest table its own
---@param name string? the run's, where its folder has another one now
---@return moonpulse.XdfStream[]? streams
---@return string? message
function M.streams(folder, manifest, name)
  name = name or folder:match "([^/]+)$"
  local found, message = read_all(folder)
  if not found then
    return nil, message
  end
  local events, zero_ns, result = found.events, found.zero_ns, read.get(manifest, "result.stop")
  local by_pulse, by_mark, sent = codes_of(events)
  local order = order_of(events.pulses)
  local times, texts = markers_of(events, name, order, by_pulse, by_mark,
    read.get(manifest, "device.devices") ~= nil)
  if found.ended_s and result then -- the last, whatever a device reports of its own
    times[#times + 1] = math.max(found.ended_s, times[#times])
    texts[#texts + 1] = text_of("stop", tostring(result))
  end
  local list = { stream({ name = "Moonpulse", type = "Markers", format = "string", run = name,
    channels = { { label = "marker" } } }, zero_ns, #times, function(i) return times[i] end,
    function(i) return texts[i] end),
    pulses_stream(name, events.pulses, order, zero_ns, by_pulse, manifest) }
  if sent[1] then
    in_order(sent)
    list[3] = stream({ name = "Moonpulse codes", type = "Markers", format = "int32", run = name,
      channels = { { label = "code" } } }, zero_ns, #sent, function(i) return sent[i].at end,
      function(i) return sent[i].value end)
  end
  return list
end

return M
