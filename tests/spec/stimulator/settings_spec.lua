-- A setting that the device did not take: no pulse leaves at it, on any device, timing, path and speed. What
-- was given is taken from the simulator's own state at each pulse, never from the record.
local devices = require "moonpulse.driver.find"
local faults = require "moonpulse.simulation.faults"
local fixture = require "job"
local givens = require "moonpulse.record.given"
local inside = require "moonpulse.run.inside"
local listenings = require "moonpulse.stimulator.listening"
local mp = require "moonpulse"
local records = require "moonpulse.record"
local shell = require "shell"
local simulators = require "moonpulse.simulators.magventure"

local LOW, HIGH = 20, 30

-- settings: as --device-option; armed: how many settings arming takes; gap: seconds between pulses
local stimulators = {
  magventure = { armed = 1, gap = 0.4, said = { "^(%d+) %%" } },
  magstim200 = { armed = 1, gap = 5, said = { "^(%d+) %%" } },
  bistim = { armed = 4, gap = 5, said = { "^A (%d+) %%" } },
  rapid = { armed = 2, gap = 5, said = { "^(%d+) %%" } },
  duomag = { armed = 1, gap = 2, said = { "^(%d+) %%" } },
  stimjim = { armed = 3, gap = 0.4, options = "--device-option full_scale_ua=1000" },
  pulsepal = { armed = 0, gap = 0.4, options = "--device-option full_scale_volts=5" },
}
local kinds = { "lose-setting", "garble-setting" }

--- Pulse Pal's messages have no check and nothing reads them back: one that arrives otherwise is taken.
local function is_noticed(name, kind)
  return not (name == "pulsepal" and kind == "garble-setting")
end

