--- Trains and trials however they are written: each number of a sheet against the rows of events.tsv, grouped
--- by the record's own number of the trial.
local cjson = require "cjson"
local shell = require "shell"

local folder
setup(function() folder = shell.folder() end)
teardown(function() shell.remove(folder) end)

local parts = [[
  local t = mp.train { pulses = 40, hz = 10, intensity = mp.rmt(100) }
  local slow = mp.train { pulses = 5, hz = 1, intensity = mp.rmt(100) }
  local pair = mp.pair { isi = mp.ms(400), intensity = { mp.rmt(80), mp.rmt(120) } }
  local pulse = mp.pulse(mp.rmt(110))
]]

local designs = {
  joined = "return (t .. mp.rest { min = 25, max = 35 }):times(5, { gap = 0 })",
  led = "return (mp.rest { min = 25, max = 35 } .. t):times(5, { gap = 0 })",
  first = "return t .. (mp.rest(26) .. t):times(4, { gap = 0 })",
  trials = "return mp.trials { of = { t, t, t, t, t }, shortest = 29, longest = 39 }",
  named = "return mp.trials { of = mp.shuffle { t:label 'a', t:label 'b', t:label 'a', t:label 'b' }, "
    .. "shortest = 29, longest = 39 }",
  ramp = "local all for k = 1, 10 do "
    .. "local more = mp.train { pulses = 40, hz = 10, intensity = mp.rmt(79 + k) } "
    .. "all = all and all .. mp.rest(26) .. more or more end return all",
  blocks = "local b = mp.trials { of = { t, t, t }, every = 30 }:block() return b .. mp.rest(300) .. b",
  uneven = "return t .. mp.rest(20) .. t .. mp.rest(40) .. t",
  slow = "return mp.trials { of = { slow, slow, slow, slow }, shortest = 12, longest = 14 }",
  mixed = "return mp.trials { of = mp.shuffle { t, t, slow, slow }, shortest = 12, longest = 14 }",
  beside = "return mp.trials { of = mp.shuffle { t, t, pulse, pulse }, shortest = 12, longest = 14 }",
  pairs = "return mp.trials { of = mp.shuffle { pair, pair, pulse, pair }, shortest = 5, longest = 7 }",
  close = "return mp.pulse(mp.rmt(100)) .. mp.rest(0.25) .. "
    .. "mp.pair { isi = mp.ms(3), intensity = mp.rmt(100) }",
  rapid = "return mp.trials { of = { pulse, pulse, pulse, pulse, pulse, pulse }, shortest = 0.2, "
    .. "longest = 0.5 }",
  each = "return pulse:times(30, { every = 0.2 }):times(3, { gap = 20 })",
}

--- The design's file and a run of it.
local function made(name)
  local path = ("%s/%s.lua"):format(folder, name)
  shell.write(path, ("local mp = require 'moonpulse'\nreturn mp.protocol { name = '%s', plan = function()\n"
    .. "%s%s\nend }\n"):format(name, parts, designs[name]))
  local status, out, err = shell.moonpulse(folder, ("run %s --rmt 50 --seed 3 --speed max --out %s/%s")
    :format(path, folder, name))
  assert(status == 0, err)
  return path .. " --rmt 50 --seed 3", out:match "\nrecord +(%S+)"
end

--- The trials of a run by its rows: onsets, number of pulses and block of each.
local function trials_of(run)
  local list = {}
  for _, row in ipairs((shell.rows(run .. "/events.tsv"))) do
    if row.event == "pulse" then
      local number, at = tonumber(row.trial), tonumber(row.onset_planned_us) / 1e6
      list[number] = list[number] or { first = at, pulses = 0, block = row.block }
      list[number].pulses, list[number].last = list[number].pulses + 1, at
    end
  end
  return list
end

local function sheet(what, name)
  local status, out, err = shell.moonpulse(folder, ("methods %s --checklist %s --json"):format(what, name))
  assert(status == 0, err)
  local by_number = {}
  for _, item in ipairs(cjson.decode(out).items) do
    by_number[item.number] = item.value or ""
  end
  return by_number
end

local function text_of(what)
  local status, out, err = shell.moonpulse(folder, "methods " .. what)
  assert(status == 0, err)
  return (out:gsub("%s+", " "))
end

local of_trains = { "N1", "N2", "N3", "N4", "N5", "N6", "N7" }
local of_pairs = { "L1", "L2", "L3", "L4", "L5", "L6", "L7" }

local function refused(items, numbers, words)
  for _, number in ipairs(numbers) do
    if items[number]:find(words) then
      return number .. ": " .. items[number]
    end
  end
end

--- How many trials have more than two, two and one pulse, and how many pulses each has that has most.
local function counts_of(trials)
  local counts = { trains = 0, pairs = 0, singles = 0, most = 0 }
  for _, trial in ipairs(trials) do
    local key = trial.pulses > 2 and "trains" or trial.pulses == 2 and "pairs" or "singles"
    counts[key], counts.most = counts[key] + 1, math.max(counts.most, trial.pulses)
  end
  return counts
