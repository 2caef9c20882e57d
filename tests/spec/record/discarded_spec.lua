-- What a stop threw away with what the port still held: no row that may be of it says "sent".
local outcomes = require "moonpulse.record.outcome"
local records = require "moonpulse.record"

local MS, S = 1000000, 1000000000
local begin = 1000 * S

--- Rows of a record with a pulse each second, the first at 0, told and advanced as they go; told(record)
--- comes behind them.
local function rows_of(count, confirms, told)
  local record, text = records.in_memory()
  record:set_actions({ { channel = "1", mso = 40, intensity = 40, reference = "MSO" } },
    { confirms = confirms })
  record:start(begin)
  for i = 1, count do
    local at_ns = (i - 1) * S
    record:event("set_intensity", at_ns - 10 * MS, at_ns - 10 * MS, "sent", nil, 1)
    record:pulse(i, at_ns, at_ns, 0, 1, begin + at_ns)
    record:advance(at_ns)
  end
  told(record)
  record:halt(begin + count * S)
  record:stopped(true)
  record:close()
  local pulses, settings = {}, {}
  for line in (text()):gmatch("[^\n]+") do
    local event = line:match("^[^\t]*\t0\t[^\t]*\t%d+\t([%a_]+)")
    local status = line:match("\t([%a_]+)" .. ("\t[^\t]*"):rep(5) .. "$")
    local list = event == "pulse" and pulses or event and settings or {}
    list[#list + 1] = status == "perhaps_sent" and "?" or status and status:sub(1, 1)
  end
  return table.concat(pulses), table.concat(settings), record
end

describe("the record of a stop that threw something away", function()
  it("doubts what was sent from an instant on, whether its row is in the file already or not", function()
    for _, case in ipairs { { nil, "sssss", "sssss" }, { 0, "sssss", "sssss" },
      { begin + 5 * S, "sssss", "sssss" }, { begin + 4 * S, "ssss?", "sssss" },
      { begin + 4 * S - 10 * MS, "ssss?", "ssss?" }, { begin + 1500 * MS, "ss???", "ss???" },
      { 1, "?????", "?????" } } do
      local pulses, settings, record = rows_of(5, false, function(of) outcomes.cut(of, case[1], 0) end)
      assert.are.same({ case[2], case[3] }, { pulses, settings })
      assert.are.equal(5, record.pulses_sent) -- they count as given
      assert.are.equal(select(2, pulses:gsub("%?", "")), record.perhaps)
    end
  end)

  it("counts the device's latency as its rows do", function()
    for latency_ms, expected in pairs { "sss??", "ssss?" } do
      assert.are.equal(expected, (rows_of(5, false, function(of)
        outcomes.cut(of, begin + 2999 * MS, latency_ms * MS)
      end)))
    end
  end)

  it("believes what the device confirmed, before the stop or after, and all that came before it", function()
    local pulses, settings = rows_of(5, true, function(of)
      of:confirm(20 * MS, "pulse")
      of:confirm(S + 20 * MS, "pulse")
      outcomes.cut(of, 1, 0)
      of:confirm(2 * S + 20 * MS, "pulse")
    end)
    assert.are.same({ "ddd??", "ss???" }, { pulses, settings })
  end)

  it("doubts nothing of what was sent after it, by a script that armed anew", function()
    local record, text = records.in_memory()
    record:set_actions({ { channel = "1", mso = 40, intensity = 40, reference = "MSO" } },
      { confirms = false })
    record:start(begin)
    record:pulse(1, 0, 0, 0, 1, begin)
    record:advance(3 * S)
    outcomes.cut(record, begin, 0)
    record:pulse(2, 4 * S, 4 * S, 0, 1, begin + 4 * S)
    record:close()
    local seen = {}
    for status in (text()):gmatch("MSO\t([%a_]+)") do
      seen[#seen + 1] = status
    end
    assert.are.same({ "perhaps_sent", "sent" }, seen)
  end)
end)

describe("a run that was killed", function()
  local flights = require "moonpulse.record.recover_flight"

  --- Records in a row: "a" armed on ports that say what they hold, "A" on one that does not; "x" stopped;
  --- numbers: a frame was sent at that second.
  local function cut(...)
    local list = {}
    for i, what in ipairs { ... } do
      local kind = what == "x" and "stopped" or tonumber(what) and "sent" or "alive"
      list[i] = { kind = kind, sent_ns = tonumber(what) and what * S or 7, detail = what == "A" and 1 or 0 }
    end
    return flights.cut_by_guard(list)
  end

  it("is in doubt for what its guard may have thrown away", function()
    assert.is_nil(cut())
    assert.is_nil(cut("a"))
    assert.is_nil(cut("a", 3, "x"))
    assert.is_nil(cut("a", 3, "x", "a"))
    assert.are.equal(4 * S, cut("a", 3, 5))
    assert.are.equal(4 * S, cut("a", 3, "x", "a", 5))
    assert.are.equal(7, cut("A", 3, 5))
  end)
end)