describe("a setting that the device did not take", function()
  local folder

  before_each(function()
    folder = shell.folder()
    shell.write(folder .. "/alternating.lua", ([[
      local mp = require "moonpulse"
      return mp.protocol { name = "alternating", params = { gap = { default = 5.0 } }, plan = function(p)
        return (mp.pulse { intensity = mp.mso(%d) } .. mp.rest(p.gap)
          .. mp.pulse { intensity = mp.mso(%d) }):times(2, { gap = p.gap })
      end }]]):format(LOW, HIGH))
    shell.write(folder .. "/experiment.lua", ([[
      local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        stim:arm(mp.pulse { intensity = mp.mso(%d) })
        for _, mso in ipairs { %d, %d, %d } do
          stim:fire(mp.pulse { intensity = mp.mso(mso) })
        end
      end)]]):format(LOW, LOW, HIGH, LOW))
  end)

  after_each(function()
    shell.remove(folder)
  end)

  --- The command of a run on a device, with run folders of its own.
  local function command(name, protocol, rest)
    return ("timeout -k 1 40 %s run %s/%s --device sim:%s --tolerance 1000 --out %s/%s %s %s"):format(
      shell.quote(shell.program), folder, protocol, name, folder, name, stimulators[name].options or "", rest)
  end

  local function rows(name, file)
    return (shell.rows(fixture.run_in(folder .. "/" .. name) .. "/" .. file))
  end

  --- How strong the simulator's pulses were, as its own log tells; nil where its notes do not say.
  local function given(name)
    local list, shape = {}, (stimulators[name].said or {})[1]
    for _, row in ipairs(shape and rows(name, "twin.tsv") or {}) do
      if row.event == "pulse" then
        list[#list + 1] = math.tointeger(tonumber(row.note:match(shape)))
      end
    end
    return shape and list or nil
  end

  --- One run on each device, all at the same time: they mostly wait. Of each device its result.
  local function on_each(protocol, rest)
    local names, commands, results = {}, {}, {}
    for name, each in pairs(stimulators) do
      names[#names + 1], commands[#commands + 1] = name, command(name, protocol, rest(each))
    end
    for i, result in ipairs(shell.together(folder, commands)) do
      results[names[i]] = result
    end
    return results
  end

  for name, each in pairs(stimulators) do
    for _, kind in ipairs(kinds) do
      if is_noticed(name, kind) then
        it(("stops a run on %s in virtual time: %s"):format(name, kind), function()
          for after = 1, 3 do -- the setting behind so many pulses
            local status, _, err = shell.sh(folder, command(name, "alternating.lua",
              ("--timing host --speed max -p gap=%g --fault %s@%d"):format(each.gap,
              kind, each.armed + after)))
            assert.are.equal(4, status, err)
            assert.matches(("after %d of 4 pulses"):format(after), err, 1, true)
            assert.is_nil(err:find("NOT CONFIRMED SAFE", 1, true), err)
            shell.remove(folder .. "/" .. name)
          end
        end)
      end
    end
  end

  it("leaves a row for the pulse that it was held back with, and for a question that was not answered, too",
    function()
      for after = 1, 3 do
        local status, _, err = shell.sh(folder, command("pulsepal", "alternating.lua",
          ("--timing host --speed max -p gap=0.4 --fault half-open@%d"):format(after)))
        assert.are.equal(4, status, err)
        assert.matches(("pulse %d was held back: .*what it was asked after the pulse before"):format(
          after + 1), err)
        local told = {}
        for _, row in ipairs(rows("pulsepal", "events.tsv")) do
          told[#told + 1] = row.status == "setting"
            and table.concat({ row.event, row.pulse, row.intensity, row.lateness_us }, " ") or nil
        end
        local mso = after % 2 == 1 and HIGH or LOW
        assert.are.same({ ("set_intensity n/a %d n/a"):format(mso),
          ("pulse %d %d n/a"):format(after + 1, mso) }, told)
        shell.remove(folder .. "/pulsepal")
      end
    end)

  it("stops a run on every device in real time", function()
    local results = on_each("alternating.lua", function(each)
      return ("--timing host -p gap=%g --fault lose-setting@%d"):format(math.max(each.gap, 2), each.armed + 1)
    end)
    for name, result in pairs(results) do
      local where = name .. ": " .. result.err
      assert.are.equal(4, result.status, where)
      assert.matches("after 1 of 4 pulses", where, 1, true)
      assert.matches("lost", where, 1, true)
      assert.matches("cable", where, 1, true)
      local simulator, pulses = given(name), 0
      assert.are.same(simulator and { LOW }, simulator, where)
      for _, row in ipairs(rows(name, "events.tsv")) do
        pulses = pulses + (row.event == "pulse" and row.status ~= "setting" and 1 or 0)
      end
      assert.are.equal(1, pulses, where)
    end
  end)

  it("stops an experiment on every device before it fires", function()
    local results = on_each("experiment.lua", function(each)
      return ("--speed max --fault lose-setting@%d"):format(each.armed + 1)
    end)
    for name, result in pairs(results) do
      local where = name .. ": " .. result.err
      assert.are.equal(4, result.status, where)
      assert.is_truthy(where:find("did not confirm", 1, true) or where:find("[%d%%], not "), where)
      local simulator = given(name)
      assert.are.same(simulator and { LOW }, simulator, where)
    end
  end)

  it("is noticed where the stimulator times the trains: none is given at another amplitude", function()
    local seen, stopped = {}, 0
    local driver = devices.configure(assert(devices.find("magventure")), {})
    local encode = driver.encode
    driver.encode = setmetatable({ train = function(...)
      local program, why = encode.train(...)
      if program then -- nothing is set while it runs
        program.locked = program.locked or program.busy
      end
      return program, why
    end }, { __index = encode })
    local plan = mp.train { pulses = 6, hz = 10, intensity = mp.mso(LOW) } .. mp.rest(4)
      .. mp.train { pulses = 7, hz = 5, intensity = mp.mso(HIGH) }
    for at = 1, 12 do
      for _, kind in ipairs(kinds) do
        local simulator, pulses = simulators.new {}, {}
        local model = setmetatable({}, { __index = function(_, key)
          return type(simulator[key]) == "function" and function(_, ...)
            local replies, log, next_ns = simulator[key](simulator, ...)
            for _, entry in ipairs(key ~= "state" and log or {}) do
              if entry.event == "pulse" then
                local state = simulator:state()
                pulses[#pulses + 1] = { state.amplitude_a, state.train.rate_hz }
              end
            end
            return replies, log, next_ns
          end or nil
        end })
        local record = assert(records.create(folder, "trains"))
        local hooks = { connected = function() end, prepared = function() end, armed = function() end,
          progress = function() end }
        local job = { plan = plan, seed = 1, driver = driver, thresholds = {}, policy = { real = false },
          tolerance = 0.001, late = "abort", stop_line = "none", timing = "device", simulator = model,
          faults = faults.parse(kind .. "@" .. at) }
        local ok, outcome = pcall(inside.run, job, record, "max", hooks)
        record:close()
        stopped = stopped + ((not ok or outcome.stop ~= "finished") and 1 or 0)
        seen[#seen + 1] = #pulses
        for i, pulse in ipairs(pulses) do
          assert.are.same(i <= 6 and { LOW, 10.0 } or { HIGH, 5.0 }, pulse)
        end
      end
    end
    assert.is_true(stopped >= 12, stopped .. " stopped") -- one that changes nothing may be lost
    table.sort(seen)
    assert.are.equal(13, seen[#seen])
  end)
end)

describe("what a device says of its settings", function()
  local driver, record, listening

  before_each(function()
    driver = { tells = function(reply, action)
      return { power = reply.power == action.mso or ("power %d, not %d"):format(reply.power, action.mso) }
    end, encode = { set = function() return "x", 0, { "power" } end }, judge = function() end,
      reply_timeout = 0.2 }
    record = { awaits = function() end }
    listening = listenings.new(driver, record)
    listening:armed({ mso = 80 }, {})
  end)

  local function hear(power, at_ns)
    listening:hear({ name = "state", power = power }, at_ns, true)
  end

  it("counts from the moment at which it was told, not before", function()
    hear(20, 90) -- left behind by an earlier setting
    hear(80, 91)
    listening:tell({ mso = 20 }, 100, true)
    assert.is_false(listening:settled())
    hear(20, 95)
    assert.is_false(listening:settled())
    hear(80, 105) -- it has not come to it yet
    assert.is_false(listening:settled())
    hear(20, 110)
    assert.is_true(listening:settled())
    assert.are.equal(1, listening.settings)
  end)

  it("counts also where it was heard before the sending was", function()
    hear(20, 110)
    listening:tell({ mso = 20 }, 100, true)
    assert.is_true(listening:settled())
  end)

  it("is forgotten with every setting, the same value included", function()
    for turn = 1, 3 do
      local mso = turn % 2 == 1 and 20 or 80
      listening:tell({ mso = mso }, 100 * turn, true)
      assert.is_false(listening:settled())
      hear(mso, 100 * turn + 10)
      assert.is_true(listening:settled())
    end
  end)

  it("holds pulses back as long as the panel has another value, and says which", function()
    hear(60, 200)
    assert.is_false(listening:settled())
    assert.matches("power 60, not 80: was the setting lost", listening:unsettled(), 1, true)
    assert.is_nil(listening:contradicted(function(at) return 200 + 600 - at end, 600))
    assert.matches("power 60, not 80", listening:contradicted(function(at) return 200 + 601 - at end, 600), 1,
      true)
    hear(80, 300)
    assert.is_true(listening:settled())
  end)

  it("takes as many acknowledgements as there were messages", function()
    driver.encode.set = function() return "xx", 0, { "power", "power" } end
    listening:tell({ mso = 20 }, 100, true)
    hear(20, 101)
    assert.is_false(listening:settled())
    hear(20, 102)
    assert.is_true(listening:settled())
  end)
end)

describe("dI/dt within a run", function()
  local measure = { what = "dI/dt", unit = "A/us" }

  local function compare(list)
    local given, problem = givens.new(measure), nil
    for i, pulse in ipairs(list) do
      problem = problem or given:compare({ mso = pulse[1] }, pulse[2], i)
    end
    return problem
  end

  it("is the same at the same intensity, but for rounding and a warm coil", function()
    assert.is_nil(compare { { 40, 52 }, { 40, 53 }, { 40, 51 }, { 90, 117 }, { 90, 120 }, { 90, 114 } })
    assert.are.equal("pulse 2 was given otherwise than it was set: its dI/dt is 54 A/us at 40 %MSO, and that "
      .. "of pulse 1 was 52 A/us at 40 %MSO", compare { { 40, 52 }, { 40, 54 } })
    assert.is_truthy(compare { { 90, 117 }, { 90, 113 } })
  end)

  it("grows with the intensity", function()
    for percent = 2, 100 do -- of the simulated coil, all values beside each other
      local value = math.floor(percent * 1.3 + 0.5)
      assert.is_nil(compare { { 1, 1 }, { 50, 65 }, { percent, value }, { 100, 130 } })
    end
    assert.matches("26 A/us at 80 %MSO, and that of pulse 1 was 26 A/us at 20 %MSO",
      compare { { 20, 26 }, { 80, 26 } }, 1, true)
    assert.is_truthy(compare { { 80, 104 }, { 20, 104 } })
    assert.is_truthy(compare { { 20, 26 }, { 60, 26 } })
    assert.is_truthy(compare { { 20, 26 }, { 30, 104 } })
  end)
end)
