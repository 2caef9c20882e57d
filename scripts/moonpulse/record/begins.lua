--- Of a run that began amid its plan (--from-trial, resume): where, and what it goes on with.
local escapes = require "moonpulse.text.escapes"
local numbers = require "moonpulse.text.numbers"
local read = require "moonpulse.record.read"

local M = {}

--- The run that it goes on with, by the name of its folder; nil: with none.
---@param manifest table? of any folder
---@return string?
function M.continues(manifest)
  local name = read.get(manifest, "begins_at.continues")
  return type(name) == "string" and name or nil
end

--- As data, of any folder's manifest: what is no number of the kind is not there.
---@param manifest table? of any folder
---@return moonpulse.Begins? nil: it began at its plan's beginning, or it does not say where
function M.data(manifest)
  local at = read.get(manifest, "begins_at")
  local function whole(key)
    return type(at) == "table" and math.tointeger(tonumber(at[key])) or nil
  end
  local number, before, planned = whole "number", whole "pulses_before", whole "pulses_planned"
  local lost, marks, given = whole "left_out", whole "marks_left_out", whole "marks_given"
  local of = at and at.what == "plan" and "plan" or at and at.what == "block" and "block" or "trial"
  if not (number and before and (planned or of == "plan")) or number < 1 or before < 0
    or planned and planned < before then
    return nil
  end
  return { what = of, number = number, pulses_before = before,
    pulses_planned = planned, left_out = lost and lost > 0 and lost <= before and lost or nil,
    marks_left_out = marks and marks > 0 and marks or nil,
    marks_given = given and given > 0 and given or nil, continues = M.continues(manifest) }
end

local most_named = 12

--- Marks that are left out, in words: "2 marks (codes 9, 9) before trial 4"; those without a code by their
--- text.
---@param marks moonpulse.LeftMark[] at least one
---@param what "trial"|"block"
---@param number integer
---@return string
function M.marks_words(marks, what, number)
  local names, coded = {}, true
  for _, mark in ipairs(marks) do
    coded = coded and mark.code > 0
  end
  for i = 1, math.min(#marks, most_named) do
    local mark = marks[i]
    names[i] = coded and tostring(mark.code)
      or mark.code > 0 and ("%s, code %d"):format(mark.text, mark.code) or mark.text
  end
  return ("%s (%s%s%s) before %s %d"):format(numbers.counted(#marks, "mark"),
    coded and (#marks == 1 and "code " or "codes ") or "", table.concat(names, coded and ", " or "; "),
    #marks > most_named and ", ..." or "", what, number)
end

--- In words: "trial 8, behind 210 of the plan's 600 pulses; it continues 2026-11-22T101500_itbs600".
---@param manifest table? of any folder
---@return string? nil: it began at its plan's beginning
function M.words(manifest)
  local at = M.data(manifest)
  if not at then
    return nil
  end
  local lost = at.left_out
  local marks = at.marks_left_out
  if not at.pulses_planned then -- of an experiment, whose plans are not known before
    return ("%s %d, behind %s%s"):format(at.what, at.number, numbers.counted(at.pulses_before, "pulse"),
      at.continues and "; it continues " .. escapes.shown(at.continues) or "")
  end
  return ("%s %d, behind %s of the plan's %s%s%s%s"):format(at.what, at.number,
    numbers.count(at.pulses_before), numbers.counted(at.pulses_planned, "pulse"), lost
    and (", the last %s of which %s given"):format(numbers.count(lost), lost == 1 and "was not" or "were not")
    or "", marks
    and ("; %s before it %s left out"):format(numbers.counted(marks, "mark"), marks == 1 and "is" or "are")
    or "", at.continues
    and "; it continues " .. escapes.shown(at.continues) or "")
end

return M
