-- The pulses of two tables, one of which may be from anywhere: every cell that the plan decides is compared,
-- in tables of every shape, and no number in a table says how long that takes.
local core = require "moonpulse.core"
local pulses = require "moonpulse.verify.pulses"

local names = {}
for name in core.event_header:gmatch("[^\t\n]+") do
  names[#names + 1] = name
end

local compared = { trial_type = true, channel = true, intensity = true, intensity_ref = true, trial = true,
  block = true, intensity_mso = true, timed_by = true, onset_planned_us = true }

--- The rows of so many pulses, as lists of cells by name.
local function rows_of(count, blocks)
  local rows = {}
  for i = 1, count do
    local row = { onset = ("%.9f"):format(i), duration = "0", trial_type = i % 3 == 0 and "real" or "sham",
      index = tostring(i), event = "pulse", pulse = tostring(i), onset_planned_us = ("%.3f"):format(i * 1e6),
      onset_sent_us = ("%.3f"):format(i * 1e6 + 7), onset_confirmed_us = "n/a", lateness_us = "0.500",
      channel = "1", intensity_mso = tostring(40 + i % 5), intensity = tostring(40 + i % 5),
      intensity_ref = "MSO", status = "delivered", reply = "ok", timed_by = "host", setting_proof = "read",
      trial = tostring(i), block = blocks and tostring(i // 10 + 1) or "n/a" }
    rows[i] = row
  end
  return rows
end

local function text_of(rows, columns, ends)
  local lines = { table.concat(columns, "\t") }
  for _, row in ipairs(rows) do
    local cells = {}
    for i, name in ipairs(columns) do
      cells[i] = row[name] or "n/a"
    end
    lines[#lines + 1] = table.concat(cells, "\t")
  end
  return table.concat(lines, "\n") .. (ends or "\n")
end

--- What differs, a text for each; it ends, or is no function of what is there.
local function look(text, made, more)
  local how, found = { whole = true, same_device = true, what = "the plan gives",
    since = function() return 0 end }, {}
  for key, value in pairs(more or {}) do
    how[key] = value
  end
  debug.sethook(function() error("it goes on and on", 0) end, "", 20000000)
  local ok, problem = pcall(pulses.compare, text, made, how, { differ = function(_, _, line, form, ...)
    found[#found + 1] = ("%s: %s"):format(line or "-", form:format(...))
  end })
  debug.sethook()
  assert(ok, problem)
  return found
end

describe("the pulses of a table", function()
  local turned = table.move(names, 1, #names, 1, {})
  table.sort(turned)
  -- the other table's shape; a line that is no row of it makes each one be looked at by itself
  local shapes = { { names, "\n" }, { turned, "\n" }, { names, "\nodd\n" }, { names, "\n\n" } }

  it("are compared cell by cell, whatever the shape of the table", function()
    for _, blocks in ipairs { true, false } do
      local made = text_of(rows_of(60, blocks), names)
      for _, shape in ipairs(shapes) do
        assert.are.same({}, look(text_of(rows_of(60, blocks), shape[1], shape[2]), made))
        for _, name in ipairs(names) do
          local rows = rows_of(60, blocks)
          rows[23][name] = name == "onset_planned_us" and "23000000.100" or "77"
          local found = look(text_of(rows, shape[1], shape[2]), made)
          if compared[name] then
            assert.are.equal(1, #found, name)
            assert.matches(("^24: pulse 23: %s is "):format(name), found[1])
          elseif name == "pulse" then
            assert.matches("^%-: it has no row of pulse 23, and the plan gives one on channel 1, 43 %%MSO",
              found[1])
            assert.are.equal("24: pulse 77 is one more than the plan gives", found[2])
          elseif name == "event" then
            assert.are.equal(1, #found)
          else
            assert.are.same({}, found, name)
          end
        end
      end
    end
  end)

  it("of another device may be a step apart, each of them", function()
    local rows = rows_of(60)
    for _, row in ipairs(rows) do
      row.intensity_mso, row.timed_by = tostring(tonumber(row.intensity_mso) + 0.5), "device"
    end
    local text, made = text_of(rows, names), text_of(rows_of(60), names)
    assert.are.same({}, look(text, made, { same_device = false }))
    assert.are.equal(20, #look(text, made)) -- so many are named
    rows[9].intensity_mso = "60"
    assert.matches("^10: pulse 9: intensity_mso is 60", look(text_of(rows, names), made,
      { same_device = false })[1])
  end)

  it("are those that are there, not as many as a number says", function()
    local made = text_of(rows_of(5), names)
    for _, number in ipairs { "9000000000000000", "9007199254740993", "9223372036854775807",
      "-9223372036854775808", "0", "1e300" } do
      for _, shape in ipairs(shapes) do
        local rows = rows_of(5)
        rows[5].pulse = number
        local text = table.concat(look(text_of(rows, shape[1], shape[2]), made), "\n")
        assert.matches("it has no row of pulse 5", text, 1, true)
        look(made, text_of(rows, shape[1], shape[2]))
        assert.are.same({}, look(made, text_of(rows, shape[1], shape[2]), { whole = false, upto = 4 }))
      end
    end
  end)

  it("are in the order of their numbers, in whatever order the rows are", function()
    local rows = rows_of(40)
    for i = 1, 20 do
      rows[i], rows[41 - i] = rows[41 - i], rows[i]
    end
    local last = 0
    assert.are.same({}, look(text_of(rows, names), text_of(rows_of(40), names), { since = function(pulse)
      assert.is_true(pulse > last)
      last = pulse
      return 0
    end }))
  end)

  it("are no tables of cells where they are the same, though a million are", function()
    local cells, split = require "moonpulse.text.cells", 0
    local of = cells.of
    cells.of = function(line)
      split = split + 1
      return of(line)
    end
    package.loaded["moonpulse.verify.pulses"] = nil
    local fresh = require "moonpulse.verify.pulses"
    cells.of, package.loaded["moonpulse.verify.pulses"] = of, pulses
    local text = text_of(rows_of(2000), names)
    fresh.compare(text, text, { whole = true, same_device = true, what = "", since = function() return 0 end
    }, { differ = error })
    assert.is_true(split < 60, tostring(split))
  end)

  it("of no table are none", function()
    for _, text in ipairs { "", "\n", "pulse\n", "pulse\n1\n", core.event_header, "odd",
      ("\t"):rep(80) .. "\n1" } do
      assert.are.same({}, look(text, text), text)
      assert.are.equal(3, #look(text, text_of(rows_of(3), names)))
    end
  end)
end)
