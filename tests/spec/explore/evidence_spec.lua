--- What explore reads of a run is what stands there: against patterns, on whole lines and on damaged ones.
local core = require "moonpulse.core"
local evidence = require "moonpulse.explore.evidence"
local play = require "moonpulse.explore.play"
local shell = require "shell"

local tointeger = math.tointeger

-- all columns of events.tsv
local row_pattern = "^(%-?%d+)%.(%d%d%d%d%d%d%d%d%d)\t[^\t]*\t([^\t]*)\t(%d+)\t([%a_]+)\t([^\t]*)\t"
  .. "([^\t]*)\t([^\t]*)\t([^\t]*)\t[^\t]*\t[^\t]*\t([^\t]*)\t[^\t]*\t[^\t]*\t"
  .. "([^\t]*)\t([^\t]*)\t([^\t]*)\t[^\t]*\t([^\t]*)\t([^\t]*)$"

local function ns_of(text)
  local us = tonumber(text)
  return us and math.floor(us * 1000 + 0.5)
end

local function row_of(line)
  local whole, part, condition, index, event, number, planned, sent, confirmed, mso, status, reply, by, trial,
    block = line:match(row_pattern)
  local ns = whole and tointeger(part)
  return whole and { onset = tointeger(whole) * 1000000000 + (whole:byte() == 45 and -ns or ns),
    index = tointeger(index), event = event, number = tointeger(number), planned = ns_of(planned),
    sent = ns_of(sent), confirmed = ns_of(confirmed), mso = tonumber(mso), status = status, reply = reply,
    timed_by = by, condition = condition, trial = tointeger(trial), block = tointeger(block) }
end

local cells = {
  { "0.000000000", "12.345678901", "-0.000000003", "-3.100000000", "1234567.000000001" }, { "0" },
  { "train", "at 69", "n/a", "" }, { "1", "77", "100000" }, { "pulse", "mark", "set_intensity" },
  { "1", "n/a", "9000" }, { "0.000", "12345.678", "n/a", "-0.004", "1000000000.001", "3.5" },
  { "0.000", "12.346", "n/a" }, { "20000.000", "n/a" }, { "0.000", "n/a", "-1.5" }, { "1", "n/a" },
  { "29", "44.5", "n/a", "0" }, { "64", "1.5" }, { "AMT", "n/a" }, { "delivered", "sent", "late" },
  { "dI/dt 38 A/us", "n/a", "accepted by the unit" }, { "host", "device" }, { "read", "n/a" },
  { "1", "2", "n/a" }, { "n/a", "1" },
}

