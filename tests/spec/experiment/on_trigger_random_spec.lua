-- Random triggers (storms, doubled, amid a plan) and random rules: by a model of its own each trigger has one
-- verdict and starts the plan or not, and the simulator gave what that makes. Stops at random instants:
-- nothing is given behind one, and nothing that was given is missing.
local cjson = require "cjson"
local core = require "moonpulse.core"
local fixture = require "job"
local shell = require "shell"

local seed = math.tointeger(tonumber(os.getenv("MP_SEED") or "")) or core.random_seed()
local runs = os.getenv("MP_QUICK") and 4 or 12

--- Triggers { ns, byte } in a script's time, as an EEG that goes wrong gives them.
local function random_triggers()
  local list, at_ns = {}, 2000000000
  for _ = 1, math.random(3, 12) do
    at_ns = at_ns + math.random(1, 3000) * 1000000 + math.random(0, 999999)
    local times = ({ 1, 1, 2, math.random(3, 400) })[math.random(4)]
    local apart_ns = math.random(0, 200000)
    for _ = 1, times do
      list[#list + 1] = { at_ns, math.random(5, 6) }
      at_ns = at_ns + apart_ns
    end
  end
  return list
end

local function random_rule()
  return { pulses = math.random(1, 4), count = math.random(1, 20), byte = math.random(2) == 1 and 5 or nil,
    every = math.random(3) == 1 and math.random(2, 5) or 1, refractory_ms = math.random(400, 2500),
    delay_ms = math.random(3) == 1 and math.random(5, 300) or 0 }
end

--- What the rule makes of them: when each start's trigger came, and how many were of which kind. A plan
--- begins its command's time behind the trigger; the last pulse's command is the end of it.
local function model(triggers, rule)
  local starts, by, matched, start_ns, delay_ns = {}, {}, 0, nil, rule.delay_ns
  for _, each in ipairs(triggers) do
    local at_ns, verdict = each[1]
    if not rule.byte or each[2] == rule.byte then
      matched = matched + 1
      if #starts >= rule.count then
        break -- it has returned
      elseif matched % rule.every ~= 0 then
        verdict = "counted"
      elseif start_ns and at_ns < start_ns + rule.last_ns then
        verdict = "busy"
      elseif start_ns and at_ns + math.max(delay_ns, rule.wire_ns) < start_ns + rule.refractory_ns then
        verdict = "refractory"
      else
        verdict, starts[#starts + 1] = "starts", at_ns
        start_ns = at_ns + math.max(delay_ns, rule.wire_ns)
      end
      by[verdict] = (by[verdict] or 0) + 1
    end
  end
  return starts, by
end

describe("stim:on_trigger, at random,", function()
  local folder

  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  local function run(triggers, rule, other)
    local lines = {}
    for i, each in ipairs(triggers) do
      lines[i] = ("%.9f port %d"):format(each[1] / 1e9, each[2])
    end
    shell.write(folder .. "/triggers", table.concat(lines, "\n") .. "\n")
    shell.write(folder .. "/made.lua", ([[
      local mp = require "moonpulse"
      return mp.experiment(function(run)
        local stim = run:device()
        local plan = mp.train { pulses = %d, hz = 10, intensity = mp.mso(40) }
        stim:arm(plan)
        %s
        stim:on_trigger(plan, { count = %d, refractory = %g, every = %d, delay = %g, byte = %s })
        stim:disarm()
      end)]]):format(rule.pulses, other or "", rule.count, rule.refractory_ms / 1e3, rule.every,
      rule.delay_ms / 1e3, rule.byte or "nil"))
    local status, out, err = shell.moonpulse(folder, ("run %s/made.lua --seed 1 --out %s/runs --speed max "
      .. "--timing host --triggers %s/triggers --beyond-guidelines test --approval none"):format(folder,
      folder, folder))
    local path = fixture.run_in(folder .. "/runs")
    local function rows(name)
      local list = {}
      for _, row in ipairs(shell.rows(path .. "/" .. name)) do
        list[#list + 1] = row.event == "pulse" and row or nil
      end
      return list
    end
    return status, out .. err, path, rows
  end

  it("gives what each trigger's verdict makes, and each has one", function()
    for k = 1, runs do
      math.randomseed(seed, k)
      local triggers, rule = random_triggers(), random_rule()
      rule.delay_ns, rule.refractory_ns = rule.delay_ms * 1000000, rule.refractory_ms * 1000000
      rule.wire_ns = 5 * 10 * 1000000000 // 38400 -- of a MagPro's command, before which a plan cannot begin
      rule.last_ns = (rule.pulses - 1) * 100000000 - rule.wire_ns
      local said = ("seed %d, run %d: %s"):format(seed, k, cjson.encode(rule))
      local starts, by = model(triggers, rule)
      local status, out, path, rows = run(triggers, rule)
      assert.are.equal(0, status, said .. out)
      local given, at = rows "events.tsv", 0
      assert.are.equal(#starts * rule.pulses, #given, said)
      assert.are.equal(#given, #rows "twin.tsv", said)
      for _, start_ns in ipairs(starts) do
        for pulse = 0, rule.pulses - 1 do
          at = at + 1
          local wanted_ns = start_ns + math.max(rule.delay_ns, rule.wire_ns) + pulse * 100000000
          assert.is_true(math.abs(tonumber(given[at].onset) * 1e9 - wanted_ns) < 3000, said)
        end
      end
      local found, of = {}, cjson.decode(shell.read(path .. "/manifest.json")).experiment.triggers.on_trigger
      for line in io.lines(path .. "/journal.jsonl") do
        local entry = cjson.decode(line)
        if entry.heard then
          found[entry.heard] = (found[entry.heard] or 0) + (entry.count or 1)
        end
      end
      for _, verdict in ipairs { "starts", "counted", "busy", "refractory" } do
        assert.are.equal(by[verdict] or 0, found[verdict] or 0, said .. verdict)
        assert.are.equal(by[verdict] or 0, of[verdict] or 0, said .. verdict)
      end
      shell.remove(folder .. "/runs")
    end
  end)

  it("gives nothing behind a stop at any instant, and loses nothing", function()
    for k = 1, runs do
      math.randomseed(seed, 1000 + k)
      local triggers, rule = random_triggers(), random_rule()
      rule.count = 100
      local stop_ns = triggers[math.random(#triggers)][1] + math.random(-2, 400) * 1000000
      local said = ("seed %d, run %d: %s, stop %d"):format(seed, k, cjson.encode(rule), stop_ns)
      local status, out, _, rows = run(triggers, rule, ([[
        run:spawn(function() run:sleep(%.9f - run:now()) run:stop "enough" end)]]):format(stop_ns / 1e9))
      assert.is_true(status == 5 or status == 0, said .. out)
      local given, known = rows "twin.tsv", 0
      for _, row in ipairs(rows "events.tsv") do
        if row.status == "delivered" or row.status == "sent" or row.status == "perhaps_sent" then
          known = known + 1
          assert.is_true(tonumber(row.onset) * 1e9 <= stop_ns + 5000000, said)
        end
      end
      assert.are.equal(#given, known, said)
      shell.remove(folder .. "/runs")
    end
  end)
end)
