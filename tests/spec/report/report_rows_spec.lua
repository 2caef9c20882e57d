-- The rows of events.tsv as the report reads them: a million in a second or two, each number as it stands.
local core = require "moonpulse.core"
local page = require "moonpulse.report.page"
local record = require "moonpulse.record.read"

local header = "onset\tduration\ttrial_type\tindex\tevent\tpulse\tonset_planned_us\tonset_sent_us\t"
  .. "onset_confirmed_us\tlateness_us\tchannel\tintensity_mso\tintensity\tintensity_ref\tstatus\treply\t"
  .. "timed_by\tsetting_proof\n"

--- The table of count pulses at 10 Hz.
local function train(count)
  local lines = { header }
  for i = 1, count do
    local us = (i - 1) * 100000
    lines[#lines + 1] = ("%d.%06d000\t0\tpulse\t%d\tpulse\t%d\t%d.000\t%d.000\t%d.000\t0.000\t1\t"
      .. "40\t40\tMSO\tdelivered\t57 A/us\thost\techo\n"):format(us // 1000000, us % 1000000, i, i, us, us,
      us + 3000)
  end
  return table.concat(lines)
end

--- How many instructions of Lua call() takes.
local function instructions(call)
  local count = 0
  debug.sethook(function() count = count + 100 end, "", 100)
  call()
  debug.sethook()
  return count
end

