--- Event codes that a script's marks give, and what the box does wrong: single marks, several at once, more
--- than can wait; a box that takes no byte once or for a while, or is gone; a line, high for each code.
local core = require "moonpulse.core"

local M = {}

local counts = { 1, 1, 2, 3, 12, 20 }
local widths_s = { 0.3, 0.3, 0.005, 0.05 } -- mostly so long that a stop meets a code that stands

--- Let a script's marks have codes, and set more of them.
local function draw_marks(chance, script)
  for number, steps in ipairs(script) do
    for _, step in ipairs(steps) do
      if step.what == "mark" and chance:once_in(2) then
        step.code = chance:draw(1, 254)
      end
    end
    for _ = 1, number == 1 and chance:draw(0, 3) or 0 do
      table.insert(steps, chance:draw(1, #steps + 1), { what = "mark", text = "coded",
        code = chance:draw(1, 254), times = chance:pick(counts) })
    end
  end
end

--- Draw event codes, and a box that may fail.
---@param chance moonpulse.explore.Chance
---@param scenario moonpulse.explore.Scenario is changed
---@param lasts number seconds that it takes about
function M.draw(chance, scenario, lasts)
  scenario.codes = true
  scenario.box = chance:once_in(3) and { kind = chance:pick { "full", "gone" }, at_s = chance:instant(lasts) }
    or nil
  scenario.width_s = chance:pick(widths_s)
  scenario.line = chance:once_in(6) or nil
  if scenario.box and chance:once_in(2) then
    scenario.box.kind, scenario.box.for_s = "hangs", chance:pick { 0.015, 0.05, 0.3, 2 }
  end
  if scenario.script then
    draw_marks(chance, scenario.script)
  end
end

--- The box as it is given to the run.
---@param scenario moonpulse.explore.Scenario
---@param for_show fun(width: number): moonpulse.CodeBox
---@return moonpulse.CodeBox?
function M.box(scenario, for_show)
  local box = scenario.codes and for_show(scenario.width_s or 0.3) or nil
  if box and scenario.line then
    box.line = "rts"
  end
  return box
end

local every_s = 0.001

--- It takes no byte for so long.
local function hang(box, until_ns)
  while box.file and core.clock_ns() < until_ns do
    box.wire:trouble(0)
    core.wait(every_s)
  end
  if box.file then
    box.wire:trouble(nil) -- nobody wrote since: the first byte behind a hang is taken
  end
end

--- What the box does wrong, while there is one.
---@param box table of moonpulse.simulation.code_box
---@param trouble { kind: "full"|"gone"|"hangs", at_s: number, for_s: number? }
function M.trouble(box, trouble)
  local due_ns = core.clock_ns() + math.floor(trouble.at_s * 1e9)
  while box.file and core.clock_ns() < due_ns do
    core.wait(math.min(0.1, (due_ns - core.clock_ns()) / 1e9))
  end
  if box.file and trouble.kind == "full" then
    box.wire:trouble(0)
  elseif box.file and trouble.kind == "hangs" then
    box.hangs_until_ns = due_ns + math.floor(trouble.for_s * 1e9)
    hang(box, box.hangs_until_ns)
  elseif box.file then
    box.gone = true
    box.wire:close()
  end
end

return M
