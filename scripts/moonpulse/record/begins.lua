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

--- In words: "trial 8, behind 210 of the plan's 600 pulses; it goes on with 2026-11-22T101500_itbs600".
---@param manifest table? of any folder
---@return string? nil: it began at its plan's beginning
function M.words(manifest)
  local at = read.get(manifest, "begins_at")
  local number = type(at) == "table" and math.tointeger(tonumber(at.number))
  local before = number and math.tointeger(tonumber(at.pulses_before))
  local planned = before and math.tointeger(tonumber(at.pulses_planned))
  if not planned or number < 1 or before < 0 or planned < before then
    return nil
  end
  local lost = math.tointeger(tonumber(at.left_out)) or 0
  local name = M.continues(manifest)
  return ("%s %d, behind %s of the plan's %s%s%s"):format(at.what == "block" and "block" or "trial", number,
    numbers.count(before), numbers.counted(planned, "pulse"), lost > 0 and (", the last %s of which %s given")
    :format(numbers.count(lost), lost == 1 and "was not" or "were not") or "", name and "; it goes on with "
    .. escapes.shown(name) or "")
end

return M
