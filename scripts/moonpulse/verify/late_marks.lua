--- Rows of marks that were told later than their onset: a script looks at a trigger when it likes, and its
--- mark has the time at which that came. Of a run that was stopped or killed, those that were told behind its
--- end are no part of what is compared, however long ago their onset is: those of triggers, and what the
--- script marked once it was stopped. Any other mark is told at its time.
local cell_text = require "moonpulse.text.cell_text"
local cells_of = require("moonpulse.text.cells").of
local ended_lines = require "moonpulse.text.ended_lines"

local M = {}

local place_of_planned, place_of_text = 7, 16 -- columns of events.tsv
local slack_ns = 1000000000 -- of virtual time, which may run on until the loop hears of the stop
local index_cell = "^([^\t]*\t[^\t]*\t[^\t]*\t)[^\t]*"

---@class moonpulse.LateMarks how many rows of a mark are left out, by what they say and when
---@field ours table<string, integer> of the run
---@field theirs table<string, integer> of the run that was made again

local function key_of(text, planned)
  return planned .. " " .. text
end

-- beside those of triggers: they name an instant that was estimated or when a signal began
local named_instants = { "^phase: %-?[%d.]+ degrees of [%d.]+ Hz$", "^signal %d+: " }

local function whole(value)
  return math.tointeger(tonumber(value))
end

--- When triggers came that a journal tells of behind a line.
local function triggers_behind(entries, line)
  local origin_ns, came = whole(entries[1] and entries[1].clock_ns) or 0, {}
  for number = line + 1, #entries do
    local entry = entries[number]
    local at_ns = entry and (entry.kind == "trigger" and whole(entry.at_ns)
      or entry.kind == "play" and entry.triggered == true and (whole(entry.from_ns) or 0) - origin_ns)
    if at_ns then
      came[at_ns] = true
    end
  end
  return came
end

--- May a mark be told later than its time?
local function is_told_late(entry, at_ns, came)
  local text = tostring(entry.text)
  for _, pattern in ipairs(named_instants) do
    if text:find(pattern) then
      return true
    end
  end
  return came[at_ns] == true and text:find("trigger: ", 1, true) == 1
end

--- The marks of a journal behind a line, as rows have them.
---@param since_ns integer from then on all; of those before only what may be told late
local function marks_behind(entries, line, since_ns)
  local counts, came = {}, triggers_behind(entries, line)
  for number = line + 1, #entries do
    local entry = entries[number]
    local at_ns = entry and entry.kind == "mark" and whole(entry.at_ns)
    if at_ns and (at_ns >= since_ns or is_told_late(entry, at_ns, came)) then
      local size_ns = math.abs(at_ns)
      local us = ("%s%d.%03d"):format(at_ns < 0 and "-" or "", size_ns // 1000, size_ns % 1000)
      local key = key_of(cell_text.written(tostring(entry.text)), us)
      counts[key] = (counts[key] or 0) + 1
    end
  end
  return counts
end

--- What is left out of both tables.
---@param entries (table|false)[] the journal of the run
---@param stop integer? the line of its stop; nil: it has none
---@param made (table|false)[] the journal of the run that was made again
---@param last integer the line of its last decision that the run has as well
---@return moonpulse.LateMarks
function M.of(entries, stop, made, last)
  local stop_ns = stop and whole(entries[stop].at_ns) or math.maxinteger
  local ours = stop and marks_behind(entries, stop, stop_ns) or {}
  local theirs, had = marks_behind(made, last, stop_ns - slack_ns), marks_behind(entries, 0, math.mininteger)
  for key, count in pairs(theirs) do
    theirs[key] = math.max(0, count - math.max(0, (had[key] or 0) - (ours[key] or 0)))
  end
  return { ours = ours, theirs = theirs }
end

--- A table without them, and without the index, which counts them.
---@param text string of events.tsv
---@param counts table<string, integer> of M.of
---@return string text
---@return table<integer, integer> numbers of its lines in the table
function M.without(text, counts)
  local left, kept, numbers, number = {}, {}, {}, 0
  for key, count in pairs(counts) do
    left[key] = count
  end
  for line in ended_lines.of(text) do
    number = number + 1
    local cells = line:find("\tmark\t", 1, true) and cells_of(line) or {}
    local key = key_of(cells[place_of_text] or "", cells[place_of_planned] or "")
    if (left[key] or 0) > 0 then
      left[key] = left[key] - 1
    else
      kept[#kept + 1] = line:gsub(index_cell, "%1")
      numbers[#kept] = number
    end
  end
  kept[#kept + 1] = ""
  return table.concat(kept, "\n"), numbers
end

return M
