-- The table of a run as columns, against the same as rows: of tables that are longer than a part of them,
-- that lack columns, are torn, or are in another order than the plan.
local columns = require "moonpulse.record.columns"
local read = require "moonpulse.record.read"
local shell = require "shell"

local HEADER = { "onset", "duration", "trial_type", "event", "pulse", "trial", "onset_planned_us",
  "onset_sent_us", "onset_confirmed_us", "lateness_us", "channel", "intensity", "intensity_ref",
  "intensity_mso", "status", "reply", "timed_by" }

local statuses = { "delivered", "sent", "late", "perhaps_sent", "skipped", "external" }

--- One row as a table by its column, drawn.
local function drawn(i)
  local function some(value, one_of)
    return math.random(one_of or 5) > 1 and value or "n/a"
  end
  local event = math.random(30)
  local at_us = i * 5e5 + math.random(1000)
  return { onset = some(("%.9f"):format(at_us / 1e6)), duration = "0",
    trial_type = ({ "pulse", "A", "B" })[math.random(3)],
    event = event == 1 and "mark" or event == 2 and "code" or event == 3 and "unasked_pulse"
      or event == 4 and "nothing" or "pulse",
    pulse = some(tostring(i), 9), trial = some(tostring(i // 3)),
    onset_planned_us = some(("%.3f"):format(at_us), 9),
    onset_sent_us = some(("%.3f"):format(at_us + math.random(90))),
    onset_confirmed_us = some(("%.3f"):format(at_us + 9e3)), lateness_us = some(tostring(math.random(99)), 3),
    channel = some(tostring(math.random(2))), intensity = tostring(40 + math.random(3)),
    intensity_ref = "MSO", intensity_mso = some "41", status = some(statuses[math.random(#statuses)]),
    reply = some "C0 FE", timed_by = "host" }
end

local function text_of(rows, names, line_end)
  local lines = { table.concat(names, "\t") }
  for _, row in ipairs(rows) do
    local cells = {}
    for i, name in ipairs(names) do
      cells[i] = row[name]
    end
    lines[#lines + 1] = table.concat(cells, "\t")
  end
  return table.concat(lines, line_end or "\n") .. (line_end or "\n")
end

--- All that a kind says, and the numbers of a row, by one key each.
local kind_keys = { "trial_type", "event", "channel", "ref", "mso", "intensity", "status", "reply",
  "timed_by", "was_sent", "delivered", "is_confirmed", "external", "unmeasured" }

local function assert_alike(row, other, keys, i)
  for _, key in ipairs(keys) do
    if row[key] ~= other[key] then
      assert.are.equal(row[key], other[key], ("%s of row %d"):format(key, i))
    end
  end
end

--- How many trials there are by condition: each counts once, also where it goes on later.
local function assert_trials(rows, pulses)
  local seen, expected, name_of = {}, {}, {}
  for _, row in ipairs(rows) do
    local key = row.trial and ("%s %d"):format(row.trial_type, row.trial)
    if key and not seen[key] then
      seen[key], expected[row.trial_type] = true, (expected[row.trial_type] or 0) + 1
    end
  end
  for number, kind in ipairs(pulses.kinds) do
    name_of[number] = kind.trial_type
  end
  assert.are.same(expected, columns.trials(pulses, name_of))
end

describe("the table of a run as columns", function()
  local folder, path

  setup(function()
    folder = shell.folder()
    path = folder .. "/events.tsv"
  end)
  teardown(function() shell.remove(folder) end)

  local function assert_same(text)
    shell.write(path, text)
    local rows = assert(read.events(path))
    local found = assert(columns.of(path, { time = true, pulse = true, trial = true, lateness = true }))
    local pulses = found.pulses
    assert.are.equal(rows.incomplete, found.incomplete)
    assert.are.equal(#rows.pulses, pulses.count)
    for i, row in ipairs(rows.pulses) do
      local kind = pulses.kind[i]
      assert_alike(row, pulses.kinds[kind], kind_keys, i)
      assert_alike({ at_us = row.planned or (row.onset or 0) * 1e6, has_planned = row.planned ~= nil,
        time = row.time or false, pulse = row.pulse or false, trial = row.trial or false,
        lateness = row.lateness or false },
        { at_us = pulses.at_us[i], has_planned = pulses.has[kind].planned or false, time = pulses.time[i],
          pulse = pulses.pulse[i], trial = pulses.trial[i], lateness = pulses.lateness[i] },
        { "at_us", "has_planned", "time", "pulse", "trial", "lateness" }, i)
    end
    for _, name in ipairs { "marks", "codes", "unasked" } do
      assert.are.equal(#rows[name], #found[name])
      for i, row in ipairs(rows[name]) do
        assert_alike(row, found[name][i], kind_keys, i)
        assert_alike(row, found[name][i], { "time", "onset", "pulse", "planned", "sent", "trial",
          "lateness" }, i)
      end
    end
    local sum = 0
    for _, each in ipairs(columns.counts(pulses)) do
      sum = sum + each.count
      assert.are.equal("pulse", each.kind.event)
    end
    assert.are.equal(pulses.count, sum)
    assert_trials(rows.pulses, pulses)
    return pulses
  end

  local function table_of(count)
    local rows = {}
    for i = 1, count do
      rows[i] = drawn(i)
    end
    return rows
  end

  it("says of each row what the rows say, also of a table that is read in parts", function()
    math.randomseed(7)
    local text = text_of(table_of(13000), HEADER)
    assert.is_true(#text > 5 << 18) -- more than one part
    assert_same(text)
  end)

  it("is in planned order whatever the table's is", function()
    math.randomseed(8)
    local rows = table_of(300)
    for i = #rows, 2, -1 do
      local other = math.random(i)
      rows[i], rows[other] = rows[other], rows[i]
    end
    local at_us = assert_same(text_of(rows, HEADER)).at_us
    for i = 2, #at_us do
      assert.is_true(at_us[i] >= at_us[i - 1])
    end
  end)

  it("is read where columns are missing, lines end otherwise and rows are torn", function()
    math.randomseed(9)
    for _, gone in ipairs { "onset", "pulse", "trial", "onset_sent_us", "lateness_us", "status",
      "channel" } do
      local names = {}
      for _, name in ipairs(HEADER) do
        names[#names + 1] = name ~= gone and name or nil
      end
      local text = text_of(table_of(60), names, gone == "trial" and "\r\n" or "\n")
      assert_same(text:sub(1, gone == "status" and -30 or -1))
    end
    assert_same(table.concat(HEADER, "\t"))
  end)

  it("keeps some numbers of each row, and neither a table nor a text for it", function()
    local lines, count = { "onset\tevent\tpulse\ttrial\tonset_planned_us\tstatus" }, 60000
    for i = 1, count do
      lines[i + 1] = ("%d.000000000\tpulse\t%d\t%d\t%d\tdelivered"):format(i, i, i, i * 1000000)
    end
    shell.write(path, table.concat(lines, "\n") .. "\n")
    lines = nil -- luacheck: ignore 311
    collectgarbage()
    local before = collectgarbage "count"
    local found = assert(columns.of(path, { time = true, pulse = true, trial = true }))
    collectgarbage()
    local bytes = (collectgarbage "count" - before) * 1024 / count
    assert.are.equal(count, found.pulses.count)
    assert.is_true(bytes < 160, ("%.0f bytes a row"):format(bytes)) -- a table of its own has 300 and more
  end)

  it("is refused as the rows are", function()
    for _, text in ipairs { "", "a\tb\n1\t2\n", ("x"):rep(70000), ("x\t"):rep(100) .. "\n" } do
      shell.write(path, text)
      local rows, why = read.events(path)
      local found, message = columns.of(path, {})
      assert.is_nil(rows)
      assert.is_nil(found)
      assert.are.equal(why, message)
    end
    for _, other in ipairs { folder, folder .. "/none.tsv", "/dev/null" } do
      local _, why = read.events(other)
      local found, message = columns.of(other, {})
      assert.is_nil(found)
      assert.are.equal(why, message)
    end
  end)
end)
