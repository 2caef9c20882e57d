--- A comparison, told: for people, and as data.
local escapes = require "moonpulse.text.escapes"
local json = require "moonpulse.text.sorted_json"
local numbers = require "moonpulse.text.numbers"

local M = {}

local function tell_side(letter, value, say)
  local lines = 0
  for line in ((value or "does not say") .. "\n"):gmatch("([^\n]*)\n") do
    say(("      %s  %s"):format(lines == 0 and letter or " ", line))
    lines = lines + 1
  end
end

local function tell_one(each, say)
  say(("  %s%s"):format(each.what, each.where and ": " .. each.where or ""))
  if each.a or each.b then
    tell_side("A", each.a, say)
    tell_side("B", each.b, say)
  end
end

--- What differs, and counts: of the pulses themselves, or of what surrounds them.
---@param comparison moonpulse.Comparison
---@param of_pulses boolean
---@param write fun(line: string)
function M.differences(comparison, of_pulses, write)
  for _, each in ipairs(comparison.differences) do
    if (each.of_pulses or false) == of_pulses then
      tell_one(each, function(text) write(escapes.shown(text, true)) end)
    end
  end
end

--- The names of what differs, and counts, each once: "pulses, interval".
---@param comparison moonpulse.Comparison
---@param of_pulses boolean? of the pulses themselves, or of what surrounds them; nil: of both
---@return string
function M.list(comparison, of_pulses)
  local seen, list = {}, {}
  for _, each in ipairs(comparison.differences) do
    if not seen[each.what] and (of_pulses == nil or (each.of_pulses or false) == of_pulses) then
      seen[each.what], list[#list + 1] = true, each.what
    end
  end
  return table.concat(list, ", ")
end

--- What was compared, for the verdict: both are runs, plans, or one is either.
local function verdict(a, b, comparison)
  local given = a.kind == "run" and b.kind == "run"
  if comparison.same then
    return ("SAME: %s %s, each at its time%s, on its channel, as strong%s"):format(
      numbers.counted(comparison.pulses, "pulse"), given and "given" or "planned",
      (a.live or b.live) and " in its plan" or "", given and "; and they ended alike" or "")
  end
  return "DIFFERENT: " .. M.list(comparison)
end

--- Tell it, the verdict last.
---@param a moonpulse.Compared
---@param b moonpulse.Compared
---@param comparison moonpulse.Comparison
---@param write fun(line: string)
function M.tell(a, b, comparison, write)
  local function say(text)
    write(escapes.shown(text, true)) -- names and texts of somebody else may be in it
  end
  for i, side in ipairs { a, b } do
    say(("%s  %s (%s)"):format(i == 1 and "A" or "B", side.name, side.kind))
    for _, note in ipairs(side.notes) do
      say("      note: " .. note)
    end
  end
  for _, each in ipairs(comparison.differences) do
    tell_one(each, say)
  end
  if comparison.notes[1] then
    say("differs, but is not of what was " .. (a.kind == "run" and "given" or "planned") .. ":")
    for _, each in ipairs(comparison.notes) do
      tell_one(each, say)
    end
  end
  say(verdict(a, b, comparison))
end

local function list_of(found)
  local list = {}
  for i, each in ipairs(found) do
    list[i] = { what = each.what, where = each.where, a = each.a, b = each.b }
  end
  return json.list(list)
end

--- The same as data, as docs/rerun.md describes it.
---@param a moonpulse.Compared
---@param b moonpulse.Compared
---@param comparison moonpulse.Comparison
---@return table
function M.data(a, b, comparison)
  return { same = comparison.same, a = { name = a.name, kind = a.kind, pulses = a.pulses.count },
    b = { name = b.name, kind = b.kind, pulses = b.pulses.count },
    differences = list_of(comparison.differences), notes = list_of(comparison.notes) }
end

return M
