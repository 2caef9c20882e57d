--- Rows of events.tsv as the record has them written by the engine: against a plain formatting of the same
--- values, and read again.
local cjson = require "cjson"
local core = require "moonpulse.core"
local read = require "moonpulse.record.read"
local records = require "moonpulse.record"
local shell = require "shell"

local tsv = "the table"

--- The same row by string.format.
local function plain(row)
  local function us(ns)
    return ns and ("%.3f"):format(ns / 1e3) or "n/a"
  end
  return ("%.9f\t0\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n"):format(
    (row.sent_ns or row.planned_ns) / 1e9, row.condition or row.event, row.index, row.event,
    row.pulse or "n/a", us(row.planned_ns), us(row.sent_ns), us(row.confirmed_ns), us(row.late_ns),
    row.tail or "n/a\tn/a\tn/a\tn/a", row.status, row.reply or "n/a", row.timed_by or "n/a",
    row.proof or "n/a", row.trial or "n/a", row.block or "n/a")
end

local events = { "pulse", "set_intensity", "mark", "unasked_pulse" }
local statuses = { "delivered", "sent", "otherwise", "late", "close", "setting", "stopped", "perhaps_sent",
  "not_taken", "passed" }

--- One by chance; some of it is missing.
local function random_row(index)
  local function perhaps(value)
    return math.random(3) > 1 and value or nil
  end
  local function time() -- of some days at most
    return math.random(4) > 1 and math.random(0, 10 ^ math.random(15) // 1) or -math.random(0, 10000000000)
  end
  return {
    event = events[math.random(#events)], index = index, pulse = perhaps(math.random(1000000)),
    planned_ns = time(), sent_ns = perhaps(time()), confirmed_ns = perhaps(time()), late_ns = perhaps(time()),
    tail = perhaps(core.event_action(tostring(math.random(4)), math.random(0, 1000) / 8, math.random() * 200,
      "RMT")),
    status = statuses[math.random(#statuses)], reply = perhaps("dI/dt " .. math.random(150)),
    timed_by = perhaps(math.random(2) == 1 and "host" or "device"),
    proof = perhaps(math.random(2) == 1 and "read" or "none"), condition = perhaps "LICI 100 ms",
    trial = perhaps(math.random(2000)), block = perhaps(math.random(12)),
  }
end

describe("a row of events.tsv", function()
  it("is, byte for byte, what plain formatting makes of its values", function()
    math.randomseed(11)
    for i = 1, 20000 do
      local row = random_row(i)
      local expected, found = plain(row), core.event_row(row)
      assert.is_true(expected == found, cjson.encode(row) .. "\n" .. expected .. found)
    end
  end)

  it("has an action as plain formatting makes it", function()
    for _, case in ipairs { { "1", 36, 80, "AMT" }, { "left", 0.1 + 0.2, 1 / 3, "MSO" },
      { "4", 1e-9, 123456789.25, "RMT" }, { "2", 100.0, 1e15, "RMT" } } do
      assert.are.equal(("%s\t%.9g\t%.9g\t%s"):format(table.unpack(case)),
        core.event_action(table.unpack(case)))
    end
  end)

  it("takes whole numbers of any kind, and what is no time is not known", function()
    local row = { event = "mark", index = 1, planned_ns = 2500.0, status = "passed" }
    assert.matches("\t2.500\tn/a\tn/a\tn/a\t", core.event_row(row), 1, true)
    for _, ns in ipairs { 1 / 0, -1 / 0, 0 / 0, math.maxinteger, math.mininteger, 1e300, "soon", false } do
      row.sent_ns = ns
      assert.matches("^0.000002500\t0\tmark\t1\tmark\tn/a\t2.500\tn/a\t", core.event_row(row))
    end
  end)

  it("is one line whatever a driver says, and is never lost for it", function()
    local strange = setmetatable({}, { __tostring = function() return "strange\n" end })
    local long = ("x"):rep(100000)
    for _, case in ipairs { { "a\tb\nc", "a\\x09b\\x0Ac" }, { "\0", "\\x00" }, { 47, "47" },
      { strange, "strange\\x0A" }, { long, long }, { "ä", "ä" }, { "", "n/a" },
      { '"start"', '\\x22start"' }, { 'say "go"', 'say "go"' } } do
      local text = core.event_row { event = "pulse", index = 1, planned_ns = 0, status = "delivered",
        reply = case[1] }
      local cells = shell.cells(text:sub(1, -2))
      assert.are.equal(select(2, core.event_header:gsub("\t", "")) + 1, #cells)
      assert.are.equal(case[2], cells[16])
      assert.are.equal("\n", text:sub(-1))
      assert.is_nil((text:sub(1, -2):gsub("\t", ""):find("%c")))
    end
    assert.are.equal("c\\x09d\t1\t2\tR\\x0A", core.event_action("c\td", 1, 2, "R\n"))
  end)

  it("is read again as it was written", function()
    local text = core.event_header .. core.event_row { event = "pulse", index = 1, pulse = 9,
      planned_ns = 1500, sent_ns = 2500, confirmed_ns = 20000000, late_ns = 750,
      tail = core.event_action("2", 40.5, 90, "RMT"),
      status = "delivered", reply = "dI/dt 47 A/us", timed_by = "host", proof = "read",
      condition = "SICI", trial = 4, block = 2 }
    local list = assert(read.parse(text, tsv))
    local row = list.pulses[1]
    assert.are.equal(0, list.incomplete)
    for key, value in pairs { onset = 2.5e-6, trial_type = "SICI", trial = 4, block = 2, event = "pulse",
      pulse = 9, planned = 1.5, sent = 2.5, confirmed = 20000, lateness = 0.75, channel = "2",
      mso = 40.5, intensity = 90, ref = "RMT", status = "delivered", reply = "dI/dt 47 A/us",
      timed_by = "host" } do
      assert.are.equal(value, row[key], key)
    end
  end)

  it("has the columns of docs/record.md, in that order, under the header of every record", function()
    local documented = {}
    for names in shell.read("docs/record.md"):match("%-|\n(.-)\n\n"):gmatch("|%s*(`[%l_`, ]+`)%s*|[^\n]*") do
      for name in names:gmatch("`([%l_]+)`") do
        documented[#documented + 1] = name
      end
    end
    assert.are.equal(core.event_header, table.concat(documented, "\t") .. "\n")
    local record, content = records.in_memory()
    record:close()
    assert.are.equal(core.event_header, content())
  end)
end)
