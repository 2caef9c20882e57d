--- The event codes of a run: each is of a pulse that was sent, or of a mark, at its own time and once; and of
--- a protocol they are the codes of its plan.
local core = require "moonpulse.core"
local read = require "moonpulse.record.read"

local M = {}

local most_table = 2000000000
local rounding_us = 0.002

--- The pulses by their number, and how often there is a mark at an instant.
local function known_of(events)
  local pulses, marks = {}, {}
  for _, row in ipairs(events.pulses) do
    if row.pulse then
      pulses[row.pulse] = row
    end
  end
  for _, row in ipairs(events.marks) do
    marks[row.planned or false] = (marks[row.planned or false] or 0) + 1
  end
  return pulses, marks
end

--- What is wrong with the row of a code; nil: nothing.
local function problem_of(row, pulses, marks, seen)
  if row.pulse and seen[row.pulse] then
    return ("pulse %d has an event code already"):format(row.pulse)
  elseif row.pulse then
    seen[row.pulse] = row.reply or ""
    local pulse = pulses[row.pulse]
    if not pulse or not pulse.was_sent then
      return ("event code %s is of pulse %d, which was not sent"):format(tostring(row.reply), row.pulse)
    elseif math.abs((pulse.planned or 0) - (row.planned or 0)) > rounding_us then
      return ("event code %s of pulse %d is planned at another time than the pulse"):format(
        tostring(row.reply), row.pulse)
    end
    return nil
  end
  local left = marks[row.planned or false] or 0
  marks[row.planned or false] = left - 1
  return left < 1 and ("event code %s is of no pulse, and there is no mark at its time"):format(
    tostring(row.reply)) or nil
end

--- The codes against those of the plan, which was made again.
local function against_plan(made, pulses, seen, findings)
  for _, row in ipairs(made.codes) do
    local pulse = row.pulse and pulses[row.pulse]
    if pulse and pulse.was_sent and pulse.status ~= "perhaps_sent" and seen[row.pulse] ~= row.reply then
      findings:differ("events.tsv", nil, "pulse %d has %s, and the plan gives it event code %s", row.pulse,
        seen[row.pulse] and "event code " .. seen[row.pulse] or "no event code", tostring(row.reply))
    end
  end
end

--- Check them.
---@param folder string
---@param manifest table
---@param made moonpulse.MadeAgain? of a protocol's run
---@param events string the text of events.tsv
---@param findings moonpulse.VerifyFindings
function M.check(folder, manifest, made, events, findings)
  local table_of = type(manifest.codes) == "table" and read.parse(events, folder .. "/events.tsv")
  if not table_of then
    return
  end
  local before, seen = #findings.differs, {}
  local pulses, marks = known_of(table_of)
  for _, row in ipairs(table_of.codes) do
    local problem = problem_of(row, pulses, marks, seen)
    if problem then
      findings:differ("events.tsv", nil, "%s", problem)
    end
  end
  local text = made and not made.why and not made.play_why
    and core.read_file(made.path .. "/again/events.tsv", most_table)
  local again = text and read.parse(text, "events.tsv")
  if again then
    against_plan(again, pulses, seen, findings)
  end
  if #findings.differs == before then
    findings:check("each event code is of a pulse that was sent, or of a mark%s", again
      and ", and is the plan's" or "")
  end
end

return M
