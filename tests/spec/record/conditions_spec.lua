-- What the record of a run says of each pulse's condition, trial and block, and what describes it:
-- events.json.
local checks = require "moonpulse.compose.check"
local cjson = require "cjson"
local conditions = require "moonpulse.record.conditions"
local core = require "moonpulse.core"
local fixture = require "job"
local mp = require "moonpulse"
local read = require "moonpulse.record.read"
local records = require "moonpulse.record"
local schema = require "moonpulse.record.schema"
local shell = require "shell"
local stimuli = require "moonpulse.compose.stimuli"

describe("the record of conditions", function()
  local folder

  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  --- Run a protocol or an experiment with this body in virtual time; the run's folder and its rows.
  local function run(kind, body, more)
    shell.write(folder .. "/made.lua",
      ('local mp = require "moonpulse"\nreturn mp.%s\n'):format(kind == "protocol"
      and "protocol { name = 'made', plan = function() " .. body .. " end }"
      or "experiment(function(run) local stim = run:device() " .. body .. " end)"))
    local out = ("%s/runs%d"):format(folder, #shell.names(folder))
    local status, _, err = shell.moonpulse(folder,
      ("run %s/made.lua --speed max --seed 7 --out %s --approval test "
      .. "--beyond-guidelines test %s"):format(folder, out, more or ""))
    local path = fixture.run_in(out)
    return path, (shell.rows(path .. "/events.tsv")), status, err
  end

  --- "SICI 1 1, mark - -, ..." of rows.
  local function places(rows, only)
    local list = {}
    for _, row in ipairs(rows) do
      if not only or row.event == only then
        list[#list + 1] = ("%s %s %s"):format(row.trial_type, row.trial, row.block):gsub("n/a", "-")
      end
    end
    return table.concat(list, ", ")
  end

  local block = [[
    local pulse = mp.pulse(mp.mso(50))
    local twin = (pulse .. mp.rest(mp.ms(100)) .. pulse):label "twin"
    local weak = mp.pulse(mp.mso(30)):label "weak"
    return mp.trials { of = { twin, weak, twin }, every = 2 }:times(2,
      { gap = 3 }) .. mp.rest(2) .. mp.mark "end"
      .. mp.train { pulses = 3, hz = 10, intensity = mp.mso(50) } .. mp.rest(1) .. pulse]]

  it("is there for each pulse, and what is no pulse is what it is", function()
    local _, rows = run("protocol", block)
    assert.are.equal("twin 1 1, twin 1 1, set_intensity - -, weak 2 1, set_intensity - -, twin 3 1, "
      .. "twin 3 1, "
      .. "twin 4 2, twin 4 2, set_intensity - -, weak 5 2, set_intensity - -, twin 6 2, twin 6 2, mark - -, "
      .. "train 7 -, train 7 -, train 7 -, pulse 8 -", places(rows))
    for i = 2, #rows do
      assert.is_true(tonumber(rows[i].onset) >= tonumber(rows[i - 1].onset))
    end
  end)

  it("is the same whoever times the pulses, also of those that a fault stops", function()
    for _, more in ipairs { "--timing host", "--timing device", "--timing host --fault unplug@40",
      "--timing device --fault stuck-armed@40" } do
      local _, rows = run("protocol", [[return mp.theta_burst { pulses = 3, hz = 50, theta_hz = 5, on = 2,
        off = 8,
        cycles = 3, intensity = mp.mso(40) }]], more)
      local pulses, by = 0, {}
      for _, row in ipairs(rows) do
        if row.event == "pulse" then
          pulses = pulses + 1
          assert.are.equal(tostring(pulses), row.pulse)
          assert.are.equal(tostring((pulses - 1) // 30 + 1), row.trial, more)
          assert.are.same({ "train", "n/a" }, { row.trial_type, row.block })
          by[row.timed_by] = true
        end
      end
      assert.is_true(pulses >= 38, more)
      assert.are.same({ [more:match "timing (%w+)"] = true }, by)
    end
  end)

  it("counts on from plan to plan of an experiment", function()
    local _, rows = run("experiment", [[
      stim:arm()
      local ts = mp.pulse(mp.mso(50)):label "TS"
      for _ = 1, 2 do stim:fire(ts) run:sleep(1) end
      stim:play(mp.trials { of = { ts, mp.pulse(mp.mso(50)), ts }, every = 1 })
      run:mark '"quoted"'
      stim:fire(mp.train { pulses = 3, hz = 10, intensity = mp.mso(50) }:label "train of 3")
      stim:disarm()
      stim:arm()
      stim:play(mp.trials { of = { ts, ts }, every = 1 })
      stim:disarm()]])
    assert.are.equal("TS 1 -, TS 2 -, TS 3 1, pulse 4 1, TS 5 1, train of 3 6 -, train of 3 6 -, "
      .. "train of 3 6 -, "
      .. "TS 7 2, TS 8 2", places(rows, "pulse"))
  end)

  it("goes on behind a plan that was stopped where that had come to", function()
    local _, rows = run("experiment", [[
      stim:arm()
      run:spawn(function() run:sleep(2.6) stim:disarm() end)
      pcall(function() stim:play(mp.trials { of = { mp.pulse(mp.mso(50)), mp.pulse(mp.mso(50)) }, every = 1 }
        :times(3, { gap = 1 })) end)
      run:sleep(1)
      stim:arm()
      stim:play(mp.trials { of = { mp.pulse(mp.mso(50)) }, every = 1 })
      stim:disarm()]])
    local before = {}
    for _, row in ipairs(rows) do
      before[#before + 1] = row.event == "pulse" and row or nil
    end
    assert.is_true(#before >= 3 and #before < 7)
    for i, row in ipairs(before) do -- two a block, and the last is of the plan behind
      assert.are.equal(tostring(i), row.trial)
      assert.are.equal(i == #before and tostring(tonumber(before[i - 1].block) + 1) or tostring((i + 1) // 2),
        row.block)
    end
  end)

  it("has a place for pulses that are left out, and none where a record knows no map", function()
    local record, text = records.in_memory()
    record:set_actions({ { channel = "1", mso = 40, intensity = 40, reference = "MSO" } },
      { confirms = false })
    record:set_stimuli(stimuli.of(mp.pulse(mp.mso(40)):label "a":times(4, { every = 1 }):block(), 1))
    record:start(1000)
    record:pulse(1, 0, 0, 0, 1, 1000)
    record:skipped(2, 1000000000, 5000000, 1, "late")
    record:skipped(3, 2000000000, nil, 1, "setting")
    record:next_play({ { channel = "1", mso = 40, intensity = 40, reference = "MSO" } }, { confirms = false })
    record:set_stimuli(stimuli.of(mp.pulse(mp.mso(40)):block(), 1))
    record:pulse(1, 3000000000, 3000000000, 0, 1, 1000)
    record:next_play({ { channel = "1", mso = 40, intensity = 40, reference = "MSO" } }, { confirms = false })
    record:set_stimuli(nil)
    record:pulse(1, 4000000000, 4000000000, 0, 1, 1000)
    record:close()
    shell.write(folder .. "/events.tsv", text())
    assert.are.equal("a 1 1, a 2 1, a 3 1, pulse 4 2, pulse - -",
      places((shell.rows(folder .. "/events.tsv"))))
  end)

  --- What is in a JSON text, with its keys in their order.
  local function keys_of(text)
    local list = {}
    for key in text:gmatch '\n  "([%w_]+)": {' do
      list[#list + 1] = key
    end
    return list
  end

  it("is described, column by column, in events.json", function()
    local path, rows = run("protocol", block)
    local text = shell.read(path .. "/events.json")
    local described = cjson.decode(text)
    assert.are.equal(core.event_header, table.concat(keys_of(text), "\t") .. "\n")
    for name, each in pairs(described) do
      assert.is_string(each.LongName, name)
      assert.is_true(#each.Description > 5, name)
    end
    for _, row in ipairs(rows) do -- what has levels has no other value
      for name, each in pairs(described) do
        assert.is_true(not each.Levels or row[name] == "n/a" or each.Levels[row[name]] ~= nil,
          name .. row[name])
      end
    end
    assert.are.equal("s", described.onset.Units)
    assert.are.equal("us", described.lateness_us.Units)
    assert.are.same({ "train", "twin", "weak" }, (function()
      local found = {}
      for level in pairs(described.trial_type.Levels) do
        found[#found + 1] = (level == "train" or level == "twin" or level == "weak") and level or nil
      end
      table.sort(found)
      return found
    end)())
  end)

  it("is a regular table to Python's csv module, whatever a mark says", function()
    local path = run("experiment", [[
      stim:arm()
      run:mark '"start' run:mark 'a "b" c' run:mark "it's"
      stim:fire(mp.pulse(mp.mso(50)):label "TS, 50 % (it's)")
      stim:disarm()]])
    if shell.sh(folder, "python3 -c 'import csv, json'") ~= 0 then
      pending("python3 is not installed")
      return
    end
    shell.write(folder .. "/look.py", [[
import csv, json, sys
rows = list(csv.reader(open(sys.argv[1] + "/events.tsv", newline="", encoding="utf-8"), delimiter="\t"))
assert {len(row) for row in rows} == {20}, rows
assert all(cell for row in rows for cell in row), rows
assert list(json.load(open(sys.argv[1] + "/events.json"))) == rows[0]
print([row[15] for row in rows if row[4] == "mark"], [row[2] for row in rows if row[4] == "pulse"])
]])
    local status, out = shell.sh(folder, ("python3 %s/look.py %s"):format(folder, path))
    assert.are.equal(0, status)
    assert.are.equal([=[['armed', '\\x22start', 'a "b" c', "it's"] ["TS, 50 % (it's)"]]=] .. "\n", out)
  end)

  it("gives counts by condition", function()
    local text = core.event_header
    local function add(index, trial, condition, status, percent, mso)
      text = text .. core.event_row { event = "pulse", index = index, pulse = index,
        planned_ns = index * 1000000000,
        sent_ns = status ~= "late" and index * 1000000000 or nil, status = status, condition = condition,
        trial = trial, tail = core.event_action("1", mso, percent, "RMT") }
    end
    add(1, 1, "SICI", "delivered", 80, 40)
    add(2, 1, "SICI", "delivered", 120, 60)
    add(3, 2, "TS", "sent", 120, 60)
    add(4, 3, "SICI", "late", 80, 40)
    add(5, 3, "SICI", "perhaps_sent", 120, 61)
    assert.are.same({
      { condition = "SICI", pulses = 4, trials = 2, delivered = 2, perhaps = 1, mso = { lowest = 40,
        highest = 61 },
        intensities = { { reference = "RMT", lowest = 80, highest = 120 } } },
      { condition = "TS", pulses = 1, trials = 1, delivered = 1, perhaps = 0, mso = { lowest = 60,
        highest = 60 },
        intensities = { { reference = "RMT", lowest = 120, highest = 120 } } },
    }, conditions.of_events(assert(read.parse(text, "rows"))))
    local older = text:gsub("\t[^\t\n]*\t[^\t\n]*\n", "\n") -- it has no such columns
    assert.is_nil(conditions.of_events(assert(read.parse(older, "rows")))[1].trials)
  end)

  it("is known for a kind where nobody gave it a label, whatever kind it is", function()
    local pulse = mp.pulse(mp.mso(40))
    local pair = mp.pair { isi = mp.ms(2), intensity = mp.mso(40) }
    local train = mp.train { pulses = 3, hz = 10, intensity = mp.mso(40) }
    local apart = mp.pulse(mp.mso(30)) .. mp.rest(mp.ms(20)) .. pair
    local kinds = {}
    for _, plan in ipairs { pulse, pair, train, mp.burst { pulses = 3, hz = 50, intensity = mp.mso(40) },
      mp.theta_burst { pulses = 3, hz = 50, theta_hz = 5, on = 2, off = 8, cycles = 2,
        intensity = mp.mso(40) }, mp.trials { of = { pulse, pair, train }, every = 2 },
      mp.trials { of = { apart }, every = 2 }, mp.together { a = pulse, b = mp.rest(1) .. train } } do
      for _, name in ipairs(stimuli.of(plan, 1).conditions) do
        kinds[name] = true
        assert.is_true(checks.is_kind(name), name)
      end
    end
    for name in pairs { pulse = true, pair = true, burst = true, train = true, trial = true } do
      assert.is_true(kinds[name], name)
    end
    assert.is_true(checks.is_kind "together") -- parts too many to be put in order
    assert.is_false(checks.is_kind "sham")
  end)

  it("is in the manifest, planned", function()
    assert.are.same({ twin = 8, weak = 2, train = 3, pulse = 1 },
      fixture.manifest((run("protocol", block))).conditions)
  end)
end)

describe("the map of a plan that a folder holds", function()
  local function problem(change)
    local map = cjson.decode(cjson.encode(stimuli.of(mp.trials { of = { mp.pulse(mp.mso(40)):label "a",
      mp.pair { isi = mp.ms(2), intensity = mp.mso(40) } }, every = 1 }:times(3, { gap = 1 }), 1)))
    change(map)
    local facts, message = schema.flight { actions = {}, wire_ns = {}, marks = {}, latency_ns = 0,
      trials = map }
    return facts, message
  end

  it("is taken as it was written, or is missing", function()
    assert.are.equal(2, #problem(function() end).trials.conditions)
    assert.is_nil(schema.flight { actions = {}, wire_ns = {}, marks = {}, latency_ns = 0 }.trials)
  end)

  it("is refused in words where it is none", function()
    for sentence, change in pairs {
      ["trials.conditions is no list"] = function(map) map.conditions = 5 end,
      ["trials.conditions[1].at is not text"] = function(map) map.conditions[1] = "a\27b" end,
      ["trials.parts is no list"] = function(map) map.parts = nil end,
      ["trials.parts[1].c is not a whole number from 1 to 2"] = function(map) map.parts[1].c = 3 end,
      ["trials.parts[1].n is not"] = function(map) map.parts[1].n = -1 end,
      ["trials.parts[1].row is no list"] = function(map) map.parts[1].n = nil end,
      ["row is no list of parts before it"] = function(map) map.parts[#map.parts].row[1] = #map.parts end,
      ["row[2].at is not a whole number"] = function(map) map.parts[#map.parts].row[2] = 0 end,
      ["row is empty, or too deep"] = function(map) map.parts[#map.parts].row = {} end,
      ["flat is no list of pulses, condition, trial and block"] = function(map)
        map.parts[1] = { flat = { 1, 9, 1, 0 } }
      end,
      ["trials.root is none of its parts"] = function(map) map.root = 99 end,
    } do
      local facts, message = problem(change)
      assert.is_nil(facts, sentence)
      assert.matches(sentence, message, 1, true)
    end
  end)

  it("is too deep where it would take for ever", function()
    local facts, message = problem(function(map)
      for i = 2, 1200 do
        map.parts[i] = { row = { i - 1, 2 } }
      end
    end)
    assert.is_nil(facts)
    assert.matches("too deep", message, 1, true)
  end)
end)
