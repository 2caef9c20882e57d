--- What a simulator saw and gave, as lines of twin.tsv.
---
--- A pulse's entry in a simulator's log has `given`: what came out, from the simulator's own state and
--- never from what the driver meant, so that a run's record can be held against it.
local M = {}

--- The first line of a log.
M.header = "time\tevent\tbytes\tnote\tchannel\tintensity\twaveform\tmode\n"

local nothing = "n/a\tn/a\tn/a\tn/a"
local texts = setmetatable({}, { __mode = "k" }) -- of what was given: a simulator gives the same often

local hexes, most_hexes, hexes_held = {}, 1024, 0 -- of bytes: a stimulator is told the same often

local function hex(bytes)
  if not bytes or #bytes == 0 then
    return "n/a"
  end
  local text = hexes[bytes]
  if not text then
    text = bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
    if hexes_held == most_hexes then
      hexes, hexes_held = {}, 0
    end
    hexes[bytes], hexes_held = text, hexes_held + 1
  end
  return text
end

local function text_of(given)
  if not given then
    return nothing
  end
  local text = texts[given]
  if not text then
    text = ("%s\t%s\t%s\t%s"):format(given.channel or "n/a",
      given.intensity and ("%.9g"):format(given.intensity) or "n/a", given.waveform or "n/a",
      given.mode or "n/a")
    texts[given] = text
  end
  return text
end

local last, last_tail = {}, "" -- most pulses are like the one before

--- A line without its time, the line end included.
---@param entry moonpulse.SimulatorEvent
---@return string
function M.tail(entry)
  local event, bytes, note, given = entry.event, entry.bytes, entry.note, entry.given
  if event ~= last.event or bytes ~= last.bytes or note ~= last.note or given ~= last.given then
    last_tail = ("\t%s\t%s\t%s\t%s\n"):format(event, hex(bytes), note or "", text_of(given))
    last = { event = event, bytes = bytes, note = note, given = given }
  end
  return last_tail
end

--- A line of the log.
---@param ns integer the time to write, nanoseconds from 0 up
---@param entry moonpulse.SimulatorEvent
---@return string
function M.line(ns, entry)
  return ("%d.%09d%s"):format(ns // 1000000000, ns % 1000000000, M.tail(entry))
end

return M
