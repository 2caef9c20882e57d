--- Did a run that broke off give something, so that another one goes on behind it? Pulses, catch trials,
--- which are marks without a pulse, and of an experiment whatever its script was told or said: what was
--- answered, or went to the box of codes, comes once.
local journal_lines = require "moonpulse.record.journal_lines"
local read = require "moonpulse.record.read"

local M = {}

--- Lines of a journal that a script's own doing has, behind all that it was told before.
local is_own = {}

function is_own.answer(line) return line.of == "script" end
function is_own.mark(line) return line.script == true end
function is_own.trigger(line) return line.heard == nil and line.starts == nil end

--- The marks of plans that were passed: of rows that are no line of the journal, of which the script and the
--- run itself have one for each.
---@param lines table[] of the journal
---@param marks table[] rows of moonpulse.record.read
---@param since_ns integer? from its start; nil: all
---@return integer
function M.plan_marks(lines, marks, since_ns)
  local own, count = {}, 0
  for _, line in ipairs(lines) do
    local ns = line.kind == "mark" and math.tointeger(tonumber(line.at_ns))
    if ns then
      own[ns] = (own[ns] or 0) + 1
    end
  end
  for _, row in ipairs(marks) do
    local ns = row.planned and math.floor(row.planned * 1000 + 0.5)
    if ns and (own[ns] or 0) > 0 then
      own[ns] = own[ns] - 1
    elseif ns and ns >= (since_ns or ns) then
      count = count + 1
    end
  end
  return count
end

--- Did it give nothing?
---@param folder string
---@param manifest table of it
---@return boolean
function M.nothing(folder, manifest)
  if manifest.status == "running" or (tonumber(read.get(manifest, "result.pulses_sent")) or 0) > 0
    or read.get(manifest, "result.pulses_unknown") or read.get(manifest, "result.flight_lost") then
    return false
  end
  local lines = journal_lines.entries(folder) or {}
  for _, line in ipairs(lines) do
    if line.kind == "end" then
      break
    elseif is_own[line.kind] and is_own[line.kind](line) then
      return false
    end
  end
  local events = read.events(folder .. "/events.tsv")
  return not events or M.plan_marks(lines, events.marks) == 0
end

return M
