-- What recover makes of a run is what the run itself wrote, row for row: of experiments in virtual time whose
-- trains are cut, whose stimulator is armed again, and whose simulator fails, on each device.
local chances = require "moonpulse.explore.chance"
local devices = require "moonpulse.explore.devices"
local evidence = require "moonpulse.explore.evidence"
local faults = require "moonpulse.simulation.faults"
local judges = require "moonpulse.explore.judge"
local plans = require "moonpulse.explore.plan"
local recover = require "moonpulse.record.recover"
local recovery = require "moonpulse.explore.invariants.recovery"
local shell = require "shell"

local seeds = os.getenv("MP_LONG") and 400 or 14 -- of each device

--- Some plans on one device, each armed for anew; now and then one is stopped, or something is refused.
local function draw(name, seed)
  local chance, facts = chances.new(seed, "cut " .. name), devices.known[name]
  local timing = name ~= "trigger" and chance:pick { "device", "device", "host" } or "host"
  local self, main, other = { facts = facts, timing = timing, parts = 2 }, {}, {}
  local lasts = 0
  for _ = 1, chance:draw(2, 4) do
    local plan = plans.draw(chance, self)
    main[#main + 1] = { what = "arm", plan = chance:once_in(2) and plan or nil }
    if chance:once_in(6) then -- too soon: what was told for it was told all the same
      main[#main + 1] = { what = "fire", plan = plans.draw(chance, self), ahead = 0.03 }
    end
    main[#main + 1] = { what = chance:once_in(3) and "fire" or "play", plan = plan }
    main[#main + 1] = chance:once_in(3) and { what = "mark", text = "behind" } or nil
    main[#main + 1] = chance:once_in(3) and { what = "disarm" } or nil
    lasts = lasts + 1 + plans.lasts(plan)
  end
  for _ = 1, chance:draw(1, 3) do
    other[#other + 1] = { what = "sleep", s = chance:instant(lasts / 3) }
    other[#other + 1] = { what = "stop" }
  end
  local troubles = {}
  if chance:once_in(4) then
    local kind = chance:pick(faults.kinds)
    local unknown = kind.model and name ~= "magventure" or kind.setting and facts.proof == "none"
    kind = unknown and faults.kinds[1] or kind
    troubles[1] = { what = "device", kind = kind.name, at = chance:draw(kind.start and 0 or 1, 20) }
  end
  return { seed = seed, device = name, kind = "experiment", timing = timing, late = "abort", tolerance_ms = 5,
    script = { main, other }, catches = true, troubles = troubles }
end

--- The status of each pulse, by its number.
local function status_of(text)
  local status = {}
  for _, row in ipairs(evidence.rows(text)) do
    if row.event == "pulse" then
      status[row.number] = row.status
    end
  end
  return status
end

describe("recover", function()
  local folder
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  for _, name in ipairs(devices.names) do
    it("writes the rows of the live run, whatever was cut and armed again: " .. name, function()
      local judge, cut = judges.new(folder), 0
      for seed = 1, seeds do
        local _, run = judges.judge(judge, draw(name, seed), { recover = true })
        assert.is_true(run.recovered ~= nil or run.start_ns == nil, ("seed %d was not recovered: %s"):format(
          seed, tostring(run.message))) -- else it was not even connected
        for _, each in ipairs(recovery) do
          local why = each.when(run) and each.check(run)
          assert.is_falsy(why, ("seed %d: %s: %s"):format(seed, each.name, tostring(why)))
        end
        cut = cut + (#run.stops > 0 and #run.plays > 1 and 1 or 0)
      end
      assert.is_true(cut > 0, "no run was stopped and armed again")
    end)
  end

  it("says of an older record, without what its driver said of itself, no more than is sure", function()
    local judge, perhaps = judges.new(folder), 0
    for seed = 1, seeds do
      local _, run = judges.judge(judge, draw("pulsepal", seed), { recover = false })
      local journal = run.journal_text:gsub(',"check":"%x+"}', "}"):gsub(',"line":%d+', "")
      journal = journal:gsub(',?"proves_end":false', ""):gsub(',?"confirms":false', "")
      assert.is_nil(journal:find("proves_end", 1, true))
      shell.write(run.folder .. "/journal.jsonl", journal)
      local text, said = recover.rows(run.folder) -- as a participant's history reads it
      assert.is_string(text, said)
      local live, older = status_of(run.events_text), status_of(text)
      for number, status in pairs(live) do
        assert.is_true(status ~= "perhaps_sent" or older[number] ~= "stopped",
          ("seed %d: pulse %s was perhaps given, and is called %s"):format(seed, number, older[number]))
        perhaps = perhaps + (status == "perhaps_sent" and 1 or 0)
      end
    end
    assert.is_true(perhaps > 0, "no train was cut")
  end)

  it("has a row of each setting that was sent, also for a plan that was refused after it", function()
    local function pulse(mso) return { parts = { { kind = "pulse", value = mso, ref = "MSO" } } } end
    local judge = judges.new(folder)
    for _, name in ipairs { "magventure", "magstim200", "bistim", "rapid", "duomag" } do
      local script = { { what = "arm", plan = pulse(30) }, { what = "fire", plan = pulse(70), ahead = 0.03 },
        { what = "sleep", s = 2 } }
      for _, last in ipairs { { what = "mark", text = "end" }, { what = "fire", plan = pulse(70) } } do
        local _, run = judges.judge(judge, { seed = 1, device = name, kind = "experiment", timing = "host",
          late = "abort", tolerance_ms = 5, catches = true, troubles = {},
          script = { { script[1], script[2], script[3], last } } }, { recover = true })
        local settings = 0
        for _, row in ipairs(evidence.rows(run.events_text)) do
          if row.event == "set_intensity" then
            assert.are.equal("70 sent", ("%d %s"):format(row.mso, row.status))
            settings = settings + 1
          end
        end
        assert.are.equal(1, settings, name)
        assert.are.equal(run.events_text, run.recovered.text, name)
      end
    end
  end)
end)
