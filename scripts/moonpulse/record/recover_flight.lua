--- The flight record of a torn run: what is whole in it, and in words what is not.
local core = require "moonpulse.core"
local lfs = require "lfs"

local M = {}

local told_each = 256 -- records: how far it is
local proof = 2 -- "going": of a train of this plan, or of one before

---@class moonpulse.Flight
---@field list table[] all whole records, in the order in which they were stored; where stretches are asked
---   for, one entry for each of those (core.FlightReader:stretch), with sent_ns as of its last pulse
---@field reader moonpulse.core.FlightReader
---@field start_ns integer monotonic instant of the run's start
---@field losses table of the reader

local function counted(count, what)
  return ("%d %s%s"):format(count, what, count == 1 and "" or "s")
end

--- Numbers as ranges: "3, 5 to 9".
local function ranges(numbers)
  local parts, i = {}, 1
  while i <= #numbers and #parts < 20 do
    local k = i
    while numbers[k + 1] == numbers[k] + 1 do
      k = k + 1
    end
    parts[#parts + 1] = k == i and tostring(numbers[i]) or ("%d to %d"):format(numbers[i], numbers[k])
    i = k + 1
  end
  return table.concat(parts, ", ") .. (i <= #numbers and ", ..." or "")
end

--- What of the file is not as it was written, a sentence each.
---@param losses table of the reader
---@return string[]
function M.damage(losses)
  local said = {}
  local lost = losses.torn + losses.empty + losses.missing
  if losses.version == 1 then
    said[1] = "flight.bin is of an older version: its header has no checksum, and records that are "
      .. "missing at its end cannot be counted"
  end
  if losses.header then
    said[#said + 1] = "the header of flight.bin is damaged; the run's start was taken from its record"
  end
  if lost > 0 then
    local kinds = {}
    for _, kind in ipairs { { "torn", "torn" }, { "empty", "empty" }, { "missing", "missing at the end" } } do
      kinds[#kinds + 1] = losses[kind[1]] > 0 and ("%d %s"):format(losses[kind[1]], kind[2]) or nil
    end
    said[#said + 1] = ("%s of %d could not be read (%s; places %d to %d of flight.bin): what they told is "
      .. "not in events.tsv"):format(counted(lost, "record"), losses.stored, table.concat(kinds, ", "),
      losses.first, losses.last)
  end
  return said
end

local function has_train(actions)
  for _, action in ipairs(actions or {}) do
    if action.train then
      return true
    end
  end
  return false
end

--- The numbers of the pulses of a plan that have a record (of a stretch its first one has the last one's),
--- and the last that must have had one.
local function numbers_of(list, entry, trains)
  local seen, last, finished = {}, 0, false
  for _, record in ipairs(list) do
    if record.kind == "stretch" then
      local upto = record.number + record.pulses - 1
      seen[record.number] = math.max(math.tointeger(seen[record.number]) or 0, upto)
      last = math.max(last, upto)
    elseif (record.kind == "sent" or record.kind == "skipped") and record.send == "pulse"
      or record.kind == "confirm" and record.detail ~= proof then
      seen[record.number] = seen[record.number] or record.kind ~= "confirm"
      last = math.max(last, record.number)
    end
    finished = finished or record.kind == "finished"
  end
  local lost_after = list[1] and list[#list].lost_after or 0
  if finished and not trains then
    last = math.max(last, entry.pulses)
  elseif lost_after > 0 and not trains then
    last = math.max(last, math.min(entry.pulses, last + lost_after))
  end
  return seen, math.min(last, core.flight_most), trains and lost_after > 0
end

--- Pulses of a plan that no record tells of, though records are lost, later ones are there or the plan came
--- to its end.
---@param list table[] the plan's flight records
---@param entry table what the journal or the manifest says of the plan
---@param name string of the plan
---@param losses table of the reader
---@return string?
---@return integer? count of the pulses of which nobody knows
function M.gaps(list, entry, name, losses)
  if entry.shared then -- with other devices: only the plan would say which numbers are theirs
    local lost = losses.torn + losses.empty + losses.missing
    return lost > 0 and ("%s: %s lost: nobody knows which pulses they told of"):format(name,
      counted(lost, "record")) or nil, lost > 0 and lost or nil
  end
  if #list == 0 and entry.pulses > 0 and losses.torn + losses.empty + losses.missing > 0 then
    return ("%s: no record of any of its %d pulses: nobody knows whether they were sent"):format(name,
      entry.pulses), entry.pulses
  end
  local trains, lost = has_train(entry.actions), {}
  local seen, last, open = numbers_of(list, entry, trains)
  local upto = 0 -- all up to there are in a stretch
  for number = 1, last do
    upto = math.max(upto, math.tointeger(seen[number]) or 0)
    if not seen[number] and number > upto then
      lost[#lost + 1] = number
    end
  end
  if #lost == 0 then
    return open and ("%s: records behind start %d are lost: nobody knows whether more was sent"):format(name,
      last) or nil
  end
  return ("%s: no record of %s %s: nobody knows whether %s"):format(name, trains and (#lost == 1
    and "start" or "starts") or #lost == 1 and "pulse" or "pulses", ranges(lost),
    #lost == 1 and "it was sent" or "they were sent")
    .. (trains and "; the numbers of the pulses behind them may be too small" or ""), #lost
end

local window_ns = 1000000000 -- far longer than what a port holds takes on its wire

--- A run that died while it was armed: its guard threw away what the ports still held. That is what was sent
--- last; on a port that does not say what it holds (a pseudo-terminal), perhaps all since it was armed.
---@param list table[] all records
---@return integer? cut_ns of what the device should have had from then on nobody knows whether it has it
---   (monotonic); nil: the stop was told
function M.cut_by_guard(list)
  local armed, last_ns
  for _, record in ipairs(list) do
    if record.kind == "alive" then
      armed, last_ns = record, nil
    elseif record.kind == "stopped" then
      armed = nil
    elseif record.kind == "sent" or record.kind == "stretch" then
      last_ns = record.sent_ns
    end
  end
  if armed and last_ns then
    return armed.detail == 1 and armed.sent_ns or last_ns - window_ns
  end
end

local missing = 2 -- ENOENT

--- Is there no flight record any more, or nothing in it that tells of the run? One that only cannot be read
--- now (its owner, its disk, an older Moonpulse) may be read later.
local function is_lost(path, code)
  local _, _, why = lfs.symlinkattributes(path, "mode")
  return code == "invalid" or why == missing
end

--- The flight record of a run with all its records in memory, and what is not as it was written.
---@param path string
---@param progress (fun(what: string, done: integer, total: integer, of: string))?
---@param stretches boolean? what of them is told as one takes no room in memory
---@return moonpulse.Flight?
---@return string? message
---@return "lost"|"unread"|nil lost there is none, or it is cut; unread: it cannot be read now; nil: its run
---   still goes on, or memory is short
function M.read(path, progress, stretches)
  local reader, start_ns, code = core.flight_read(path)
  if not reader then
    local passes = code == "busy" or code == "memory"
    return nil, start_ns, not passes and (is_lost(path, code) and "lost" or "unread") or nil
  end
  local list, count, total = {}, 0, progress and reader:losses().stored
  local record = stretches and reader:stretch() or reader:next()
  while record do
    count = count + 1
    list[count] = record
    if progress and (count % told_each == 0 or record.first) then
      progress("reading flight.bin", record.place, total, "records")
    end
    record = stretches and reader:stretch() or reader:next()
  end
  local losses = reader:losses()
  for i, each in ipairs(list) do -- places follow one another: what lies between is lost
    local after = list[i + 1]
    each.lost_after = (after and (after.first or after.place) or losses.stored + 1) - each.place - 1
  end
  return { list = list, reader = reader, start_ns = start_ns, losses = losses, said = M.damage(losses) }
end

return M
