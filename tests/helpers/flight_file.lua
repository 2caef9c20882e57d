--- Flight records as a run leaves them, of any records: engine/flight.h and engine/flight_core.h have the
--- format (version 3).
local M = {}

local kinds = { empty = 0, sent = 1, skipped = 2, mark = 3, oneoff = 4, confirm = 5, finished = 6,
  stopped = 7, start = 8, play = 9, left = 10, alive = 11, code = 12 }
local sends = { pulse = 0, set = 1, mark = 2, ask = 3 }

local header_bytes, prime = 4096, 0x100000001B3

local function word(hash, value)
  hash = (hash ~ value) * prime
  return hash ~ hash >> 29
end

local function words(...)
  local hash = 0xCBF29CE484222325
  for _, value in ipairs { ... } do
    hash = word(hash, value)
  end
  return hash
end

local function checksum(fields, place)
  local hash = 0xCBF29CE484222325 ~ place
  for _, value in ipairs(fields) do
    hash = word(hash, value)
  end
  local folded = (hash ~ hash >> 32) & 0xFFFFFFFF
  return folded == 0 and 1 or folded
end

--- A record's 64 bytes. Action and frame count from 1, as core.FlightReader gives them.
local function bytes_of(record, place)
  if record.zeroed then
    return ("\0"):rep(64)
  end
  local number = (record.play or 0) << 40 | (record.number or 0)
  local first = kinds[record.kind] | (sends[record.send] or 0) << 8 | (record.detail or 0) << 16
  local second = (record.action or 1) - 1 | (record.frame or 1) - 1 << 32
  local times = { record.planned_ns or 0, record.due_ns or 0, record.woken_ns or 0, record.sent_ns or 0 }
  local check = checksum({ first << 32, second, number, table.unpack(times) }, place)
  return ("<I4I4I8I8i8i8i8i8i8"):pack(record.torn and check ~ 1 or check, first, second, number, times[1],
    times[2], times[3], times[4], record.returned_ns or 0)
end

--- Write a file of these records.
---@param path string
---@param records table[] as core.FlightRecord, and torn, zeroed; the first is the start
function M.write(path, records)
  local start_ns, wall_ns = records[1].due_ns, records[1].planned_ns
  local magic = "moonpulse flight"
  local fixed = ("<c16I4I4I8"):pack(magic, 3, 64, #records)
  local check = words(("<i8i8i8i8"):unpack(fixed)) | 1
  local parts = { fixed .. ("<i8i8i8i8i8"):pack(start_ns, wall_ns, #records, words(start_ns, wall_ns) | 1,
    check) }
  parts[1] = parts[1] .. ("\0"):rep(header_bytes - #parts[1])
  for place, record in ipairs(records) do
    parts[place + 1] = bytes_of(record, place)
  end
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(table.concat(parts)))
end

return M
