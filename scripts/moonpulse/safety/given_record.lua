--- How many pulses the record of a run says were given, or perhaps were: read only, however it ended.
local counted = require "moonpulse.record.counted"
local journals = require "moonpulse.record.journal"
local read = require "moonpulse.record.read"
local recover = require "moonpulse.record.recover"

local M = {}

-- a record may be damaged so that reading it would never end: some seconds of Lua, and some memory
local STEP, MOST_STEPS, MOST_KB = 100000, 5000, 500000

local function bounded(call, ...)
  local steps, before = 0, collectgarbage("count")
  debug.sethook(function()
    steps = steps + 1
    if steps > MOST_STEPS or collectgarbage("count") - before > MOST_KB then
      error("it does not come to an end", 0)
    end
  end, "", STEP)
  local results = table.pack(pcall(call, ...))
  debug.sethook()
  return table.unpack(results, 1, results.n)
end

--- Was its pulse given, as far as anybody knows?
local function was_given(row)
  return counted.is_given(row.status, row.sent ~= nil or row.confirmed ~= nil)
end

--- Given pulses of a table of events: { pulses: those that were sent, unasked: that the device gave by
--- itself, nerve: how many of the former a nerve got, last: the time of the last one }
local function count(events, nerve)
  local sum = { pulses = 0, unasked = 0, nerve = 0, last = 0 }
  for _, row in ipairs(events and events.pulses or {}) do
    if was_given(row) then
      sum.pulses, sum.last = sum.pulses + 1, math.max(sum.last, row.time or 0)
      sum.nerve = sum.nerve + (nerve[row.channel or "1"] and 1 or 0)
    end
  end
  for _, row in ipairs(events and events.unasked or {}) do
    sum.unasked, sum.last = sum.unasked + 1, math.max(sum.last, row.time or 0)
  end
  return sum
end

--- The channels that the run took for a nerve's.
local function nerves_of(manifest)
  local names = {}
  local list = read.get(manifest, "protocol.nerve")
  for _, name in ipairs(type(list) == "table" and list or {}) do
    if type(name) == "string" then
      names[name] = true
    end
  end
  return names
end

local function number(manifest, key)
  local value = read.get(manifest, key)
  return type(value) == "number" and value >= 0 and value < math.huge and value or nil
end

local function whole(manifest, key)
  local value = number(manifest, key)
  return value and value // 1
end

--- What a run planned, where nothing says what it gave.
local function planned(path, manifest)
  local sum = 0
  if read.get(manifest, "kind") == "experiment" then
    for _, entry in ipairs(journals.read(path) or {}) do
      sum = sum + (entry.kind == "play" and type(entry.pulses) == "number" and entry.pulses // 1 or 0)
    end
  end
  return math.max(sum, whole(manifest, "protocol.pulses") or 0)
end

--- The most of two counts, of each thing.
local function most_of(a, b)
  return { pulses = math.max(a.pulses, b.pulses), unasked = math.max(a.unasked, b.unasked),
    nerve = math.min(a.nerve, b.nerve), last = math.max(a.last, b.last) }
end

--- A run whose manifest says that it goes on: its flight record tells, as recover would read it.
local function of_torn(path, nerve)
  local ok, text, problem, unknown = bounded(recover.rows, path)
  local in_rows = count(read.events(path .. "/events.tsv"), nerve)
  local events = ok and text and read.parse(text, path)
  if events then
    local sum = count(events, nerve)
    sum.pulses = sum.pulses + (unknown or 0) -- what no row tells of
    return most_of(sum, in_rows), sum.pulses >= in_rows.pulses and "its flight record" or "its events.tsv"
  end
  return in_rows, "its events.tsv", tostring(ok and problem or text)
end

--- What counts of a run.
local function made(sum, fields)
  fields.nerve_pulses = sum.nerve
  fields.pulses = sum.pulses + sum.unasked - sum.nerve
  return fields
end

--- The same of a record that was edited: the most that anything in its folder says, all of it to the brain.
---@param path string of the run's folder
---@param manifest table of it
---@param in_journal integer the most that its journal tells of
---@return { pulses: integer, nerve_pulses: integer, lasted_s: number }
function M.most(path, manifest, in_journal)
  local run = M.of(path, manifest, true)
  local _, text, _, unknown = bounded(recover.rows, path)
  local flight = count(type(text) == "string" and read.parse(text, path) or nil, {})
  local in_flight = flight.pulses + flight.unasked + (math.tointeger(unknown) or 0)
  return { pulses = math.max(run.pulses + run.nerve_pulses, in_flight, in_journal, planned(path, manifest)),
    nerve_pulses = 0, lasted_s = math.max(run.lasted_s, flight.last) }
end

--- What an earlier run gave, by its record; if that is torn, the most that it can have been.
---@param path string of the run's folder
---@param manifest table of it
---@param rows boolean? read its rows as well as its result
---@return { pulses: integer, nerve_pulses: integer, lasted_s: number, torn: boolean?, from: string?,
---   problem: string? } pulses: to the brain, with those that the device gave unasked
function M.of(path, manifest, rows)
  local result_s, nerve = number(manifest, "result.elapsed_s") or 0, nerves_of(manifest)
  if read.get(manifest, "status") == "running" then
    local sum, from, why = of_torn(path, nerve)
    local most = why and planned(path, manifest) or 0
    if most > sum.pulses then
      sum.pulses, sum.nerve, from = most, 0, "what it planned"
    end
    return made(sum, { torn = true, from = from, lasted_s = sum.last,
      problem = why and ("its flight record cannot be read (%s)"):format(why) or nil })
  end
  local sent = whole(manifest, "result.pulses_sent")
  local sum = count(nil, nerve)
  if rows or sent == 0 then -- where none was sent, the device may have given some all the same
    local ok, events = bounded(read.events, path .. "/events.tsv")
    sum = count(ok and events or nil, nerve)
  end
  if not sent and sum.pulses + sum.unasked == 0 then
    sum.pulses = planned(path, manifest)
    return made(sum, { lasted_s = result_s, problem = "it has no result: all that it planned counts" })
  end
  -- of a recovered run: what no row tells of
  sum.pulses = math.max(sent or 0, sum.pulses) + (whole(manifest, "result.pulses_unknown") or 0)
  return made(sum, { lasted_s = math.max(result_s, sum.last) })
end

return M
