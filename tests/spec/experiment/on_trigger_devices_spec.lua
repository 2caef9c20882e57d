-- Plans that triggers start, on every simulator, over lines and boxes, with keep-alives and storms:
-- what the simulator says that it gave is what the triggers started, and the record holds each trigger.
local cjson = require "cjson"
local devices = require "moonpulse.explore.devices"
local fixture = require "job"
local recalls = require "moonpulse.experiment.recall"
local recipes = require "moonpulse.rerun.recipe"
local shell = require "shell"

local folder

before_each(function() folder = shell.folder() end)
after_each(function() shell.remove(folder) end)

--- Run a script in virtual time with these triggers: { seconds, byte }; the run's folder.
local function run(body, triggers, more)
  shell.write(folder .. "/made.lua", 'local mp = require "moonpulse"\nreturn mp.experiment(function(run)\n'
    .. "local stim = run:device()\n" .. body .. "\nstim:disarm() end)\n")
  local lines = {}
  for i, each in ipairs(triggers) do
    lines[i] = ("%.9f port %d"):format(each[1], each[2])
  end
  shell.write(folder .. "/triggers", table.concat(lines, "\n") .. "\n")
  local status, out, err = shell.moonpulse(folder, ("run %s/made.lua --seed 1 --out %s/runs --speed max "
    .. "--triggers %s/triggers --beyond-guidelines test --approval none %s"):format(folder, folder, folder,
    more or ""))
  return status, out .. err, fixture.run_in(folder .. "/runs")
end

