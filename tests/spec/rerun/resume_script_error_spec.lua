-- An experiment that its script's own error, or a refusal, ended is told the same again: so it can be gone on
-- with only where what ended it is asked, or judged, anew.
local fixture = require "job"
local shell = require "shell"

local script = [[
local mp = require "moonpulse"
return mp.experiment(function(run)
  local stim = run:device()
  stim:arm()
  stim:fire(mp.pulse(mp.mso(40)))
  local n = run:ask "how strong?"
  %s
end)
]]

describe("an experiment that its script ended", function()
  local folder
  fixture.each_test(function(...) folder = ... end)

  local function made(out, text, ...)
    local status, said, err = shell.moonpulse(folder, ("%s --out %s/%s"):format(text:format(...),
      folder, out))
    return status, said .. err, shell.names(folder .. "/" .. out)[1] and fixture.run_in(folder .. "/" .. out)
  end

  local function run(body, answers)
    shell.write(folder .. "/made.lua", (script:gsub("%%s", function() return body end)))
    shell.write(folder .. "/answers", answers)
    return made("first", "run %s/made.lua --seed 7 --speed max --answers %s/answers", folder, folder)
  end

  local function fired(path)
    local list = {}
    for _, row in ipairs((shell.rows(path .. "/twin.tsv"))) do
      list[#list + 1] = row.event == "pulse" and row.intensity or nil
    end
    return list
  end

  it("by an error is not offered to be gone on with, and resume says why, before it arms", function()
    local status, said, first = run("stim:fire(mp.pulse(mp.mso(50))) error 'a mistake'", "5\n")
    assert.are.equal(2, status, said)
    assert.is_nil(said:find("moonpulse resume", 1, true), said)
    local text, second
    status, text, second = made("second", "resume %s", first)
    assert.are.equal(2, status)
    assert.matches("its script ended it (error in the script: ", text, 1, true)
    assert.is_nil(second)
    local _, listed = shell.moonpulse(folder, "runs --out " .. folder .. "/first")
    assert.is_nil(listed:find("moonpulse resume", 1, true), listed)
  end)

  it("by a plan where it had armed nothing is not offered either: it is refused so whoever judges", function()
    local fire = "stim:fire(mp.pulse(mp.mso(50)))"
    for _, body in ipairs { "stim:disarm() run:note 'off' " .. fire,
      "stim:disarm() pcall(function() " .. fire .. " end) run:sleep(1) error 'a mistake'",
      "stim:watch(mp.pulse(mp.mso(40)), { count = 1, refractory = 1, timeout = 2 }) " .. fire } do
      shell.write(folder .. "/triggers.txt", "1 device pulse\n")
      shell.write(folder .. "/made.lua", (script:gsub("%%s", function() return body end)))
      shell.write(folder .. "/answers", "5\n")
      local status, said, first = made("first", "run %s/made.lua --seed 7 --speed max "
        .. "--device sim:magventure --answers %s/answers --triggers %s/triggers.txt", folder, folder, folder)
      assert.are.equal(2, status, said)
      assert.is_nil(said:find("moonpulse resume", 1, true), said)
      local text, second
      status, text, second = made("second", "resume %s", first)
      assert.are.equal(2, status)
      assert.matches("cannot be gone on with: its script ended it (error in the script: ", text, 1, true)
      assert.is_nil(second)
      shell.remove(folder .. "/first")
    end
  end)

  it("by an error behind an answer is asked that again", function()
    local _, said, first = run("run:now() stim:fire(mp.pulse(mp.mso(n + 10))) run:ask 'on?'", "strong\n")
    assert.matches("\nresume +moonpulse resume ", said)
    shell.write(folder .. "/answers", "50\nyes\n")
    local status, text, second = made("second", "resume %s --answers %s/answers", first, folder)
    assert.are.equal(0, status, text)
    assert.are.same({ "60" }, fired(second))
  end)

  it("by a refusal is judged anew", function()
    local body = "stim:play(mp.train { pulses = 6, hz = 50, intensity = mp.mso(50) })"
    shell.write(folder .. "/made.lua", (script:gsub("%%s", function() return body end)))
    shell.write(folder .. "/answers", "50\n")
    local _, said, first = made("first", "run %s/made.lua --seed 7 --speed max --answers %s/answers "
      .. "--device-option model=R30", folder, folder)
    assert.matches("\nresume +moonpulse resume ", said)
    local status, text = made("limited", "resume %s", first)
    assert.are_not.equal(0, status)
    assert.matches("at most 30 Hz", text, 1, true)
    local again = ("resume %s --device sim"):format(first)
    status, text = made("second", again)
    assert.are.equal(2, status)
    assert.matches("lies in another folder, DIR: moonpulse resume DIR/", text, 1, true)
    local given = 0
    local err
    status, text, err = shell.moonpulse(folder, again .. " --out " .. folder .. "/limited")
    assert.are.equal(0, status, text .. err)
    for _, name in ipairs(shell.names(folder .. "/limited")) do
      given = given + #fired(("%s/limited/%s"):format(folder, name))
    end
    assert.are.equal(6, given)
  end)
end)
