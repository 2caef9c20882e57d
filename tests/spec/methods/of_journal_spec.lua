--- Methods of an experiment: what only its journal says.
local fixture = require "job"
local shell = require "shell"

local folder

before_each(function() folder = shell.folder() end)
after_each(function() shell.remove(folder) end)

--- The methods text of a run of this script, on one line.
local function methods(body, triggers)
  shell.write(folder .. "/made.lua", 'local mp = require "moonpulse"\nreturn mp.experiment(function(run)\n'
    .. "local stim, pulse = run:device(), mp.pulse(mp.mso(45))\nstim:arm(pulse)\n" .. body
    .. "\nstim:disarm() end)\n")
  shell.write(folder .. "/triggers", triggers)
  local status, out, err = shell.moonpulse(folder, ("run %s/made.lua --seed 1 --speed max "
    .. "--triggers %s/triggers --out %s/runs"):format(folder, folder, folder))
  assert.are.equal(0, status, out .. err)
  status, out = shell.moonpulse(folder, "methods " .. fixture.run_in(folder .. "/runs"))
  assert.are.equal(0, status)
  return (out:gsub("%s+", " "))
end

describe("methods of an experiment", function()
  it("tell the trials without a pulse", function()
    local text = methods([[for i = 1, 5 do
      run:sleep(5)
      if i % 2 == 0 then stim:play(mp.mark("catch", { code = 9 })) else stim:fire(pulse) end
    end]], "")
    assert.matches('gave 3 single pulses at 45 %MSO. Without a pulse, such as catch trials, were 2 trials '
      .. 'with the mark "catch". From onset to onset of the pulses it was', text, 1, true)
  end)

  it("tell of which triggers plans were started, and how long after them", function()
    local lines = {}
    for i = 1, 9 do
      lines[i] = ("%d port 5"):format(2 * i)
    end
    local text = methods("stim:on_trigger(pulse, "
      .. "{ byte = 5, every = 3, delay = 0.1, count = 2, refractory = 5, timeout = 60 })",
      table.concat(lines, "\n") .. "\n")
    assert.matches("started what was given 2 times (every 3rd one, 100 ms after it), sent by", text, 1, true)
  end)

  it("say nothing of a rule where each trigger starts the plan at once", function()
    local text = methods("stim:on_trigger(pulse, { byte = 5, count = 2, refractory = 5, timeout = 60 })",
      "2 port 5\n9 port 5\n")
    assert.matches("started what was given 2 times, sent by", text, 1, true)
    assert.is_nil(text:find("Without a pulse", 1, true))
  end)
end)
