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
  local number, before, planned, lost = whole "number", whole "pulses_before", whole "pulses_planned",
    whole "left_out"
  if not (number and before and planned) or number < 1 or before < 0 or planned < before then
    return nil
  end
  return { what = at.what == "block" and "block" or "trial", number = number, pulses_before = before,
    pulses_planned = planned, left_out = lost and lost > 0 and lost <= before and lost or nil,
    continues = M.continues(manifest) }
end

--- In words: "trial 8, behind 210 of the plan's 600 pulses; it goes on with 2026-11-22T101500_itbs600".
---@param manifest table? of any folder
---@return string? nil: it began at its plan's beginning
function M.words(manifest)
  local at = M.data(manifest)
  if not at then
    return nil
  end
  local lost = at.left_out
  return ("%s %d, behind %s of the plan's %s%s%s"):format(at.what, at.number, numbers.count(at.pulses_before),
    numbers.counted(at.pulses_planned, "pulse"), lost and (", the last %s of which %s given")
    :format(numbers.count(lost), lost == 1 and "was not" or "were not") or "", at.continues
    and "; it goes on with " .. escapes.shown(at.continues) or "")
end

return M
