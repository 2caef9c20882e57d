--- What must hold of every run, whatever goes wrong: a sentence each, and a function that says what is wrong.
---
--- Each judges by the simulator's own state and log, or by what is computed here; never by what the code
--- under test says of itself alone. `when` says of which runs it can be asked at all.
--- tests/explore/plants.lua has a planted fault for each.
local M = {}

---@class moonpulse.explore.Invariant
---@field name string in small letters, with hyphens
---@field says string what must hold
---@field theme string the file it stands in
---@field each boolean? of several devices it is asked of each one's part
---@field when fun(run: table): any
---@field check fun(run: table): string? what is wrong

local themes = {
  lists = require "moonpulse.explore.invariants.lists",
  sending = require "moonpulse.explore.invariants.sending",
  codes = require "moonpulse.explore.invariants.codes",
  triggers = require "moonpulse.explore.invariants.triggers",
  outside = require "moonpulse.explore.invariants.outside",
  stopping = require "moonpulse.explore.invariants.stopping",
  several = require "moonpulse.explore.invariants.several",
  device = require "moonpulse.explore.invariants.device",
  record = require "moonpulse.explore.invariants.record",
  recovery = require "moonpulse.explore.invariants.recovery",
  ending = require "moonpulse.explore.invariants.ending",
  history = require "moonpulse.explore.invariants.history",
  process = require "moonpulse.explore.invariants.process",
}

--- All of them, in the order in which they are listed.
---@type moonpulse.explore.Invariant[]
M.all = {}
for _, theme in ipairs { "lists", "sending", "codes", "triggers", "outside", "stopping", "several",
  "device", "record", "recovery", "ending", "history", "process" } do
  for _, each in ipairs(themes[theme]) do
    each.theme = theme
    M.all[#M.all + 1] = each
  end
end

--- Ask one of a run, or of one of its devices.
---@return string? why it is broken
local function ask(each, run, asked)
  local ok, why = pcall(function()
    if not each.when(run) then
      return nil
    elseif asked then
      asked[each.name] = (asked[each.name] or 0) + 1
    end
    return each.check(run)
  end)
  return not ok and "it cannot be judged: " .. tostring(why) or why
end

--- Ask one of each device of several: the first of them that breaks it.
local function ask_each(each, run, asked)
  for _, part in ipairs(run.parts) do
    local why = ask(each, part, asked)
    if why then
      return ("%s: %s"):format(part.place, why)
    end
  end
end

--- Ask all of them.
---@param run table of moonpulse.explore.evidence
---@param asked table<string, integer>? counts of those that could be asked; added to
---@return { name: string, why: string }[] broken
function M.check(run, asked)
  local broken = {}
  for _, each in ipairs(M.all) do
    local why = (run.parts and each.each and ask_each or ask)(each, run, asked)
    if why then
      broken[#broken + 1] = { name = each.name, why = why }
    end
  end
  return broken
end

return M
