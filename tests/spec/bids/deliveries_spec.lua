-- From a plan and what was delivered of it to the rows of nibs.tsv, and back: a row stands for the pulses
-- that were delivered, and for no other.
local bids = require "bids"
local closing = require "moonpulse.bids.closing"
local expand = require "moonpulse.bids.expand"
local fractions = require "moonpulse.bids.fraction"
local json = require "cjson"
local plans = require "moonpulse.protocol.plan_file"
local mp = require "moonpulse"
local protocols = require "moonpulse.protocol.catalogue"
local params = require "moonpulse.protocol"
local tables = require "moonpulse.bids.tables"
local tsv = require "moonpulse.bids.tsv"

--- All shipped protocols as plan files. What the source leaves open is given.
local function shipped()
  local list = {}
  for _, protocol in ipairs(protocols.all()) do
    local given = {}
    for _, name in ipairs(params.open(protocol, {})) do
      given[name] = "45%MSO"
    end
    local values = assert(params.values(protocol, given, {}))
    local plan = assert(params.build(protocol, values, 1))
    list[#list + 1] = { id = protocol.id, text = plans.write(plan, { id = protocol.id, nerve = protocol.nerve,
      seed = 1 }) }
  end
  return list
end

--- The tables of a run of which these rows are.
local function written(made, is_nerve)
  local files = {}
  tables.write(made, { manifest = { thresholds = { rmt = 50, amt = 50 }, device = { name = "magventure" } },
    is_nerve = is_nerve, description = "x", task = "rest" }, {}, "s", files)
  local sidecar = json.decode(files["s_nibs.json"])
  return tsv.parse(files["s_nibs.tsv"]), function(name)
    return sidecar[name] and sidecar[name].Units
  end, tsv.parse(files["s_events.tsv"]), files
end

--- What was delivered, as a run's events.tsv has it.
local function timeline(pulses)
  local list = {}
  for i, pulse in ipairs(pulses) do
    list[i] = { onset = ("%.9f"):format(pulse.onset), duration = "0", event = pulse.pulse and "pulse"
      or "unasked_pulse", pulse = pulse.pulse, status = pulse.pulse and pulse.status,
      onset_planned_us = pulse.planned and ("%.3f"):format(pulse.planned), channel = pulse.channel,
      onset_sent_us = ("%.3f"):format(pulse.onset * 1e6), intensity_mso = pulse.mso,
        intensity = pulse.intensity, intensity_ref = pulse.ref }
  end
  return tsv.parse(tsv.write({ "onset", "duration", "event", "pulse", "status", "onset_planned_us",
    "onset_sent_us", "channel",
    "intensity_mso", "intensity", "intensity_ref" }, list))
end

--- A table as its text.
local function text_of(found)
  local lines = { table.concat(found.columns, "\t") }
  for i, row in ipairs(found.rows) do
    lines[i + 1] = table.concat(row, "\t")
  end
  return table.concat(lines, "\n") .. "\n"
end

local function differences(text, change)
  local made, _, is_nerve, pulses = bids.rows(text, change)
  local nibs, unit, events = written(made, is_nerve)
  return closing.compare(nibs, unit, events, text_of(timeline(pulses))), made
end

local drawn = { io_curve = 40, paired_pulse_block = 60, tmseeg_sp = 100 }
local two = { pas10 = true, pas25 = true, prime_ctbs_itbs = true }

