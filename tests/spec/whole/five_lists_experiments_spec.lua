--- Experiments: what each plan of a script is written as is what is listed, judged, lowered, given and
--- recorded, at the instant that the script names, whatever was played, armed, stopped and refused before.
--- Random scripts on every simulator, in every timing, in virtual time.
-- MP_PLANS and MP_FIRST as in five_lists_spec.lua.
local admission = require "moonpulse.stimulator.admission"
local doses = require "moonpulse.experiment.dose"
local exact = require "five_lists.exact"
local oracle = require "five_lists.oracle"
local outcomes = require "moonpulse.record.outcome"
local outputs = require "moonpulse.driver.outputs"
local paces = require "five_lists.paces"
local plants = require "five_lists.plant"
local pulsepal = require "moonpulse.devices.pulsepal"
local setting = require "moonpulse.stimulator.setting"
local shell = require "shell"
local staged = require "five_lists.staged"
local stimjim = require "moonpulse.devices.stimjim"
local stimulators = require "moonpulse.stimulator"

local first = math.tointeger(tonumber(os.getenv("MP_FIRST"))) or 1
local count = math.tointeger(tonumber(os.getenv("MP_PLANS"))) or os.getenv("MP_QUICK") and 2 or 8
local shown = 3
local most = 40 -- experiments in which a planted fault is found

-- Plans that must be played in an experiment, on average; none where the device times nothing by itself.
local least = { host = 1, auto = 1, trigger = 1, device = 1 }
local times_nothing = { magstim200 = true, duomag = true, trigger = true }

