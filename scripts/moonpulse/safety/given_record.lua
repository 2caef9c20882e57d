--- How many pulses the record of a run says were given, or perhaps were: read only, however it ended.
local journals = require "moonpulse.experiment.journal"
local read = require "moonpulse.report.record"
local recover = require "moonpulse.recover"

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

local perhaps = { delivered = true, sent = true, perhaps_sent = true, simulated = true }

--- Was its pulse given, as far as anybody knows?
local function was_given(row)
  return row.sent ~= nil or row.confirmed ~= nil or perhaps[row.status] == true
end

--- Given pulses of a table of events, and the time of the last one.
local function count(events)
  local pulses, last = 0, 0
  for _, row in ipairs(events and events.pulses or {}) do
    if was_given(row) then
      pulses, last = pulses + 1, math.max(last, row.time or 0)
    end
  end
  return pulses, last
end

local function number(manifest, key)
  local value = read.get(manifest, key)
  return type(value) == "number" and value >= 0 and value < math.huge and value // 1 or nil
end

--- What a run planned, where nothing says what it gave.
local function planned(path, manifest)
  local sum = 0
  if read.get(manifest, "kind") == "experiment" then
    for _, entry in ipairs(journals.read(path) or {}) do
      sum = sum + (entry.kind == "play" and type(entry.pulses) == "number" and entry.pulses // 1 or 0)
    end
  end
  return math.max(sum, number(manifest, "protocol.pulses") or 0)
end

--- A run whose manifest says that it goes on: its flight record tells, as recover would read it.
local function of_torn(path)
  local ok, text, problem, unknown = bounded(recover.rows, path)
  local in_rows, last_row = count(read.events(path .. "/events.tsv"))
  local events = ok and text and read.parse(text, path)
  if events then
    local pulses, last = count(events)
    return { torn = true, pulses = math.max(pulses + (unknown or 0), in_rows),
      lasted_s = math.max(last, last_row),
      from = pulses >= in_rows and "its flight record" or "its events.tsv" }
  end
  return { torn = true, pulses = in_rows, lasted_s = last_row, from = "its events.tsv",
    why = tostring(ok and problem or text) }
end

---@param path string of the run's folder
---@param manifest table of it
---@param rows boolean? read its rows as well as its result
---@return { pulses: integer, lasted_s: number, torn: boolean?, from: string?, problem: string? }
function M.of(path, manifest, rows)
  local result_s = number(manifest, "result.elapsed_s") or 0
  if read.get(manifest, "status") == "running" then
    local torn = of_torn(path)
    if torn.why then
      local most = planned(path, manifest)
      if most > torn.pulses then
        torn.pulses, torn.from = most, "what it planned"
      end
      torn.problem = ("its flight record cannot be read (%s)"):format(torn.why)
    end
    return torn
  end
  local sent = number(manifest, "result.pulses_sent")
  local in_rows, last = 0, 0
  if rows then
    local ok, events = bounded(read.events, path .. "/events.tsv")
    in_rows, last = count(ok and events or nil)
  end
  if not sent and in_rows == 0 then
    return { pulses = planned(path, manifest), lasted_s = result_s,
      problem = "it has no result: all that it planned counts" }
  end
  -- of a recovered run: what no row tells of
  local unknown = number(manifest, "result.pulses_unknown") or 0
  return { pulses = math.max(sent or 0, in_rows) + unknown, lasted_s = math.max(result_s, last) }
end

return M