describe("the shipped protocols as rows", function()
  local list = shipped()

  it("are one row, or two where a nerve or a second block is, and stand for all pulses", function()
    local whole = 0
    for _, each in ipairs(list) do
      local found, made = differences(each.text)
      assert.are.same({}, found, each.id)
      if not drawn[each.id] then
        whole = whole + 1
        assert.are.same({ two[each.id] and 2 or 1, 0 }, { #made.rows, made.singles }, each.id)
      end
    end
    assert.are.equal(50, #list)
    assert.are.equal(47, whole)
  end)

  it("have one delivery for each stimulus where rests are drawn", function()
    local counts = {}
    for _, each in ipairs(list) do
      if drawn[each.id] then
        local made = bids.rows(each.text)
        counts[each.id] = #made.events
      end
    end
    assert.are.same(drawn, counts)
  end)

  it("lose one pulse, and what stands for the rest is exactly the rest", function()
    local some = { bilateral_seq = true, ccpas = true, ctbs300 = true, itms_iwave = true, lici = true,
      paired_pulse_block = true, pas25 = true }
    for _, each in ipairs(list) do
      if some[each.id] then
      assert.are.same({}, (differences(each.text, function(pulses)
        table.remove(pulses, #pulses // 2 + 1)
      end)), each.id)
      end
    end
  end)
end)

describe("delivered is not planned:", function()
  local first = mp.train { pulses = 3, hz = 50, intensity = mp.amt(80) }:times(10, { every = 0.2 })
  local plan = first .. mp.rest(8.14) .. mp.train { pulses = 5, hz = 10, intensity = mp.amt(80) }
  local text = plans.write(plan, { id = "two", seed = 1 })

  --- "row x pulses" of each event.
  local function shape(change)
    local found, made = differences(text, change)
    assert.are.same({}, found)
    local list = {}
    for i, event in ipairs(made.events) do
      list[i] = event.row.id
    end
    return table.concat(list, " "), made
  end

  it("whole blocks are patterns, each at its onset", function()
    local names, made = shape()
    assert.are.equal("two_1 two_2", names)
    assert.are.same({ 0, 10.0 }, { made.events[1].onset, made.events[2].onset })
    assert.are.same({ 2.0, 0.5 }, { made.events[1].duration + 0.14,
      made.events[2].duration })
    assert.is_true(made.rows[1].verified and made.rows[2].verified)
  end)

  it("a block with a pulse that was left out has no pattern, the other has", function()
    local names = shape(function(pulses) table.remove(pulses, 33) end)
    assert.are.equal("two two_pulse two_pulse two_pulse two_pulse", names)
  end)

  it("so it is where a pulse came late, was given otherwise, perhaps, or at another intensity", function()
    for _, change in ipairs {
      function(pulse) pulse.status, pulse.as_planned, pulse.onset = "late", false, pulse.onset + 0.03 end,
      function(pulse) pulse.status, pulse.as_planned = "otherwise", false end,
      function(pulse) pulse.status, pulse.as_planned = "perhaps_sent", false end,
      function(pulse) pulse.mso = pulse.mso + 1 end,
      function(pulse) pulse.condition = "another" end,
    } do
      local names = shape(function(pulses) change(pulses[32]) end)
      assert.matches("^two two_pulse%S* two_%S* two_pulse", names)
    end
  end)

  it("a run that was stopped has what it gave", function()
    local names, made = shape(function(pulses)
      return table.move(pulses, 1, 4, 1, {})
    end)
    assert.are.equal("two two two two", names)
    assert.are.equal(4, made.rows[1].pulses)
  end)

  it("one that the device did not confirm is not verified", function()
    local _, made = shape(function(pulses) pulses[35].status = "sent" end)
    assert.are.same({ true, false }, { made.rows[1].verified, made.rows[2].verified })
  end)

  it("a pulse that nobody sent has its row", function()
    local names = shape(function(pulses)
      table.insert(pulses, { onset = 5.5, channel = "1", status = "unasked", as_planned = false })
    end)
    assert.are.equal("two_1 two_pulse two_2", names)
  end)

  it("single pulses say when they came, and when they were to come", function()
    local made, _, is_nerve = bids.rows(text, function(pulses)
      pulses[31].onset, pulses[31].lateness, pulses[31].as_planned = 10.0005, 500, false
    end)
    local _, _, events = written(made, is_nerve)
    local row = events.rows[2]
    assert.are.same({ "10.0005", "0", "10", "0.0005", "40", "delivered" }, { tsv.cell(events, row, "onset"),
      tsv.cell(events, row, "duration"), tsv.cell(events, row, "onset_planned"),
      tsv.cell(events, row, "lateness"), tsv.cell(events, row, "intensity_mso"),
      tsv.cell(events, row, "pulse_status") })
  end)

  it("conditions tell rows apart, and events name them", function()
    local _, made = differences(text, function(pulses)
      for i, pulse in ipairs(pulses) do
        pulse.condition = i <= 30 and "burst A" or "train"
      end
    end)
    assert.are.same({ "two_burstA", "two_train" }, { made.rows[1].id, made.rows[2].id })
  end)
end)

describe("the closing check", function()
  local text = plans.write(mp.train { pulses = 4, hz = 10, intensity = mp.amt(80) }:times(3, { every = 2 }),
    { id = "x", seed = 1 })

  --- What it says where the tables or the run were changed.
  local function said(change)
    local made, _, is_nerve, pulses = bids.rows(text)
    local nibs, unit, events = written(made, is_nerve)
    local given = timeline(pulses)
    change(nibs, events, given)
    return table.concat((closing.compare(nibs, unit, events, text_of(given))), "\n")
  end

  local function set(found, row, name, value)
    found.rows[row][assert(found.index[name], name)] = value
  end

  it("finds each number that is changed", function()
    assert.are.equal("", said(function() end))
    assert.matches("stand for 15 pulses, and 12 were", said(function(nibs) set(nibs, 1, "pattern1_count",
      "5") end))
    assert.matches("pulse 2 %(x%): the tables have it at 0.1010+ s, the run at 0.10+ s",
      said(function(nibs) set(nibs, 1, "pattern1_interval", "101") end))
    assert.matches("at 2.000005 s, the run at 2.000000 s",
      said(function(nibs) set(nibs, 1, "pattern2_interval", "2000.005") end))
    assert.matches("intensity is 41", said(function(nibs) set(nibs, 1, "stimulus_intensity", "41") end))
    assert.matches("at 0.000002 s, the run at 0.0", said(function(_, events) set(events, 1, "onset",
      "0.000002") end))
    assert.matches("stand for 12 pulses, and 11 were", said(function(_, _,
      given) table.remove(given.rows) end))
    assert.matches("y is no row", said(function(_, events) set(events, 1, "nibs_event_id", "y") end))
    assert.matches("pattern1_count is no whole number",
      said(function(nibs) set(nibs, 1, "pattern1_count", "3.5") end))
    assert.matches("stand for 12 pulses, and 0 were", said(function(_, _, given)
      for i = 1, 12 do
        set(given, i, "status", "stopped")
        set(given, i, "onset_sent_us", "n/a") -- with a sent time it was given: record/counted.lua
      end
    end))
  end)

  it("takes a microsecond for the same", function()
    assert.are.equal("", said(function(_, events) set(events, 1, "onset", "0.0000009") end))
  end)
end)

describe("an interval", function()
  it("is said without a rounded digit, in milliseconds or in hertz, or not at all", function()
    local rows = require "moonpulse.bids.rows"
    local function said(text)
      return { rows.said(fractions.parse(text)) }
    end
    assert.are.same({ "interval", "20" }, said "1/50")
    assert.are.same({ "interval", "1.5" }, said "3/2000")
    assert.are.same({ "frequency", "30" }, said "1/30")
    assert.are.same({ "frequency", "0.9" }, said "10/9")
    assert.are.same({}, said "7/9")
  end)

  it("that cannot be said is no layer: its parts have rows of their own, and none is lost", function()
    local plan = mp.pulse { intensity = mp.mso(40) }:times(6, { every = 7 / 9 })
    local text = plans.write(plan, { id = "odd", seed = 1 }):gsub("every %d+/%d+", "every 7/9")
    text = text:gsub("sha256 %x+", function() return "sha256 "
      .. plans.sha256(text:match("^(.*\n)sha256")) end)
    local found, made = differences(text)
    assert.are.same({}, found)
    assert.are.equal(6, #made.events)
  end)

  it("may be left out where count and duration are given", function()
    local cells = { pattern1_count = "4", pattern1_duration = "2000", stimulus_intensity = "40" }
    local offsets = expand.row(function(name) return cells[name] end, function() return "ms" end)
    assert.are.same({ 0, 0.5, 1, 1.5 }, offsets)
  end)
end)