describe("the five lists of an experiment", function()
  local folder
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  for _, device in ipairs(paces.devices) do
    for _, timing in ipairs(paces.timings) do
      local may = timing ~= "trigger" or device.trigger
      local test = may and it or function() end
      test(("are the same on %s, timing %s"):format(device.name, timing), function()
        local plays, problems = 0, {}
        for seed = first, first + count - 1 do
          local played, why = staged.run(folder, { seed = seed, device = device, timing = timing })
          plays = plays + (played or 0)
          problems[#problems + 1] = not played and #problems < shown and why or nil
        end
        assert(#problems == 0, table.concat(problems, "\n"))
        local wanted = timing == "device" and times_nothing[device.name] and 0 or least[timing]
        assert.is_true(count < 5 or plays >= wanted * count, ("only %d plans of %d experiments"):format(plays,
          count))
      end)
    end
  end

  local function named(name)
    for _, device in ipairs(paces.devices) do
      if device.name == name then
        return device
      end
    end
  end

  --- The class of moonpulse.stimulator.
  local function stimulator_class()
    for i = 1, math.huge do
      local name, value = debug.getupvalue(stimulators.new, i)
      if name == "Stimulator" or not name then
        return value
      end
    end
  end

  --- A script's plan of one pulse.
  local function single(mso)
    return { seed = 1, expected = { oracle.ordered(oracle.pulse { ref = "MSO", value = mso }) },
      source = ('local mp = require "moonpulse"\nreturn mp.protocol { id = "one", name = "One", '
        .. "plan = function() return mp.pulse(mp.mso(%d)) end }\n"):format(mso) }
  end

  --- A weak pulse is refused as too soon behind a strong one, and then fired as soon as can be.
  local function refused_then_fired(name)
    local strong, weak = single(80), single(30)
    return staged.run(folder, { seed = 1, device = named(name), timing = "host", steps = {
      { what = "arm_for", plan = strong }, { what = "fire", plan = strong },
      { what = "sleep", seconds = 4.5 }, { what = "fire", plan = weak, ahead = 0.25, again = true } } })
  end

  for _, name in ipairs { "magstim200", "bistim", "rapid" } do
    it("are the same where a plan was refused while a capacitor follows its setting, on " .. name, function()
      local plays, refused = refused_then_fired(name)
      assert.are.equal(2, plays, refused)
      assert.matches("is too soon: the stimulator can be ready at [%d.]+ s: its new setting, 30 %%MSO, takes "
        .. "until then: .*power.* has to fall from 80 to 30 %%MSO, which takes 5%.%d s: leave it so long "
        .. ".* %(at least [%d.]+ s later%)", refused)
      local forgotten = function(swap)
        local class = stimulator_class()
        local set, bound = class.set, class.bound
        swap(class, "set", function(stimulator, ...)
          stimulator.settles_ns = 0
          return set(stimulator, ...)
        end)
        swap(class, "bound", function(stimulator, ...)
          stimulator.settles_ns = 0
          return bound(stimulator, ...)
        end)
      end
      local played, why = plants.during(forgotten, function() return refused_then_fired(name) end)
      assert.is_nil(played)
      assert.matches("written: [%d.]+ s, channel 1, 30 %%MSO", why)
    end)
  end

  for _, name in ipairs { "magstim200", "bistim", "duomag" } do
    it("differ in nothing where recharging is why a plan is too soon, which is said, on " .. name, function()
      local plan = single(80)
      local plays, refused = staged.run(folder, { seed = 1, device = named(name), timing = "host", steps = {
        { what = "arm_for", plan = plan }, { what = "fire", plan = plan },
        { what = "fire", plan = plan, ahead = 0.25, again = true } } })
      assert.are.equal(2, plays, refused)
      assert.matches("can be ready at [%d.]+ s: until then it recovers from the pulse before .*: leave it "
        .. "more time between plans, or name a later instant %(at least [%d.]+ s later%)", refused)
    end)
  end

  --- A script's plan of a pair, 2.5 ms apart.
  local function pair(first_mso, second_mso)
    local one, two = { ref = "MSO", value = first_mso }, { ref = "MSO", value = second_mso }
    return { seed = 1, expected = { oracle.ordered(oracle.sequence(oracle.sequence(oracle.pulse(one),
      oracle.rest(exact.of(25, 10000))), oracle.pulse(two))) },
      source = ('local mp = require "moonpulse"\nreturn mp.protocol { id = "two", name = "Two", '
        .. "plan = function() return mp.pair { isi = mp.ms(2.5), intensity = { mp.mso(%d), mp.mso(%d) } } "
        .. "end }\n"):format(first_mso, second_mso) }
  end

  --- Two plans of which the second is called at once, and how that was judged.
  local function one_behind_another(name, timing, plan, what)
    local _, why, plays = staged.run(folder, { seed = 1, device = named(name), timing = timing, steps = {
      { what = "arm_for", plan = plan }, { what = "fire", plan = plan },
      { what = what, plan = single(70) } } })
    assert(plays and #plays == 2, why)
    local second = plays[2]
    assert.is_true(second.start_s - second.starts[1] < 0.1,
      ("judged for %.3f s: it started at %.3f s"):format(second.starts[1], second.start_s))
    local kinds = {}
    for _, finding in ipairs(second.admitted.report.findings) do
      kinds[finding.rule] = true
    end
    return second, kinds
  end

  for _, what in ipairs { "fire", "play" } do
    it("judge a plan for when the device can give it, not for its call: " .. what, function()
      local second, kinds = one_behind_another("bistim", "auto", pair(30, 70), what)
      -- power B goes down first, for seconds: a pair and a single pulse, no group of three
      assert.is_true(kinds["single pulses a session"] and kinds.pairs)
      assert.is_nil(kinds["group intensity"])
      assert.are.equal("beyond tested", second.admitted.report.verdict)
      for _, name in ipairs { "magstim200", "rapid", "duomag", "magventure" } do
        one_behind_another(name, "host", single(30), what)
      end
    end)
  end

  local faults = {
    { "custom trains are loaded on arming only", "pulsepal", "device", function(swap)
      local load, arm = pulsepal.load, pulsepal.arm
      swap(pulsepal, "load", function() end)
      swap(pulsepal, "arm", function(io, ...)
        pulsepal.load = load
        arm(io, ...)
        pulsepal.load = function() end
      end)
    end },
    { "the first intensity of a later plan is not told", "magstim200", "host", function(swap)
      swap(stimulator_class(), "set", function() return 0, {} end)
    end },
    { "a device that is asked for its status counts as set otherwise", "stimjim", "host", function(swap)
      local tells = stimjim.tells
      swap(stimjim, "tells", function(reply, ...)
        local other = setmetatable({ index = reply.index and 1 - reply.index }, { __index = reply })
        return tells(reply, ...) or tells(other, ...)
      end)
    end },
    { "the record counts onsets from the plan's start", "magventure", "host", function(swap)
      local enter = outcomes.enter
      swap(outcomes, "enter", function(record, out, facts, ...)
        return enter(record, out, setmetatable({ offset_ns = 0 }, { __index = facts }), ...)
      end)
    end },
    { "the gate does not see what was given before", "trigger", "host", function(swap)
      local class = getmetatable(doses.new {})
      swap(class, "ended", function() end)
    end },
    { "a device has followed at once what was told before it is armed again", "magstim200", "host",
      function(swap) swap(setting, "before_arming", function() end) end },
    { "a plan is judged for later than it is given", "bistim", "host", function(swap)
      local class = stimulator_class()
      local bound = class.bound
      swap(class, "bound", function(...) return bound(...) + 10000000000 end)
    end },
    { "a plan is judged for its call only", "bistim", "host",
      function(swap) swap(admission, "again", function() end) end },
    { "a plan begins while the device still recharges", "magstim200", "host", function(swap)
      swap(outputs, "free_at", function() return 0 end)
    end },
  }
  for _, fault in ipairs(faults) do
    it("find that " .. fault[1], function()
      local device = named(fault[2])
      local found, why = plants.during(fault[4], function()
        for seed = 1, most do
          local played, why = staged.run(folder, { seed = seed, device = device, timing = fault[3] })
          if not played then
            return seed, why
          end
        end
      end)
      assert.is_truthy(found)
      if os.getenv("MP_SHOW") then
        io.stderr:write(("%s: %s\n"):format(fault[1], why:match("^[^\n]*")))
      end
    end)
  end
end)
