--- An experiment as a researcher writes it, drawn from a seed: plans played one after the other, with
--- disarming, stops, marks, waits and plans that are refused in between.
local chances = require "five_lists.chance"
local draw = require "five_lists.draw"

local M = {}

---@class ScriptStep
---@field what "arm"|"arm_for"|"play"|"fire"|"disarm"|"stop"|"sleep"|"mark"|"status"
---@field plan table? of five_lists.draw: what is played, or armed for
---@field ahead number? play: starts exactly so many seconds later
---@field seconds number?
---@field text string?

local function in_between(chance, steps, number)
  if chance:once_in(3) then
    steps[#steps + 1] = { what = "sleep", seconds = chance:draw(1, 40) / 10 }
  end
  if chance:once_in(4) then
    steps[#steps + 1] = { what = "mark", text = "script " .. number }
  end
  if chance:once_in(6) then
    steps[#steps + 1] = { what = "status" }
  end
end

--- The steps of an experiment; each plan under its own arm, or several under one.
---@param seed integer
---@param paces table[] of five_lists.paces
---@return ScriptStep[]
function M.steps(seed, paces)
  local chance, steps, armed = chances.new(104729 * seed), {}, false
  for number = 1, chance:draw(2, 5) do
    local plan = draw.plan(1000 * seed + number, chance:pick(paces), 2)
    if not armed then
      steps[#steps + 1] = { what = chance:once_in(3) and "arm" or "arm_for", plan = plan }
      armed = true
    end
    in_between(chance, steps, number)
    steps[#steps + 1] = { what = chance:once_in(3) and "fire" or "play", plan = plan,
      ahead = chance:once_in(4) and chance:draw(2, 12) + 0.25 or nil }
    if chance:once_in(4) then
      steps[#steps + 1], armed = { what = chance:once_in(3) and "stop" or "disarm" }, false
    end
  end
  return steps
end

return M