local function line_of(at)
  local line = {}
  for i, choices in ipairs(cells) do
    line[i] = choices[(at * (2 * i + 1) + at // (i + 2)) % #choices + 1]
  end
  return table.concat(line, "\t")
end

describe("what explore reads of a run", function()
  it("is each row of events.tsv, as whole numbers of nanoseconds", function()
    local lines, wanted = { "header" }, {}
    for i = 1, 500 do
      lines[i + 1], wanted[i] = line_of(i), row_of(line_of(i))
    end
    local rows, odd = core.left_rows(table.concat(lines, "\n") .. "\n")
    assert.is_nil(odd)
    assert.are.equal(500, #rows)
    for i, row in ipairs(rows) do
      assert.are.same(wanted[i], row)
      for key, value in pairs(row) do
        assert.are.equal(math.type(wanted[i][key]), math.type(value), key)
      end
    end
  end)

  it("is no line that is damaged, and the first of them is told", function()
    local odd_ones, taken = 0, 0
    for i = 1, 3000 do
      local line = line_of(i % 90)
      local at = i * 7 % #line + 1
      line = line:sub(1, at - 1) .. ("\t.x9-"):sub(i % 5 + 1, i % 5 + 1) .. line:sub(at + i % 2)
      local rows, odd = core.left_rows("header\n" .. line .. "\n" .. line_of(1) .. "\n")
      local wanted = row_of(line)
      assert.are.same(wanted or row_of(line_of(1)), rows[1], line)
      assert.are.equal(wanted and 2 or 1, #rows, line)
      assert.are.equal(not wanted and line or nil, odd)
      odd_ones, taken = odd_ones + (odd and 1 or 0), taken + (odd and 0 or 1)
    end
    assert(odd_ones > 500 and taken > 500, odd_ones .. " are odd, " .. taken .. " are taken")
    local rows, odd = core.left_rows("header\n" .. line_of(1) .. "\n" .. line_of(2))
    assert.are.same({ 1, "the last line has no end" }, { #rows, odd })
    assert.are.same({ {} }, { core.left_rows "" })
    assert.are.same({ {}, "the last line has no end" }, { core.left_rows "header" })
  end)

  it("has no time that nanoseconds cannot say", function()
    local function planned(us)
      return core.left_rows(("header\n1.000000000\tn/a\tc\t1\tpulse\t1\t%s%s\n"):format(us,
        ("\tn/a"):rep(13)))[1].planned
    end
    for whole in pairs { ["5"] = 1, ["8999999999999999"] = 1 } do
      assert.are.equal(math.tointeger(whole .. "250"), planned(whole .. ".250"))
    end
    for _, us in ipairs { "9223372036854776.000", "9223372036854775.900", "99999999999999999.000" } do
      assert.is_nil(planned(us), us)
    end
  end)

  it("is each pulse that the simulator gave, and all else that it heard", function()
    local given, log = core.left_given("time\tevent\tbytes\tnote\tchannel\tintensity\twaveform\tmode\n"
      .. "1000.001302084\tget\tfe01\tstatus 2\tn/a\tn/a\tn/a\tn/a\n"
      .. "1001.000000001\tpulse\tfe02\t\t1\t29\tbiphasic\tstandard\n"
      .. "1002.000000000\tpulse\tfe02\t\t1\t29.5\tbiphasic\tstandard\n"
      .. "1003.5\tset\tfe\t\tn/a\tn/a\tn/a\tn/a\n" -- no time
      .. "1003.500000000\tdisarm\tn/a\tno command for 1 s\tn/a\tn/a\tn/a\tn/a\n1004.000000000\tpulse\tfe")
    assert.are.same({ { ns = 1001000000001, channel = "1", mso = 29 },
      { ns = 1002000000000, channel = "1", mso = 29.5 } }, given)
    assert.are.equal("integer", math.type(given[1].mso))
    assert.are.same({ { ns = 1000001302084, event = "get", bytes = "fe01", note = "status 2" },
      { ns = 1003500000000, event = "disarm", bytes = "n/a", note = "no command for 1 s" } }, log)
  end)

  -- seed 31303: the pulse was given to the cut train's row, which is there for up to the tolerance
  it("is of each pulse its row: one that was sent for it before one of a cut train", function()
    local function train(hz, pulses, ref, value)
      return { parts = { { kind = "train", hz = { hz, 1 }, pulses = pulses, ref = ref, value = value } } }
    end
    local folder = shell.folder()
    local run = play.run({ device = "stimjim", kind = "experiment", late = "abort", timing = "device",
      seed = 31303, tolerance_ms = 1, troubles = {}, script = { {
        { what = "arm" }, { what = "cut", after = 0.300592, plan = train(20, 5, "MSO", 40) },
        { what = "arm" }, { what = "fire", plan = train(1, 2, "RMT", 119) },
      } } }, folder)
    shell.remove(folder)
    local function status_of_each(text)
      local list = {}
      run.simulator_text = text
      for i, pulse in ipairs(evidence.read(run).given) do
        local row = pulse.row
        list[i] = ("%g %s"):format(pulse.mso, row and row.number .. " " .. row.status or "none")
      end
      return list
    end
    local text = run.simulator_text
    assert.are.same({ "40 1 sent", "40 2 sent", "59.5 6 delivered", "59.5 7 delivered" },
      status_of_each(text))
    -- one that the cut train gave all the same has its own row, which says that it was stopped
    local line = "(1000%.40)(%d+)(\tpulse[^\n]*\t)59%.5(\t[^\n]*\n)"
    local with_one_more, count = text:gsub(line, function(s, ns, event, more)
      return ("%s%07d%s40%s%s%s%s59.5%s"):format(s, ns - 300000, event, more, s, ns, event, more)
    end)
    assert.are.equal(1, count, text)
    assert.are.same({ "40 1 sent", "40 2 sent", "40 5 stopped", "59.5 6 delivered", "59.5 7 delivered" },
      status_of_each(with_one_more))
  end)

  -- seed 70000307: its rows are so much later, for the write had not returned, that they met other pulses
  it("is of each pulse of a train its row, where the write that began it stalled for whole intervals",
    function()
      local folder = shell.folder()
      local run = play.run({ device = "pulsepal", kind = "protocol", late = "skip", timing = "device",
        seed = 70000307, tolerance_ms = 1,
        plan = { parts = { { kind = "train", hz = { 1, 1 }, pulses = 21, ref = "MSO", value = 67 },
          { kind = "rest", s = 5 },
          { kind = "train", hz = { 10, 1 }, pulses = 9, ref = "MSO", value = 40 } } },
        troubles = { { what = "port", kind = "stalled", at_s = 26, stall_ms = 700, take = 0 } } }, folder)
      shell.remove(folder)
      local numbers = {}
      for i, pulse in ipairs(evidence.read(run).given) do
        assert.are.equal(i, pulse.row and pulse.row.number)
        numbers[i] = pulse.row.onset - pulse.row.planned
      end
      assert.are.equal(30, #numbers)
      assert.are.equal(700000000, numbers[30])
    end)
end)
