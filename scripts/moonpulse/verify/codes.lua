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

--- The instant of a mark, in microseconds as events.tsv has it.
local function instant(us)
  return ("%.3f"):format(us)
end

--- The codes that the journal of an experiment has of its script's marks, by their instant.
local function of_journal(lines)
  local codes = {}
  for _, line in ipairs(lines) do
    local entry = line.entry
    local at_ns = entry and entry.kind == "mark" and entry.code and tonumber(entry.at_ns)
    if at_ns then
      local at = codes[instant(at_ns / 1000)] or {}
      codes[instant(at_ns / 1000)], at[#at + 1] = at, math.tointeger(entry.code)
    end
  end
  return codes
end

--- Codes that are others than those of the script's marks at their time. Where a plan has marks at the same
--- instant as well, nobody knows which are whose.
local function check_script(rows, of_script, findings)
  local at = {}
  for _, row in ipairs(rows) do
    local key = not row.pulse and row.planned and instant(row.planned)
    if key and of_script[key] then
      at[key] = at[key] or {}
      table.insert(at[key], row.reply or "")
    end
  end
  for key, replies in pairs(at) do
    local codes = of_script[key]
    for i, code in ipairs(codes) do
      codes[i] = tostring(code)
    end
    table.sort(codes)
    table.sort(replies)
    if #codes == #replies and table.concat(codes, " ") ~= table.concat(replies, " ") then
      findings:differ("events.tsv", nil, "the script's marks at %.6f s have the event codes %s, and in "
        .. "journal.jsonl %s", tonumber(key) / 1e6, table.concat(replies, ", "), table.concat(codes, ", "))
    end
  end
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
---@param told { events: string, lines: moonpulse.ChainLine[] } the text of events.tsv, and the journal
---@param findings moonpulse.VerifyFindings
function M.check(folder, manifest, made, told, findings)
  local table_of = type(manifest.codes) == "table" and read.parse(told.events, folder .. "/events.tsv")
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
  check_script(table_of.codes, of_journal(told.lines), findings)
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
