--- An experiment as a researcher writes it, drawn from a seed: plans played one after the other, with
--- disarming, stops, marks, waits and plans that are refused in between.
local chances = require "chance"
local draw = require "five_lists.draw"

local M = {}

---@class ScriptStep
---@field what "arm"|"arm_for"|"arm_stopped"|"play"|"fire"|"disarm"|"stop"|"sleep"|"mark"|"status"
---@field plan table? of five_lists.draw: what is played, or armed for
---@field ahead number? play: starts exactly so many seconds later
---@field again boolean? where that is too soon, it is played as soon as can be, under the same arm
---@field seconds number? sleep; arm_stopped: when it is stopped
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
  local most = chance:draw(2, 5)
  for number = 1, most do
    local plan = draw.plan(1000 * seed + number, chance:pick(paces), 2)
    if not armed and chance:once_in(5) then
      steps[#steps + 1] = { what = "arm_stopped", plan = plan, seconds = chance:draw(1, 30) / 10 }
    end
    if not armed then
      steps[#steps + 1] = { what = chance:once_in(3) and "arm" or "arm_for", plan = plan }
      armed = true
    end
    in_between(chance, steps, number)
    steps[#steps + 1] = { what = chance:once_in(3) and "fire" or "play", plan = plan,
      ahead = chance:once_in(3) and chance:draw(1, 36) / 4 or nil, again = chance:once_in(2) }
    if chance:once_in(4) and number < most then
      steps[#steps + 1], armed = { what = chance:once_in(3) and "stop" or "disarm" }, false
    end
  end
  return steps
end

return M
