--- The format XDF 1.0, which LabRecorder writes and pyxdf, EEGLAB, MNE and FieldTrip read: chunks of bytes,
--- each with its length and what it is (https://github.com/sccn/xdf/wiki/Specifications; sccn/xdf at
--- b1a160b).
local M = {}

local FILE_HEADER, STREAM_HEADER, SAMPLES, CLOCK_OFFSET, STREAM_FOOTER = 1, 2, 3, 4, 6
local MOST_AT_ONCE = 4096 -- samples of a chunk

--- How a value of a channel format is packed; nil: strings.
local packed = { double64 = "d", int32 = "i4" }

--- A length as the format has it: how many bytes it has itself, then it.
local function length(count)
  return count < 256 and ("<I1I1"):pack(1, count) or count < 1 << 32 and ("<I1I4"):pack(4, count)
    or ("<I1I8"):pack(8, count)
end

local function chunk(tag, content)
  return length(#content + 2) .. ("<I2"):pack(tag) .. content
end

--- Text as XML has it: no control characters, which it cannot have at all.
---@param text string
---@return string
function M.escaped(text)
  return (text:gsub("[%c&<>]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }):gsub("%c", " "))
end

local function element(name, text)
  return ("<%s>%s</%s>"):format(name, M.escaped(text), name)
end

---@class moonpulse.XdfOutput an output that pulses went to
---@field channel string as events.tsv names it
---@field device table<string, string>[] what is known of its device: name and value

---@class moonpulse.XdfStream
---@field name string
---@field type string as of LSL: "Markers"
---@field format "string"|"double64"|"int32"
---@field channels { label: string, unit: string? }[]
---@field outputs moonpulse.XdfOutput[]?
---@field source_id string
---@field created_s number
---@field run string the run's name
---@field count integer of its samples
---@field time fun(i: integer): number seconds on the clock of sample i; they are in order
---@field values fun(i: integer): ... of sample i a value a channel

--- What the numbers of outputs stand for, from 1.
local function outputs_of(stream)
  local list = {}
  for i, output in ipairs(stream.outputs or {}) do
    local device = {}
    for k, pair in ipairs(output.device) do
      device[k] = element(pair[1], pair[2])
    end
    list[i] = "<output>" .. element("number", ("%d"):format(i)) .. element("channel", output.channel)
      .. "<device>" .. table.concat(device) .. "</device></output>"
  end
  return stream.outputs and "<outputs>" .. table.concat(list) .. "</outputs>" or ""
end

local function header_of(stream)
  local channels = {}
  for i, channel in ipairs(stream.channels) do
    channels[i] = "<channel>" .. element("label", channel.label)
      .. (channel.unit and element("unit", channel.unit) or "") .. "</channel>"
  end
  return '<?xml version="1.0"?><info>' .. element("name", stream.name) .. element("type", stream.type)
    .. element("channel_count", ("%d"):format(#stream.channels)) .. element("nominal_srate", "0")
    .. element("channel_format", stream.format) .. element("source_id", stream.source_id)
    .. element("created_at", ("%.9f"):format(stream.created_s)) .. "<desc><channels>"
    .. table.concat(channels) .. "</channels>" .. outputs_of(stream) .. "<acquisition>"
    .. element("manufacturer", "Moonpulse")
    .. element("run", stream.run) .. "</acquisition></desc></info>"
end

--- Samples first to last of a stream, each with its time.
local function samples(number, stream, first, last)
  local parts, form = { ("<I4"):pack(number), length(last - first + 1) }, packed[stream.format]
  local form_of_all = form and "<I1d" .. form:rep(#stream.channels)
  for i = first, last do
    if form then
      parts[#parts + 1] = form_of_all:pack(8, stream.time(i), stream.values(i))
    else
      local text = stream.values(i)
      parts[#parts + 1] = ("<I1d"):pack(8, stream.time(i)) .. length(#text) .. text
    end
  end
  return chunk(SAMPLES, table.concat(parts))
end

local function first_and_last(stream)
  return stream.count > 0 and stream.time(1) or nil, stream.count > 0 and stream.time(stream.count) or nil
end

--- Both clocks are this computer's: offsets of 0, at both ends, which the footer says again.
local function offsets(number, stream)
  local parts, said = {}, {}
  local _, last = first_and_last(stream)
  for i, at in ipairs { stream.created_s, math.max(stream.created_s, last or 0) } do
    parts[i] = chunk(CLOCK_OFFSET, ("<I4dd"):pack(number, at, 0))
    said[i] = "<offset>" .. element("time", ("%.9f"):format(at)) .. element("value", "0") .. "</offset>"
  end
  return table.concat(parts), "<clock_offsets>" .. table.concat(said) .. "</clock_offsets>"
end

local function footer(stream, clock_offsets)
  local first, last = first_and_last(stream)
  return '<?xml version="1.0"?><info>' .. element("first_timestamp", ("%.9f"):format(first or 0))
    .. element("last_timestamp", ("%.9f"):format(last or 0))
    .. element("sample_count", ("%d"):format(stream.count)) .. clock_offsets .. "</info>"
end

--- The file as parts, in their order: a million pulses are not held twice.
---@param streams moonpulse.XdfStream[]
---@return fun(): string? next
function M.parts(streams)
  return coroutine.wrap(function()
    coroutine.yield("XDF:" .. chunk(FILE_HEADER, '<?xml version="1.0"?><info><version>1.0</version></info>'))
    for number, stream in ipairs(streams) do
      coroutine.yield(chunk(STREAM_HEADER, ("<I4"):pack(number) .. header_of(stream)))
    end
    for number, stream in ipairs(streams) do
      for first = 1, stream.count, MOST_AT_ONCE do
        coroutine.yield(samples(number, stream, first, math.min(first + MOST_AT_ONCE - 1, stream.count)))
      end
      local chunks, said = offsets(number, stream)
      coroutine.yield(chunks)
      coroutine.yield(chunk(STREAM_FOOTER, ("<I4"):pack(number) .. footer(stream, said)))
    end
  end)
end

return M
