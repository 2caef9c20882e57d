-- The pulses of a table against those of the plans made again: every cell that a plan decides is held, every
-- other one is free, in whatever order the rows are; and what a number says costs nothing.
local chance = require "chance"
local core = require "moonpulse.core"
local findings_of = require "moonpulse.verify.findings"
local left = require "moonpulse.verify.left"
local pulses = require "moonpulse.verify.pulses"

local columns = {}
for name in core.event_header:match("[^\n]*"):gmatch("[^\t]+") do
  columns[#columns + 1] = name
end
local decided = { trial_type = "SICI", channel = "2", intensity = "61", intensity_ref = "RMT", trial = "9",
  block = "4", intensity_mso = "31", timed_by = "unit" }
local free = { onset = "7.5", duration = "1", index = "9999", onset_sent_us = "17",
  onset_confirmed_us = "n/a", lateness_us = "900.5", status = "skipped", reply = "late",
  setting_proof = "n/a" }

local function row_of(pulse)
  return { onset = ("%.6f"):format(pulse), duration = "0", trial_type = "TS", index = tostring(pulse + 1),
    event = "pulse", pulse = tostring(pulse), onset_planned_us = ("%d.000"):format(pulse * 1000000),
    onset_sent_us = "1", onset_confirmed_us = "2", lateness_us = "3", channel = "1", intensity_mso = "30",
    intensity = "60", intensity_ref = "MSO", status = "delivered", reply = "ok", timed_by = "host",
    setting_proof = "read", trial = "1", block = "1" }
end

local function rows_of(count)
  local rows = {}
  for pulse = 1, count do
    rows[pulse] = row_of(pulse)
  end
  return rows
end

local function text_of(rows)
  local lines = { (core.event_header:match("[^\n]*")) }
  for _, row in ipairs(rows) do
    local cells = {}
    for i, name in ipairs(columns) do
      cells[i] = row[name]
    end
    lines[#lines + 1] = table.concat(cells, "\t")
  end
  return table.concat(lines, "\n") .. "\n"
end

--- What is told, with at most so many steps of Lua.
local function told(text, made, how)
  local findings, list = findings_of.new(), {}
  how = how or {}
  debug.sethook(function() error("it does not end", 2) end, "", 20000000)
  local ok, message = pcall(pulses.compare, text, made, { whole = how.whole ~= false, what = "the plan has",
    since = how.since or function() return 0 end, stop = how.stop,
    same_device = how.same_device ~= false }, findings)
  debug.sethook()
  assert(ok, message)
  for i, each in ipairs(findings.differs) do
    list[i] = ("%s: %s"):format(each.line or "-", each.text)
  end
  return list
end

describe("pulses against those of the plan", function()
  it("name every cell that a plan decides, with its line, and no other", function()
    local made = text_of(rows_of(6))
    assert.are.same({}, told(made, made))
    for pulse = 1, 6, 5 do
      for name, value in pairs(decided) do
        local rows = rows_of(6)
        rows[pulse][name] = value
        assert.are.same({ ("%d: pulse %d: %s is %s, and the plan has %s"):format(pulse + 1, pulse, name,
          value, row_of(pulse)[name]) }, told(text_of(rows), made))
      end
      for name, value in pairs(free) do
        local rows = rows_of(6)
        rows[pulse][name] = value
        assert.are.same({}, told(text_of(rows), made), name)
      end
    end
    local rows = rows_of(6)
    rows[4].intensity_mso, rows[5].timed_by, rows[6].intensity_mso = "31", "unit", "32"
    assert.are.same({ "7: pulse 6: intensity_mso is 32, and the plan has 30" },
      told(text_of(rows), made, { same_device = false }))
  end)

  it("hold the planned times, later by what the plan began later", function()
    local made, rows = text_of(rows_of(3)), rows_of(3)
    for pulse = 1, 3 do
      rows[pulse].onset_planned_us = ("%.3f"):format(pulse * 1e6 + 250.5)
    end
    assert.are.equal(3, #told(text_of(rows), made))
    local later = { since = function(pulse) return pulse < 3 and 250500 or nil end }
    assert.are.same({}, told(text_of(rows), made, later))
    rows[2].onset_planned_us = "2000250.502"
    assert.are.same({ "3: pulse 2: onset_planned_us is 2000250.502, and the plan has 2000250.500" },
      told(text_of(rows), made, later))
  end)

  it("are found in any order of rows, and each is there once", function()
    local made = text_of(rows_of(50))
    for seed = 1, 20 do
      local draw, rows = chance.new(seed), rows_of(50)
      for i = 50, 2, -1 do
        local j = draw:draw(1, i)
        rows[i], rows[j] = rows[j], rows[i]
      end
      assert.are.same({}, told(text_of(rows), made))
      local at = draw:draw(1, 50)
      rows[at].intensity = "61"
      assert.are.same({ ("%d: pulse %s: intensity is 61, and the plan has 60"):format(at + 1,
        rows[at].pulse) }, told(text_of(rows), made))
    end
    local rows = rows_of(4)
    rows[2].pulse = "3"
    assert.are.same({ "-: it has no row of pulse 2, and the plan has one on channel 1, 60 %MSO",
      "3: pulse 3: onset_planned_us is 2000000.000, and the plan has 3000000.000",
      "4: pulse 3 has a row already" }, told(text_of(rows), text_of(rows_of(4))))
  end)

  it("are not asked for where the run was stopped, and none is one too many", function()
    local made = text_of(rows_of(4))
    assert.are.same({}, told(text_of(rows_of(2)), made, { whole = false }))
    assert.are.equal(2, #told(text_of(rows_of(2)), made))
    assert.are.same({ "6: pulse 5 is one more than the plan has" }, told(text_of(rows_of(5)), made))
  end)

  it("are behind a stop by their own device's way at most", function()
    local entries = { { kind = "begin", devices = { { place = "left", channels = { "1" } },
      { place = "right", channels = { "2" } } } },
      { kind = "play", latency_ns = "0", devices = {
        { place = "left", latency_ns = 0, wire_ns = { 1000000 } },
        { place = "right", latency_ns = 5000000, wire_ns = { 3000000 } } } },
      { kind = "stop", reason = "gone", at_ns = "2000000000" } }
    --- Of two pulses, the second so many milliseconds behind the stop.
    local function behind(ms, channel, lines)
      local rows = rows_of(2)
      rows[2].onset_planned_us, rows[2].channel = ("%d.000"):format(2000000 + ms * 1000), channel
      local text = text_of(rows)
      return told(text, text, { whole = false, stop = left.bounds({}, lines or entries, function() end) })
    end
    assert.are.same({}, behind(8, "2"))
    assert.are.same({ "3: pulse 2 is planned for 2.009000 s, and the run was stopped at 2.000000 s" },
      behind(9, "2"))
    assert.are.same({}, behind(1, "1"))
    assert.are.equal(1, #behind(2, "1")) -- the other one's way is not its
    local alone = { { kind = "begin" }, { kind = "play", latency_ns = "5000000", wire_ns = { "1000000" } },
      entries[3] }
    assert.are.same({}, behind(6, "1", alone))
    assert.are.equal(1, #behind(7, "1", alone))
  end)

  it("end, whatever number a row says, and whatever the table is", function()
    local made = text_of(rows_of(3))
    for _, number in ipairs { "9000000000000000", "9007199254740992", "9223372036854775807", "1e15",
      "0x7fffffff", "-9000000000000000", "0", "1e300", "nan", "n/a", "" } do
      local rows = rows_of(3)
      rows[3].pulse = number
      local list = told(text_of(rows), made)
      assert.matches("it has no row of pulse 3", table.concat(list, "\n"), 1, true)
    end
    for _, text in ipairs { "", "\n", "onset\tpulse\n1\t1\n", (made:gsub("\t", "\t\t", 1)) } do
      assert.matches("^1: its first line is not that of a record: onset\tduration", told(text, made)[1])
    end
    assert.are.equal(3, #told(made:match("^[^\n]*"), made))
    assert.are.equal(1, #told(made:gsub("\n$", "\t\n"), made)) -- a cell too many
  end)
end)