end

describe("methods of trains and trials", function()
  it("never say that something does not apply which the rows have", function()
    for name in pairs(designs) do
      local path, run = made(name)
      local counts = counts_of(trials_of(run))
      for _, what in ipairs { path, run } do
        local items = sheet(what, "tms-rat")
        local found = counts.trains > 0 and refused(items, of_trains, "no trains")
          or counts.trains > 0 and refused(items, of_trains, "no repeated trains")
          or counts.trains > 1 and refused(items, of_trains, "apply: one train")
          or counts.pairs > 0 and refused(items, of_pairs, "no pairs")
          or counts.singles > 0 and name ~= "each" and refused(items, { "G1", "G2" }, "does not apply")
        assert.is_falsy(found, ("%s: %s"):format(what, found))
      end
    end
    -- single pulses at 5 Hz are trials of their own to the record, and 90 pulses in three trains to a reader
    assert.is_nil(refused(sheet((made "each"), "tms-rat"), of_trains, "does not apply: no trains"))
  end)

  it("give the same trains the same numbers, however they are written", function()
    for _, name in ipairs { "joined", "led", "first", "trials", "named", "ramp", "uneven", "slow",
      "blocks" } do
      local path, run = made(name)
      local trials, is_same = trials_of(run), {}
      local low, high, silence = math.huge, 0, nil
      for i = 2, #trials do
        if trials[i].block == trials[i - 1].block then
          local each = trials[i].first - trials[i - 1].first
          low, high, silence = math.min(low, each), math.max(high, each), trials[i].first - trials[i - 1].last
        end
      end
      for i, what in ipairs { path, run } do
        local items = sheet(what, "rtms")
        local count, blocks = items.R5:match("^(%d+)"), items.R5:match("in each of (%d+) blocks")
        assert.are.equal(#trials, tonumber(count) * tonumber(blocks or 1), what)
        assert.are.equal(trials[1].pulses, tonumber(items.R1), what)
        assert.matches(("%.6g s from the first to the last pulse"):format(trials[1].last - trials[1].first),
          items.R3:gsub("(%d+) ms", function(ms) return ("%g s"):format(ms / 1000) end), 1, true)
        local from, to = items.R4:match("^(%d+) s to (%d+) s from onset to onset")
        if from then
          assert.is_true(tonumber(from) <= low and high <= tonumber(to), what .. items.R4)
        else
          assert.matches(("%.6g s from the last pulse to the next one, %.6g s from onset to onset"):format(
            silence, low), items.R4, 1, true)
          assert.is_true(high - low < 1e-6)
        end
        is_same[i] = table.concat({ items.R1, items.R2, items.R3, items.R4, items.R5 }, "|")
      end
      assert.are.equal(is_same[1], is_same[2]) -- the file's and the run's
    end
  end)

  it("tell a ramp once: its pause, and the intensities of its trains in the order of the rows", function()
    local path, run = made "ramp"
    local doses, before = {}, nil
    for line in shell.read(run .. "/events.tsv"):gmatch("[^\n]+") do
      local dose = line:match "\tpulse\t.*\t(%d+)\tRMT\t"
      doses[#doses + 1], before = dose ~= before and dose or nil, dose or before
    end
    assert.are.equal(10, #doses)
    for _, what in ipairs { path, run } do
      local text, told = text_of(what), {}
      for dose in text:gmatch("(%d+) %%RMT") do
        told[#told + 1] = dose
      end
      assert.are.same(doses, told)
      local _, pauses = text:gsub("26 s without pulses", "")
      assert.are.equal(1, pauses)
      assert.matches("10 trains, each but the first after 26 s", text, 1, true)
    end
  end)

  it("tell drawn intervals from trial to trial, not from pulse to pulse", function()
    for _, name in ipairs { "slow", "mixed", "beside", "pairs", "rapid", "joined", "named" } do
      local path, run = made(name)
      local trials = trials_of(run)
      local low, high, count = math.huge, 0, #trials - 1
      for i = 2, #trials do
        local each = trials[i].first - trials[i - 1].first
        low, high = math.min(low, each), math.max(high, each)
      end
      local mean = (trials[#trials].first - trials[1].first) / count
      local function rounded(seconds)
        local places = seconds >= 1 and 100 or 1e5
        local value = math.floor(seconds * places + 0.5) / places
        return value < 1 and ("%.9g ms"):format(value * 1000) or ("%.9g s"):format(value)
      end
      local words = ("%s to %s, %s in the mean"):format(rounded(low), rounded(high), rounded(mean))
      assert.matches("As drawn, it was from onset to onset " .. words, text_of(run), 1, true)
      local interval = sheet(path, "tms-rat").G1
      if not interval:find("does not apply", 1, true) then
        assert.matches(("%s to %s from onset to onset of stimuli, %s"):format(rounded(low), rounded(high),
          rounded(mean)), interval, 1, true)
      end
    end
  end)
end)
