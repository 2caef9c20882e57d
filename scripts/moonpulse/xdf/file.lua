--- The format XDF 1.0, which LabRecorder writes and pyxdf, EEGLAB, MNE and FieldTrip read: chunks of bytes,
--- each with its length and what it is (https://github.com/sccn/xdf/wiki/Specifications; sccn/xdf at
--- b1a160b).
local M = {}

local FILE_HEADER, STREAM_HEADER, SAMPLES, CLOCK_OFFSET, STREAM_FOOTER = 1, 2, 3, 4, 6
local MOST_AT_ONCE = 4096 -- samples of a chunk

--- How the values of a channel format are packed; nil: strings.
local packed = { double64 = "<d", int32 = "<i4" }

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

---@class moonpulse.XdfStream
---@field name string
---@field type string as of LSL: "Markers"
---@field format "string"|"double64"|"int32"
---@field channels { label: string, unit: string? }[]
---@field source_id string
---@field created_s number
---@field run string the run's name
---@field times number[] seconds on the clock, in order
---@field values (string|number)[][] of each sample, a value a channel

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
    .. table.concat(channels) .. "</channels><acquisition>" .. element("manufacturer", "Moonpulse")
    .. element("run", stream.run) .. "</acquisition></desc></info>"
end

local function values_of(stream, values)
  local parts = {}
  for i, value in ipairs(values) do
    parts[i] = packed[stream.format] and packed[stream.format]:pack(value) or length(#value) .. value
  end
  return table.concat(parts)
end

--- Samples first to last of a stream, each with its time.
local function samples(number, stream, first, last)
  local parts = { ("<I4"):pack(number), length(last - first + 1) }
  for i = first, last do
    parts[#parts + 1] = ("<I1d"):pack(8, stream.times[i]) .. values_of(stream, stream.values[i])
  end
  return chunk(SAMPLES, table.concat(parts))
end

--- Both clocks are this computer's: offsets of 0, at both ends, which the footer says again.
local function offsets(number, stream)
  local parts, said = {}, {}
  local count = #stream.times
  for i, at in ipairs { stream.created_s, math.max(stream.created_s, stream.times[count] or 0) } do
    parts[i] = chunk(CLOCK_OFFSET, ("<I4dd"):pack(number, at, 0))
    said[i] = "<offset>" .. element("time", ("%.9f"):format(at)) .. element("value", "0") .. "</offset>"
  end
  return table.concat(parts), "<clock_offsets>" .. table.concat(said) .. "</clock_offsets>"
end

local function footer(stream, clock_offsets)
  local times = stream.times
  return '<?xml version="1.0"?><info>' .. element("first_timestamp", ("%.9f"):format(times[1] or 0))
    .. element("last_timestamp", ("%.9f"):format(times[#times] or 0))
    .. element("sample_count", ("%d"):format(#times)) .. clock_offsets .. "</info>"
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
      for first = 1, #stream.times, MOST_AT_ONCE do
        coroutine.yield(samples(number, stream, first, math.min(first + MOST_AT_ONCE - 1, #stream.times)))
      end
      local chunks, said = offsets(number, stream)
      coroutine.yield(chunks)
      coroutine.yield(chunk(STREAM_FOOTER, ("<I4"):pack(number) .. footer(stream, said)))
    end
  end)
end

return M
