--- A test pulse alone behind pairs on a BiStim, each a plan of its own: it is given in the way that is ready
--- sooner; and where no way is in time, what has to fall is said. What was given is the simulator's word.
local shell = require "shell"
local fixture = require "job"

local folder

before_each(function() folder = shell.folder() end)
after_each(function() shell.remove(folder) end)

local function run(what, rmt)
  shell.write(folder .. "/answers", ("900\n"):rep(30))
  local status, out, err = shell.moonpulse(folder, ("run %s --device sim:bistim --rmt %d --seed 1 "
    .. "--speed max --answers %s/answers --out %s/runs%d"):format(what, rmt, folder, folder, rmt))
  return status, out, err, fixture.run_in(("%s/runs%d"):format(folder, rmt))
end

local function script(body)
  shell.write(folder .. "/made.lua", 'local mp = require "moonpulse"\nreturn mp.experiment(function(run)\n'
    .. "local stim, test = run:device(), mp.pulse(mp.rmt(120))\n"
    .. "local pair = mp.pair { isi = mp.ms(3), intensity = { mp.rmt(80), mp.rmt(120) } }\nstim:arm()\n"
    .. body .. "\nstim:disarm() end)\n")
  return folder .. "/made.lua"
end

--- What the simulator gave: how many pulses of each note, such as "B 72 %".
local function given(path)
  local count = {}
  for _, row in ipairs(shell.rows(path .. "/twin.tsv")) do
    if row.event == "pulse" then
      count[row.note] = (count[row.note] or 0) + 1
    end
  end
  return count
end

describe("a test pulse alone behind pairs", function()
  it("has its power and its instant in the shipped sici_icf, at usual thresholds", function()
    for _, rmt in ipairs { 40, 50, 60, 75 } do
      local status, out, err, path = run("sici_icf", rmt)
      assert.are.equal(0, status, out .. err)
      local count, a, b, first = given(path), ("A %d %%"):format(0.8 * rmt), ("B %d %%"):format(1.2 * rmt),
        ("A %d %%"):format(1.2 * rmt)
      -- the first trial is one alone, before any pair: power A
      assert.are.same({ [first] = 1, [a] = 20, [b] = 29 }, count)
      local verified, words = shell.moonpulse(folder, "verify " .. path)
      assert.are.equal(0, verified, words)
    end
  end)

  it("waits for what has to fall where it may, and says so once", function()
    local status, out, err = run(script [[for i = 1, 3 do
      run:sleep(4.2) stim:fire(pair)
      run:sleep(4.2) stim:fire(test)
    end]], 60)
    assert.are.equal(0, status, err)
    local _, times = out:gsub("note: this plan waits for its setting %(power A has to fall from 48 to 0 "
      .. "%%MSO, which takes 4%.9 s%)", "")
    assert.are.equal(1, times)
  end)

  it("is refused with what has to fall and how long that takes where it is too soon", function()
    local status, _, err = run(script [[stim:fire(pair)
      stim:fire(test, { at = run:now() + 4.2 })]], 60)
    assert.are.equal(2, status)
    assert.matches("too soon: .*power A has to fall from 48 to 0 %%MSO, which takes 4.9 s: leave it so long",
      err)
    assert.is_nil(err:find("have it set beforehand", 1, true))
  end)

  it("stays power A where no pair was given", function()
    local status, out, err, path = run(script [[for _ = 1, 4 do run:sleep(5) stim:fire(test) end]], 50)
    assert.are.equal(0, status, out .. err)
    assert.are.same({ ["A 60 %"] = 4 }, given(path))
  end)
end)
