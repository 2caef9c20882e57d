--- What became of a run's triggers, in a sentence.
local numbers = require "moonpulse.text.numbers"

local M = {}

--- Of stim:on_trigger, in the order in which they are told; what else there is was passed over.
local used = { { "starts", "started the plan" }, { "counted", "counted towards each n-th" } }
local passed_over = { { "refractory", "within the refractory time" },
  { "busy", "while the plan was going on" },
  { "over", "after it was started as often as it may be" },
  { "window", "outside the window from the trigger before" }, { "gate", "while the gate was low" },
  { "outside", "outside the time for triggers" } }

local function bytes_text(count)
  return count == 1 and "1 trigger byte" or numbers.count(count) .. " trigger bytes"
end

--- Add "3 within the refractory time" where there is any; how many.
local function add(parts, count, text)
  if count and count > 0 then
    parts[#parts + 1] = ("%s %s"):format(numbers.count(count), text)
  end
  return count or 0
end

--- "7 trigger bytes came on PATH, 3 started the plan, 4 passed over: 4 within the refractory time".
---@param counts table of wait_trigger's counts()
---@param path string
---@param by table<string, integer>? of all calls of stim:on_trigger: by what became of them
---@return string
function M.sentence(counts, path, by)
  local parts, reasons, heard, passed = {}, {}, 0, counts.passed_over
  for _, each in ipairs(used) do
    heard = heard + add(parts, by and by[each[1]], each[2])
  end
  for _, each in ipairs(passed_over) do
    local count = add(reasons, by and by[each[1]], each[2])
    heard, passed = heard + count, passed + count
  end
  local taken = counts.taken - heard
  if counts.came == 0 then
    parts = {} -- and nothing is to be said of them
  elseif not by and passed == 0 then
    parts[1] = "all taken by the script"
  elseif not by or taken > 0 then
    parts[#parts + 1] = numbers.count(taken) .. " taken by the script"
  end
  add(reasons, counts.before, "before the script first waited")
  add(reasons, counts.dropped, "that were not waited for in time")
  add(reasons, counts.passed_over - counts.before - counts.dropped, "of another value or not waited for")
  if #reasons > 0 then
    parts[#parts + 1] = ("%s passed over: %s"):format(numbers.count(passed), table.concat(reasons, ", "))
  end
  return ("%s came on %s%s"):format(bytes_text(counts.came), path,
    #parts > 0 and ", " .. table.concat(parts, ", ") or "")
end

--- All that there is to say of a run's triggers: bytes, edges that the script waited for, the stream of LSL.
---@param triggers { path: string?, entries: table?, edges: integer?, stream: moonpulse.StreamIn?,
---   on_trigger: table? }
---@param counts table of wait_trigger's counts()
---@return string
function M.all(triggers, counts)
  local edges = triggers.edges and ("%s of a line taken by the script"):format(
    triggers.edges == 1 and "1 edge" or numbers.count(triggers.edges) .. " edges")
  local stream = triggers.stream and triggers.stream:summary()
  if edges and counts.came == 0 and triggers.entries then -- of a file; else they are of the device's own port
    return ("%s, from %s"):format(edges, triggers.path)
  end
  return M.sentence(counts, triggers.path, triggers.on_trigger and triggers.on_trigger.by)
    .. (edges and "; " .. edges or "") .. (stream and "; " .. stream or "")
end

return M