describe("core.rows", function()
  local columns = { { key = "n", most = 1e6 }, false, { key = "k", most = 1e9, whole = true }, true }

  local function read(text)
    local list = {}
    for row, rest, found in core.rows(text, 1, columns) do
      list[#list + 1] = row and { row, rest, found } or false
    end
    return list
  end

  it("gives numbers by their keys, and the other cells together", function()
    assert.are.same({ { { n = 1.5, k = 7 }, "a", 5 }, { { n = -3, k = 8 }, "a", 5 }, { {}, "", 0 } },
      read "1.5\ta\t7\tx\r\n\n-3\ta\t8.0\ty\n\t\t\t")
    assert.are.same({ { { k = 1 }, "a b", 4 } }, read "n/a\ta b\t1\t")
  end)

  it("gives no row for a line with more or fewer cells, and goes on", function()
    assert.are.same({ { { n = 1, k = 2 }, "same", 5 }, false, false, { { n = 1, k = 2 }, "same", 5 } },
      read "1\tsame\t2\t\n1\tother\t2\n1\tothers\t2\tx\ty\n1\tsame\t2\t")
    assert.are.same({}, read "\n\r\n")
  end)

  it("takes every number as Lua does, to the last bit, and nothing else", function()
    local cells = { "0", "-0", "-0.0", "00012", "1.", ".5", "+5", "1e5", "1E-3", "-1e5", "--1", "1.2.3",
      "0x10", "nan", "inf", "-inf", "1e400", "999999", "1000000", "1000000.5", "123456789012345",
      "0.123456789012345", "5 ", " 5", "1,5", "9007199254740993", "1e", "-", ".", "", "n/a", ("9"):rep(70),
      "0." .. ("3"):rep(60),
      "0.000000001", "123456.000000001", "1\0002" }
    math.randomseed(7)
    for _ = 1, 20000 do
      local format = ("%%.%df"):format(math.random(0, 12))
      cells[#cells + 1] = format:format((math.random() - 0.5) * 10 ^ math.random(-8, 8))
    end
    for _, cell in ipairs(cells) do
      local value = cell:find("^[%d%.eE+-]+$") and tonumber(cell) or nil
      if value and (value ~= value or math.abs(value) > 1e6) or #cell > 63 then
        value = nil
      end
      local row = read(cell .. "\tx\t\t")[1][1]
      assert.are.equal(value, row.n, cell)
      assert.are.equal(math.type(value), math.type(row.n), cell)
    end
  end)

  it("takes whole numbers as such", function()
    for cell, value in pairs { ["5"] = 5, ["5.0"] = 5, ["5.5"] = false, ["1e3"] = 1000, ["1e9"] = 1000000000,
      ["1000000001"] = false, ["-2"] = -2 } do
      local row = read("\tx\t" .. cell .. "\t")[1][1]
      assert.are.equal(value or nil, row.k, cell)
      assert.are.equal(value and "integer" or nil, math.type(row.k))
    end
  end)

  it("ends lines at breaks of every kind, also where there is one kind only", function()
    for _, ending in ipairs { "\n", "\r", "\r\n", "\n\r\r" } do
      local text, wanted = "", {}
      for i = 1, 4 do
        text, wanted[i] = text .. i .. "\ta\t" .. 2 * i .. "\t" .. ending, { { n = i, k = 2 * i }, "a", 5 }
      end
      assert.are.same(wanted, read(text))
      assert.are.same(wanted, read(text:sub(1, -1 - #ending)))
    end
    assert.are.same({ { { n = 1 }, "a", 1 }, { { n = 2 }, "a", 1 } }, read "1\ta\t\t\r2\ta\t\t\n")
  end)

  it("only finds what no row needs", function()
    local found = {}
    for row, rest, bits in core.rows("1\ta\t2\n1\ta\tx\n", 1, { { key = "n", most = 9 }, false,
      { key = "k", most = 9, only_found = true } }) do
      found[#found + 1] = { row, rest, bits }
    end
    assert.are.same({ { { n = 1 }, "a", 5 }, { { n = 1 }, "a", 1 } }, found)
  end)

  it("refuses columns that are none", function()
    assert.has_error(function() core.rows("a", 1, {}) end)
    assert.has_error(function() core.rows("a", 1, { {} }) end)
    assert.has_error(function() core.rows("a", 3, columns) end)
  end)
end)

describe("the report of a long run", function()
  it("takes little for each pulse", function()
    -- a million pulses once took 40 s, in which the end of the run could not be told from one that hangs
    local text, few, events = train(20000), train(200), nil
    local function build(of)
      events = assert(record.parse(of, "events.tsv"))
      return page.build({ speed = "max", result = { status = "completed", pulses_planned = #events.pulses } },
        events, "x")
    end
    local before = instructions(function() build(few) end)
    local each = (instructions(function() build(text) end) - before) / 19800
    assert.is_true(each < 600, ("%.0f instructions a pulse"):format(each))
  end)

  it("keeps little of each pulse in memory", function()
    local text = train(20000)
    collectgarbage()
    collectgarbage()
    local before = collectgarbage "count"
    local events = assert(record.parse(text, "events.tsv"))
    collectgarbage()
    local each = (collectgarbage "count" - before) * 1024 / #events.pulses
    assert.are.equal(20000, #events.pulses)
    assert.is_true(each < 400, ("%.0f bytes a pulse"):format(each))
  end)

  it("knows what each row says, in whatever order the kinds of rows come", function()
    local shared = "1\t40\t40\tMSO\tsent\tn/a\thost\tnone\n"
    local text = header .. "0.000000000\t0\ta\t1\tpulse\t1\t0.000\t1.500\tn/a\t1.500\t" .. shared
      .. "n/a\t0\ta\t2\tpulse\t2\t100000.000\tn/a\tn/a\tn/a\t" .. shared
      .. "0.200001500\t0\ta\t3\tpulse\t3\t200000.000\t200001.500\t203000.000\tn/a\t" .. shared
      .. "0.3\t0\ta\t4\tpulse\t4\t300000.000\t300001.500\tn/a\tn/a\t"
      .. "2\t50\t110\tRMT\tdelivered\t\1\tdevice\tnone\n"
      .. "0.35\t0\ta\t5\tmark\tn/a\t350000\tn/a\tn/a\tn/a\tn/a\tn/a\tn/a\tn/a\tpassed\thello\tn/a\tnone\n"
      .. "0.4\t0\ta\t6\tunasked_pulse\tn/a\t400000\tn/a\t400000\tn/a\tn/a\tn/a\tn/a\tn/a\t"
      .. "delivered\tx\tn/a\tnone\n"
    local events = assert(record.parse(text, "events.tsv"))
    local said = {}
    for i, row in ipairs(events.pulses) do
      said[i] = { row.pulse, row.time, row.lateness, row.was_sent, row.is_confirmed, row.unmeasured,
        row.channel, row.mso, row.intensity, row.ref, row.reply }
    end
    assert.are.same({
      { 1, 0.0, 1.5, true, false, false, "1", 40, 40, "MSO" },
      { 2, 0.1, nil, true, false, false, "1", 40, 40, "MSO" },
      { 3, 0.2000015, 1.5, true, true, false, "1", 40, 40, "MSO" },
      { 4, 0.3, nil, true, true, true, "2", 50, 110, "RMT", "\\x01" },
    }, said)
    assert.are.same({ "hello", 0.35 }, { events.marks[1].reply, events.marks[1].time })
    assert.are.same({ "x", 0.4 }, { events.unasked[1].reply, events.unasked[1].time })
  end)
end)