local function rows(path, name, event)
  local list = {}
  for _, row in ipairs(shell.rows(path .. "/" .. name)) do
    list[#list + 1] = row.event == event and row or nil
  end
  return list
end

local function journal(path, kind)
  local list = {}
  for line in io.lines(path .. "/journal.jsonl") do
    local entry = cjson.decode(line)
    list[#list + 1] = entry.kind == kind and entry or nil
  end
  return list
end

local function on_trigger_of(path)
  return cjson.decode(shell.read(path .. "/manifest.json")).experiment.triggers.on_trigger
end

local function verifies(path)
  local status, out, err = shell.moonpulse(folder, "verify " .. path)
  assert.are.equal(0, status, out .. err)
  local again = folder .. "/again"
  status, out, err = shell.moonpulse(folder, ("rerun %s --out %s --speed max"):format(path, again))
  assert.are.equal(0, status, out .. err)
  shell.remove(again)
end

--- A period longer than any device needs between two pulses of 40 %MSO.
local period_s = 6

describe("stim:on_trigger on a simulated", function()
  for _, name in ipairs(devices.names) do
    local facts = devices.known[name]

    local function options_of()
      local list = { "--device sim:" .. name }
      for key, value in pairs(facts.settings or {}) do
        list[#list + 1] = ("--device-option %s=%s"):format(key, value)
      end
      return table.concat(list, " ")
    end

    it(name .. " gives what the triggers start, and nothing else", function()
      local triggers, wanted = {}, 4
      for i = 1, wanted do -- one that starts, and one that is too soon
        triggers[#triggers + 1] = { 3 + i * (period_s + 0.37), 5 }
        triggers[#triggers + 1] = { 3 + i * (period_s + 0.37) + 1.1, 5 }
      end
      local status, out, path = run(([[
        local pulse = mp.pulse(mp.mso(40))%s
        stim:arm(pulse)
        stim:on_trigger(pulse, { byte = 5, count = 9, refractory = %d })]]):format(
        facts.outputs and (":at %q"):format(facts.outputs[2]) or "", period_s),
        triggers, options_of())
      assert.are.equal(0, status, out)
      assert.are.equal(wanted, #rows(path, "twin.tsv", "pulse"))
      assert.are.equal(wanted, #rows(path, "events.tsv", "pulse"))
      assert.are.equal(2 * wanted, #journal(path, "trigger"))
      local counts = on_trigger_of(path)
      assert.are.same({ wanted, wanted }, { counts.starts, counts.refractory })
      -- a keep-alive may be on the wire just then: the pulse waits for that, no longer
      assert.is_true(counts.reaction_us.worst < 6000, counts.reaction_us.worst)
      verifies(path)
    end)
  end
end)

describe("stim:on_trigger", function()
  it("refuses trains of the device's own that differ, and plays equal ones", function()
    local triggers = { { 2, 1 }, { 9, 1 } }
    for hz, said in pairs { [1] = false, [5] = "set anew before each start" } do
      local status, out, path = run(([[
        local plan = mp.train { pulses = 2, hz = 1, intensity = mp.mso(40) }
          .. mp.train { pulses = 2, hz = %d, intensity = mp.mso(40) }
        stim:arm(plan)
        stim:on_trigger(plan, { count = 2, refractory = 6 })]]):format(hz), triggers,
        "--device sim:pulsepal --device-option full_scale_volts=10 --timing device")
      assert.are.equal(said and 2 or 0, status, out)
      assert.matches(said or "", out, 1, true)
      assert.are.equal(said and 0 or 8, #rows(path, "twin.tsv", "pulse"))
      shell.remove(folder .. "/runs")
    end
  end)

  it("is judged for what may come, which the verdict, the report and methods say of it", function()
    local body = [[
      local train = mp.train { pulses = 4, hz = 10, intensity = mp.rmt(110) }
      stim:arm(train)
      stim:%s]]
    local given = "play(train:times(2, { every = 1.3 }))" -- no worse than those may come
    for what, may in pairs { ["on_trigger(train, { count = 2, refractory = 1.3 })"] = true,
      [given] = false } do
      local status, out, path = run(body:format(what), { { 3, 1 }, { 20, 1 } }, "--rmt 40")
      assert.are.equal(0, status, out)
      local text = cjson.decode(shell.read(path .. "/manifest.json")).safety.findings[1].text
      local _, methods = shell.moonpulse(folder, "methods " .. path)
      for _, said in ipairs { out, text, methods, shell.read(path .. "/report.html") } do
        said = said:gsub("%s+", " ")
        assert.matches("gap between trains: 0.9", said, 1, true)
        local told = said:find(" s if all starts come, as close as they may, Chen", 1, true) ~= nil
        assert.are.equal(may, told, said)
      end
      shell.remove(folder .. "/runs")
    end
  end)

  it("waits until the device takes a pulse again, whatever triggers come before", function()
    -- a Magstim 200 of 40 %MSO takes the next pulse 2 s after the one before
    local status, out, path = run([[
      local pulse = mp.pulse(mp.mso(40))
      stim:arm(pulse)
      stim:fire(pulse)
      stim:on_trigger(pulse, { count = 3, refractory = 3 })]],
      { { 1.9, 1 }, { 1.9001, 1 }, { 2.5, 1 }, { 4, 1 } }, "--device sim:magstim200")
    assert.are.equal(0, status, out)
    assert.are.equal(2, #rows(path, "twin.tsv", "pulse"))
    local heard = journal(path, "trigger")
    assert.are.same({ 1, "4000000000" }, { #heard, heard[1].at_ns })
    verifies(path)
  end)

  it("is no later than a keep-alive that is on the wire, and no trigger is refused for one", function()
    -- 9600 baud, a keep-alive each half second: triggers everywhere around it
    local triggers = {}
    for i = 1, 60 do
      triggers[i] = { 2 + i * 3.0007, 5 }
    end
    local status, out, path = run([[
      local pulse = mp.pulse(mp.mso(40))
      stim:arm(pulse)
      stim:on_trigger(pulse, { count = 60, refractory = 2.9 })]], triggers, "--device sim:magstim200")
    assert.are.equal(0, status, out)
    assert.are.equal(60, #rows(path, "twin.tsv", "pulse"))
    local late = 0
    for _, row in ipairs(rows(path, "events.tsv", "pulse")) do
      assert.are.equal("delivered", row.status)
      late = math.max(late, tonumber(row.onset_error_us) or 0)
    end
    assert.is_true(late < 1000, late)
    local reaction = on_trigger_of(path).reaction_us
    assert.are.equal(0, reaction.p50)
    assert.is_true(reaction.worst < 4 * 10 / 9600 * 1e6, reaction.worst)
  end)

  for path_name, options in pairs {
    ["over a trigger input"] = "--trigger sim",
    ["with trains that the device times"] = "--timing device",
    ["on a trigger box with two parts"] = "--device sim:trigger --device-option width_ms=3",
    ["with pulses left out where they are late"] = "--late skip",
  } do
    it("gives whole trains " .. path_name, function()
      local status, out, path = run([[
        local train = mp.train { pulses = 5, hz = 10, intensity = mp.mso(40) }
        stim:arm(train)
        stim:on_trigger(train, { count = 3, refractory = 3 })]],
        { { 2, 5 }, { 2.2, 5 }, { 6, 5 }, { 9.5, 5 } }, options)
      assert.are.equal(0, status, out)
      assert.are.equal(15, #rows(path, "twin.tsv", "pulse"))
      local by = on_trigger_of(path)
      -- of a train that the device times the last command is out at once
      assert.are.same({ 3, 1 }, { by.starts, by[options:find "timing" and "refractory" or "busy"] })
      local status_of, said = shell.moonpulse(folder, "verify " .. path)
      assert.are.equal(0, status_of, said)
    end)
  end

  it("gives plans of two channels", function()
    local status, out, path = run([[
      local both = mp.pulse(mp.mso(40)):at "1" .. mp.rest(0.02) .. mp.pulse(mp.mso(50)):at "2"
      stim:arm(both)
      stim:on_trigger(both, { count = 3, refractory = 1 })]], { { 2, 5 }, { 4, 5 }, { 6, 5 } },
      "--device sim:pulsepal --device-option full_scale_volts=10")
    assert.are.equal(0, status, out)
    local list = rows(path, "events.tsv", "pulse")
    assert.are.equal(6, #list)
    assert.are.equal(6, #rows(path, "twin.tsv", "pulse"))
    for i, row in ipairs(list) do
      assert.are.equal(i % 2 == 1 and "1" or "2", row.channel)
    end
    verifies(path)
  end)

  it("stands for a storm in few lines, which give the same again", function()
    local storm = {}
    for i = 1, 30000 do
      storm[i] = { 1 + i / 10000, i % 3 == 0 and 5 or 6 }
    end
    local status, out, path = run([[
      local pulse = mp.pulse(mp.mso(40))
      stim:arm(pulse)
      stim:on_trigger(pulse, { byte = 5, count = 900, refractory = 0.1, every = 7 })]], storm)
    assert.are.equal(0, status, out)
    local lines, sum = journal(path, "trigger"), 0
    for _, line in ipairs(lines) do
      sum = sum + (line.count or 1)
    end
    assert.are.equal(10000, sum)
    assert.is_true(#lines < 600, #lines)
    local by = on_trigger_of(path)
    assert.are.equal(10000, by.starts + by.counted + by.refractory)
    assert.are.equal(by.starts, #rows(path, "twin.tsv", "pulse"))
    -- from the journal alone the same triggers come again, each at its place among the starts
    local list = recalls.of(assert(recipes.read(path)).lines):armed().triggers
    local again = {}
    for _, each in ipairs(list) do
      for _ = 1, each.count do
        again[#again + 1] = ("%.9f port %d"):format(each.at_ns / 1e9, each.byte)
      end
    end
    assert.are.equal(10000, #again)
    shell.write(folder .. "/again", table.concat(again, "\n") .. "\n")
    local again_status, again_out = shell.moonpulse(folder, ("run %s/made.lua --seed 1 --out %s/second "
      .. "--speed max --triggers %s/again --beyond-guidelines test --approval none"):format(folder, folder,
      folder))
    assert.are.equal(0, again_status, again_out)
    assert.are.equal(shell.read(path .. "/twin.tsv"),
      shell.read(fixture.run_in(folder .. "/second") .. "/twin.tsv"))
  end)

  it("ends as silent where the device answers no more, and refuses what comes then", function()
    local status, out, path = run([[
      local pulse = mp.pulse(mp.mso(40))
      stim:arm(pulse)
      stim:on_trigger(pulse, { count = 9, refractory = 0.5 })]],
      { { 1, 5 }, { 2, 5 }, { 3, 5 }, { 4, 5 }, { 5, 5 } }, "--fault half-open@2")
    assert.are.equal(4, status, out)
    assert.is_true(#rows(path, "twin.tsv", "pulse") <= 3)
    local given = #rows(path, "twin.tsv", "pulse")
    local known = 0
    for _, row in ipairs(rows(path, "events.tsv", "pulse")) do
      known = known + (row.status ~= "skipped" and 1 or 0)
    end
    assert.is_true(known >= given, known .. " of " .. given)
  end)
end)
