--- Experiments drawn from a seed, as text: scripts that ask, wait for triggers, follow staircases, play plans
--- with labels and drawn rests, read the clock and the device, stop, and catch what is refused.
local chances = require "moonpulse.explore.chance"

local M = {}

local steps = {}

--- A plan in the author's words; slow: for devices that recharge for seconds.
local function plan(chance, slow)
  local level = chance:draw(30, 70)
  local one = ("mp.pulse(%s)"):format(chance:once_in(2) and ("mp.mso(%d + extra)"):format(level)
    or ("mp.rmt(%d)"):format(level + 40))
  local rest = slow and "mp.rest { min = 5, max = 6 }" or "mp.rest { min = 0.3, max = 0.4 }"
  local name = (":label %q"):format(chance:pick { "SICI", "single", "test" })
  return chance:pick { one, one .. name,
    ("(%s%s .. %s):times(%d)"):format(one, name, rest, chance:draw(2, 3)),
    ("%s .. %s .. mp.pulse(mp.mso(41)):label 'other'"):format(one, rest) }
end

function steps.play(chance, slow)
  local text = plan(chance, slow)
  local at = chance:once_in(3) and ", { at = run:now() + " .. (slow and 6.5 or 0.5) .. " }" or ""
  return ([[local p = %s
    stim:arm(p)
    local start = stim:%s(p%s)
    run:mark(("started %%.9f"):format(start))
    stim:disarm()]]):format(text, chance:pick { "play", "fire" }, at)
end

function steps.staircase(chance)
  return ([[for trial, intensity in run:staircase { start = %d, step = 4, reversals = 2, trials = 4 } do
      stim:arm(mp.pulse(mp.mso(intensity)))
      stim:fire(mp.pulse(mp.mso(intensity)):label "staircase")
      trial:answer(run:ask "MEP? [y/n]")
      stim:disarm()
    end]]):format(chance:draw(35, 50))
end

function steps.hunt(chance)
  return ([[for trial, intensity in run:threshold { start = %d, trials = 4, %s } do
      stim:arm(mp.pulse(mp.mso(intensity)))
      stim:fire(mp.pulse(mp.mso(intensity)):label "hunt")
      trial:answer(run:ask "MEP? [y/n]")
      stim:disarm()
    end]]):format(chance:draw(35, 50), chance:pick { 'method = "stochastic"',
      'method = "relative-frequency", of = 2, kind = "RMT"',
      'method = "stochastic", variant = "digital HA"' })
end

function steps.ask() return 'if run:ask "more? [y/n]" == "y" then extra = extra + 5 end' end

function steps.wait(chance)
  return ([[local at, byte = run:wait_trigger { timeout = %g }
    run:mark(("byte %%s at %%.9f"):format(byte, at or -1))
    if byte == 7 then extra = extra + 3 end]]):format(chance:draw(1, 3) / 10)
end

function steps.read()
  return [[run:note(("now %.9f limit %s status %s"):format(run:now(), stim:limits().intensity.max,
      type(stim:status())))]]
end

function steps.draw()
  return 'run:mark("drawn " .. run:integer(1, 99))\n    run:sleep(run:uniform(0, 0.05))'
end

function steps.refused()
  return [[local _, why = pcall(stim.fire, stim, mp.pulse(mp.mso(50)))
    run:mark("refused: " .. tostring(why))]]
end

function steps.stop() return 'run:stop "a pause"' end

local kinds = { "play", "play", "play", "staircase", "hunt", "ask", "wait", "read", "draw", "refused",
  "stop" }

---@param seed integer
---@param slow boolean the device recharges for seconds
---@return string text
---@return string answers a line each
---@return table[] triggers { at_s, byte }
function M.of(seed, slow)
  local chance, parts = chances.new(7919 * seed), {}
  for i = 1, chance:draw(3, 6) do
    parts[i] = "  do\n    " .. steps[chance:pick(kinds)](chance, slow) .. "\n  end\n"
  end
  parts[#parts + 1] = "  do\n    " .. steps.play(chance, slow) .. "\n  end\n"
  local answers, triggers, at_s = {}, {}, 0
  for i = 1, 40 do
    answers[i] = chance:pick { "y", "n" }
  end
  for i = 1, 6 do
    at_s = at_s + chance:draw(1, 12) / 10
    triggers[i] = { at_s = at_s, byte = chance:draw(6, 8) }
  end
  return 'local mp = require "moonpulse"\nreturn mp.experiment { name = "Drawn", run = function(run)\n'
    .. "  local stim, extra = run:device(), 0\n" .. table.concat(parts) .. "end }\n",
    table.concat(answers, "\n") .. "\n", triggers
end

return M
