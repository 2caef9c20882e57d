-- Trains and event codes of a table of onsets: rounded onsets are the train that they were rounded from, no
-- pulse further from its row than the rounding; a device that refuses them is told why and what to write.
local core = require "moonpulse.core"
local even_onsets = require "moonpulse.compose.even_onsets"
local lfs = require "lfs"
local onset_table = require "moonpulse.protocol.onset_table"
local shell = require "shell"

local folder

--- A protocol beside its table; returns its path.
local function protocol(name, lines, options)
  shell.write(("%s/%s.tsv"):format(folder, name), table.concat(lines, "\n") .. "\n")
  local path = ("%s/%s.lua"):format(folder, name)
  shell.write(path, ('local mp = require "moonpulse"\nreturn mp.from_table("%s.tsv"%s)\n'):format(name,
    options and ", " .. options or ""))
  return path
end

--- Rows i / hz seconds after from, as text with so many decimals.
local function rows(list, hz, count, from, decimals, more)
  for i = 0, count - 1 do
    list[#list + 1] = ("%.*f\t30%%MSO"):gsub("%.%*", "." .. decimals):format(from + i / hz) .. (more or "")
  end
  return list
end

local function cells_of(text)
  local list = {}
  for line in text:gmatch("[^\n]+") do
    local cells = {}
    for cell in (line .. "\t"):gmatch("([^\t]*)\t") do
      cells[#cells + 1] = cell
    end
    list[#list + 1] = cells
  end
  return list
end

--- The seconds of a log's lines with event, from the first of them on.
local function seconds(path, event)
  local list = {}
  for _, cells in ipairs(cells_of((assert(shell.read(path))))) do
    if cells[2] == event then
      list[#list + 1] = tonumber(cells[1])
    end
  end
  for i = #list, 1, -1 do
    list[i] = list[i] - list[1]
  end
  return list
end

--- Of each pulse of moonpulse events: onset, condition, trial.
local function trials(path)
  local status, out, err = shell.moonpulse(folder, "events " .. path)
  assert.are.equal(0, status, err)
  local list, at = {}, {}
  for i, cells in ipairs(cells_of(out)) do
    for k, name in ipairs(i == 1 and cells or {}) do
      at[name] = k
    end
    list[i - 1] = ("%s %s %s"):format(cells[at.onset_us], cells[at.trial_type], cells[at.trial])
  end
  return list
end

local function run(path, options)
  local out = path .. ".runs"
  shell.remove(out)
  local status, said, err = shell.moonpulse(folder, ("run %s --out %s --speed max %s"):format(path, out,
    options))
  if status ~= 0 then
    return nil, err, status
  end
  for name in lfs.dir(out) do
    if name:find("^%d") then
      return out .. "/" .. name, said .. err
    end
  end
end

local rapid = "--device sim:rapid --device-option model=superplus"

describe("rounded onsets", function()
  it("are of the train that they were rounded from, each to its half digit, and of no longer one", function()
    for n = 1, 300 do
      local den = core.draw(3, 3 * n, 999) + 1000 -- 1 to 100 Hz, in steps of 0.05
      local num, unit = 1000000000 * 20 * den, ({ 1, 1000, 100000, 1000000 })[n % 4 + 1]
      den = 20 * den // 1000 * (core.draw(3, 3 * n + 1, 48) + 1)
      num = num // num * 1000000000 * 20 -- period = 20 s / den
      local from, onsets = core.draw(3, 3 * n + 2, 5000000000), {}
      for i = 0, 40 do
        onsets[i + 1] = (2 * (from * den + i * num) + unit * den) // (2 * unit * den) * unit
      end
      if 4 * unit * den <= num then
        local count, start = even_onsets.reach(onsets, 1, { num = num, den = den }, unit)
        assert.are.equal(41, count, n)
        for i, onset in ipairs(onsets) do
          assert.is_true(math.abs(start + (i - 1) * num / den - onset) <= unit / 2 + 1, n)
        end
        onsets[30] = onsets[30] + 2 * unit
        assert.are.equal(29, (even_onsets.reach(onsets, 1, { num = num, den = den }, unit)), n)
      end
    end
  end)

  it("have the roundest rate that all of them allow, or none", function()
    local function rate(hz, decimals, count)
      local onsets = {}
      for i = 0, count - 1 do
        onsets[i + 1] = onset_table.nanoseconds(("%.*f"):gsub("%.%*", "." .. decimals):format(i / hz))
      end
      return even_onsets.rate(onsets, math.tointeger(10 ^ (9 - decimals)))
    end
    for _, hz in ipairs { 3, 7, 12, 12.5, 15, 30, 50 } do
      for _, decimals in ipairs { 3, 4, 6, 9 } do
        assert.are.equal(("%g"):format(hz), rate(hz, decimals, 60))
      end
    end
    assert.are.equal("30.3", rate(30.3, 3, 60))
    assert.is_nil(even_onsets.rate({ 0, 33000000, 67000000, 103000000 }, 1000000))
  end)

  it("are written to as many digits as the longest of them", function()
    for text, unit in pairs { ["0.1 0.033"] = 1000000, ["7 1e1"] = 1000000000, ["0.5 1.5e-3"] = 100000,
      ["0.1234567891 2"] = 1 } do
      local list = {}
      for onset in text:gmatch("%S+") do
        list[#list + 1] = { cells = { onset = onset } }
      end
      assert.are.equal(unit, onset_table.rounded_to(list), text)
    end
  end)
end)

describe("a table's trains", function()
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  it("are refused as written by a device that times equal intervals, with the row and the rate", function()
    for _, decimals in ipairs { 3, 6, 9 } do
      local path = protocol("asis" .. decimals, rows({ "onset\tintensity" }, 15, 30, 0, decimals))
      local _, err, status = run(path, rapid)
      assert.are.equal(3, status)
      assert.matches(("pulse 3 after 66%%S* ms %%(asis%d.tsv:4%%); all 30 are 15 Hz"):format(decimals), err)
      assert.matches(('mp.from_table("asis%d.tsv", { hz = 15 }) gives that rate'):format(decimals), err, 1,
        true)
      assert.are.equal(decimals == 3, err:find("lines 2 to 31 are 15 Hz but for the rounding of their onsets "
        .. "to 1 ms, and are given as they are written, 67 ms and 66 ms apart", 1, true) ~= nil)
    end
    local path = protocol("other", { "onset\tintensity", "0\t30%MSO", "0.033\t30%MSO", "0.067\t30%MSO",
      "0.103\t30%MSO" })
    local _, err = run(path, rapid)
    assert.matches("pulse 3 after 34 ms (other.tsv:4): make them equal", err, 1, true)
  end)

  it("are the device's own at the rate that is named, and one trial each", function()
    local list = rows({ "onset\tintensity" }, 15, 30, 0.2, 3)
    rows(list, 12, 24, 21.25, 3)
    local path = protocol("named", list, "{ hz = { 12, 15 } }")
    local made = assert(run(path, rapid))
    local given = seconds(made .. "/twin.tsv", "pulse")
    assert.are.equal(54, #given)
    for i = 1, 54 do
      local at = i <= 30 and (i - 1) / 15 or 21.05 + (i - 31) / 12
      assert.is_true(math.abs(given[i] - at) < 2e-6 + 2e-4 * at, i) -- the unit's own clock is off by some
    end
    local status, out = shell.moonpulse(folder, "verify " .. made)
    assert.are.equal(0, status, out)
    list[31] = list[31] .. "\n12\t30%MSO"
    local found = trials(protocol("mixed", list, "{ hz = { 12, 15 } }"))
    assert.are.same({ "200000 train 1", "266667 train 1", "12000000 pulse 2", "21250000 train 3",
      "21333333 train 3" }, { found[1], found[2], found[31], found[32], found[33] })
  end)

  it("have their rows' condition, channel and code, and end where one of these is another", function()
    local list = rows({ "onset\tintensity\ttrial_type\tcode" }, 30, 6, 1, 3, "\tA\t7")
    rows(list, 30, 6, 1.2, 3, "\tA\t8")
    local path = protocol("like", list, "{ hz = 30 }")
    local found = trials(path)
    assert.are.same({ "1166667 A 1", "1200000 A 2" }, { found[6], found[7] })
    assert.are.equal(12, #found)
  end)

  it("are refused where the rate is none, or the table cannot tell", function()
    local list = rows({ "onset\tintensity" }, 30, 10, 0, 3)
    for options, why in pairs { ["{ hz = 20 }"] = "hz = 20: no two rows of bad.tsv that give the same are 50 "
      .. "ms apart, to the 1 ms", ["{ hz = { 30, 20 } }"] = "hz = 20: no two rows",
      ["{ hz = 0 }"] = "above 0", ["{ hz = { } }"] = "hz = { } names no rate",
      ["{ hz = 300 }"] = "hz = 300: no two rows" } do
      local status, _, err = shell.moonpulse(folder, "events " .. protocol("bad", list, options))
      assert.are.equal(2, status, options)
      assert.matches(why, err, 1, true)
    end
  end)
end)

describe("a table's codes", function()
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  it("stand at the box when the simulator gives their pulses", function()
    local path = protocol("codes", { "onset\tintensity\tisi\tcode", "0.5\t30%MSO\t\t7", "2.5\t30%MSO\t\tn/a",
      "4.25\t30%MSO\t0.05\t255", "6\t30%MSO\t\t1" })
    local made = assert(run(path, "--codes sim"))
    local pulses, found = seconds(made .. "/twin.tsv", "pulse"), {}
    for _, cells in ipairs(cells_of((assert(shell.read(made .. "/codes.tsv"))))) do
      if cells[2]:find("^[1-9]") then
        found[#found + 1] = { tonumber(cells[1]), cells[2] }
      end
    end
    assert.are.equal(5, #pulses)
    for i, expected in ipairs { { 1, "7" }, { 3, "255" }, { 4, "255" }, { 5, "1" } } do
      assert.are.equal(expected[2], found[i][2])
      assert.is_true(math.abs(found[i][1] - found[1][1] - pulses[expected[1]]) < 1e-6)
    end
    assert.are.equal(4, #found)
  end)

  it("are refused where they are none, or the plan has its own", function()
    for cell, why in pairs { ["0"] = 't.tsv:2: code is "0": an event code is a whole number from 1 to 255',
      ["256"] = 'code is "256"', ["7.0"] = 'code is "7.0"', ["-1"] = 'code is "-1"' } do
      local path = protocol("t", { "onset\tintensity\tcode", "1\t30%MSO\t" .. cell })
      local status, _, err = shell.moonpulse(folder, "events " .. path)
      assert.are.equal(2, status, cell)
      assert.matches(why, err, 1, true)
    end
    local path = protocol("t", { "onset\tcode", "1\t9" }, "{ of = mp.pulse(mp.mso(30)):code(7) }")
    local _, _, err = shell.moonpulse(folder, "events " .. path)
    assert.matches("t.tsv:2: code is 9, and what is given there has an event code already", err, 1, true)
  end)
end)
