-- An experiment on a box that only fires: a hand sets the intensities. Nothing is armed before somebody was
-- told which, and nothing is given, or recorded, that nobody was told to set.
local shell = require "shell"

describe("an experiment whose intensities a hand sets", function()
  local folder

  before_each(function()
    folder = shell.folder()
  end)

  after_each(function()
    shell.remove(folder)
  end)

  local function write(body)
    shell.write(folder .. "/made.lua", 'local mp = require "moonpulse"\n'
      .. "return mp.experiment(function(run)\nlocal stim = run:device()\n"
      .. "local function both(a, b)\nreturn mp.together { PMv = mp.pulse(mp.mso(a)),"
      .. "M1 = mp.rest(mp.ms(8)) .. mp.pulse(mp.mso(b)) } end\n" .. body .. "\nend)\n")
    return folder .. "/made.lua"
  end

  local function perform(body, more)
    local status, out, err = shell.moonpulse(folder, ("run %s --speed max --out %s/runs "
      .. "--device sim:pulsepal %s"):format(write(body), folder, more
      or "--device-option channels=PMv=1,M1=2"))
    local names = shell.names(folder .. "/runs")
    return status, out, err, shell.rows(folder .. "/runs/" .. names[#names] .. "/events.tsv")
  end

  local function texts(rows)
    local list = {}
    for _, row in ipairs(rows) do
      list[#list + 1] = row.event == "mark" and row.reply
        or row.event == "pulse" and row.channel .. " " .. row.intensity_mso or nil
    end
    return list
  end

  it("says before each arming which channel has which, in the order of firing, and marks it", function()
    local status, out, err, rows = perform [[
      for _, a in ipairs { 45, 55 } do
        stim:arm(both(a, 60))
        stim:fire(both(a, 60))
        stim:disarm()
        run:sleep(5)
      end
    ]]
    assert.are.equal(0, status, err)
    local first = "set by hand at the stimulators now: channel PMv to 45 %MSO, channel M1 to 60 %MSO"
    local second = "set by hand at the stimulators now: channel PMv to 55 %MSO, channel M1 to 60 %MSO"
    local said = first .. "\n.*2 pulses: channel PMv 45 %MSO, channel M1 60 %MSO\n.*" .. second
      .. "\n.*2 pulses: channel PMv 55 %MSO, channel M1 60 %MSO\n"
    assert.matches((said:gsub("%%M", "%%%%M")), out)
    assert.are.same({ first, "armed", "PMv 45", "M1 60", second, "armed", "PMv 55", "M1 60" }, texts(rows))
  end)

  local refused = {
    ["another one in the same arming"] = { "stim:arm(both(45, 60)) stim:fire(both(45, 60)) run:sleep(5)\n"
      .. "stim:fire(both(45, 61))", "61 %MSO on channel M1 while armed (a hand sets it, before the "
      .. "arming, and has set 60 %MSO: ", 2 },
    ["one of a channel that the arming did not name"] = { "local one = mp.pulse(mp.mso(45)):at 'PMv'\n"
      .. "stim:arm(one) stim:fire(one) run:sleep(5) stim:fire(both(45, 60))", "60 %MSO on channel M1 while "
      .. "armed (a hand sets it, before the arming, and was told of no intensity there: ", 1 },
    ["one without a plan to arm for"] = { "stim:arm()\nstim:fire(both(45, 60))", "60 %MSO on channel M1 "
      .. "while armed (a hand sets it, before the arming, and was told of no intensity there: ", 0 },
  }
  for name, case in pairs(refused) do
    it("refuses, as a limit and with its line, " .. name, function()
      local status, out, err, rows = perform(case[1])
      assert.are.equal(3, status, out .. err)
      assert.matches("made.lua:7: stim:fire: the stimulator cannot be brought to " .. case[2], err, 1, true)
      assert.matches("stim:disarm(), then stim:arm(plan)", err, 1, true)
      local pulses = 0
      for _, row in ipairs(rows) do
        pulses = pulses + (row.event == "pulse" and 1 or 0)
      end
      assert.are.equal(case[3], pulses)
    end)
  end

  it("is refused as a limit, too, where the plan of the arming would need two", function()
    local two = "mp.pulse(mp.mso(40)) .. mp.rest(1) .. mp.pulse(mp.mso(50))"
    local status, _, err = perform("stim:arm(" .. two .. ")", "")
    assert.are.equal(3, status)
    assert.matches("made.lua:6: .* cannot go from 40 %%MSO.* to 50 %%MSO.* within a run", err)
  end)

  it("says nothing of a hand where the stimulator follows the box", function()
    local status, out, err = perform("stim:arm() stim:fire(both(45, 60)) run:sleep(1)\n"
      .. "stim:fire(both(50, 60))",
      "--device-option channels=PMv=1,M1=2 --device-option full_scale_volts=5")
    assert.are.equal(0, status, err)
    assert.is_nil(out:find("by hand", 1, true))
  end)

  it("is armed at a real stimulator only when a person says that it is set", function()
    local simulator <close> = setmetatable({ job = shell.start(folder, "sim",
      ("sim pulsepal --link %s/port --log %s/twin.tsv"):format(folder, folder)) },
      { __close = function(self) self.job:kill() end })
    simulator.job:says "stop it"
    local path = write [[
      local p, q = mp.pulse(mp.mso(45)), mp.pulse(mp.mso(50))
      for _, each in ipairs { p, p, q } do
        stim:arm(each)
        stim:disarm()
      end
    ]]
    shell.write(folder .. "/preflight", "Ready?\n")
    for typed, expected in pairs { ["y\ny\n"] = { 0, 2 }, ["y\nn\n"] = { 3, 2 }, ["n\n"] = { 3, 1 },
      [""] = { 2, 1 } } do
      shell.write(folder .. "/typed", "op\ny\ny\nemg\n" .. typed)
      local status, out, err = shell.sh(folder, ("timeout 60 %s run %s --device pulsepal --port %s/port "
        .. "--real-pty --preflight %s/preflight --tolerance 500 --out %s/runs <%s/typed"):format(
        shell.program, path, folder, folder, folder, folder))
      assert.are.equal(expected[1], status, typed .. out .. err)
      local _, count = out:gsub("Is it set so%? %[y/n%]", "")
      assert.are.equal(expected[2], count, out) -- the same again is not asked for
    end
  end)
end)
