-- What a timeline shows of a session, found from its gaps.
local windows = require "moonpulse.drawing.windows"
local pages = require "report_page"

local itbs_onsets = pages.itbs_onsets

describe("moonpulse.drawing.windows", function()
  local function titles(times)
    local out = {}
    for i, window in ipairs(windows.choose(times)) do
      out[i] = string.format("%s %d-%d", window.title, window.first, window.last)
    end
    return out
  end

  local function trains(count, pulses, interval, every)
    local out = {}
    for i = 0, count - 1 do
      for k = 0, pulses - 1 do
        out[#out + 1] = i * every + k * interval
      end
    end
    return out
  end

  it("finds session, train and burst of iTBS", function()
    local times = itbs_onsets()
    for i, onset in ipairs(times) do
      times[i] = onset / 1e6
    end
    assert.same({ "Whole session 1-600", "First train 1-30", "First burst 1-3" }, titles(times))
  end)

  it("finds ten bursts and one where there are no trains (cTBS)", function()
    assert.same({ "Whole session 1-600", "First 10 bursts 1-30", "First burst 1-3" },
      titles(trains(200, 3, 0.02, 0.2)))
  end)

  it("finds the train of rTMS and looks into it", function()
    assert.same({ "Whole session 1-400", "First train 1-40",
      "First 10 pulses of that train 1-10" }, titles(trains(10, 40, 0.1, 30)))
  end)

  it("shows some pulses where all intervals are alike", function()
    assert.same({ "Whole session 1-100", "First 60 pulses 1-60", "First 5 pulses 1-5" },
      titles(trains(100, 1, 0, 1)))
    assert.same({ "Whole session 1-1" }, titles { 3 })
    assert.same({}, titles {})
  end)

  it("calls single pulses and pairs trials, and counts from the first, whatever it is", function()
    assert.same({ "Whole session 1-5", "First pair 2-3" }, titles { 0, 5, 5.002, 10, 15 })
    local times, isi = {}, { 0.003, 0.012, false, 0.1 } -- SICI, ICF, single, LICI
    for trial = 0, 23 do
      local second = isi[(trial + 2) % 4 + 1]
      times[#times + 1] = trial * 10
      times[#times + 1] = second and trial * 10 + second or nil
    end
    assert.same({ "Whole session 1-42", "First 10 trials 1-17", "First pair 2-3" }, titles(times))
    for _, long in ipairs { 0.003, 0.012, 0.1 } do -- one pair is longer than the others
      times = trains(24, 2, 0.0031, 10)
      times[4] = times[3] + long
      assert.same({ "Whole session 1-48", "First 10 pairs 1-20", "First pair 1-2" }, titles(times))
    end
  end)

  it("calls bursts of different size groups, and blocks of what is slow blocks", function()
    local times = {}
    for i = 0, 11 do
      times[#times + 1], times[#times + 2] = i * 5, i * 5 + 0.02
      times[#times + 1] = i % 2 == 1 and i * 5 + 0.04 or nil
    end
    assert.same({ "Whole session 1-30", "First 10 groups 1-25", "First pair 1-2" }, titles(times))
    times = {}
    for block = 0, 3 do
      for _, onset in ipairs(trains(20, 2, 0.008, 5)) do
        times[#times + 1] = block * 600 + onset
      end
    end
    assert.same({ "Whole session 1-160", "First block of pairs 1-40", "First pair 1-2" }, titles(times))
  end)

  it("calls single pulses that are slower than 1 Hz a block, and 1 Hz itself a train", function()
    assert.same({ "Whole session 1-60", "First block 1-20", "First 10 pulses of that block 1-10" },
      titles(trains(3, 20, 5, 400)))
    assert.same({ "Whole session 1-60", "First train 1-20", "First 10 pulses of that train 1-10" },
      titles(trains(3, 20, 1, 400)))
    local parts = {}
    for part = 0, 1 do
      for _, onset in ipairs(trains(3, 20, 5, 400)) do
        parts[#parts + 1] = part * 6000 + onset
      end
    end
    assert.same({ "Whole session 1-120", "First part 1-60", "First block 1-20" }, titles(parts))
  end)

  it("follow the pairs of two channels that take turns, also in blocks: trials of one channel are no train",
    function()
      local times, channels = {}, {}
      for block = 0, 1 do
        for trial = 0, 9 do
          for i, name in ipairs { "PMv", "M1" } do
            times[#times + 1], channels[#channels + 1] = 60 * block + 5 * trial + 0.008 * (i - 1), name
          end
        end
      end
      local out = {}
      for i, window in ipairs(windows.of_channels(times, channels, { "PMv", "M1" })) do
        out[i] = ("%s %d-%d"):format(window.title, window.first, window.last)
      end
      assert.same({ "Whole session 1-40", "First block of pairs 1-20", "First pair 1-2" }, out)
    end)

  it("names the levels between a session and a pulse, and where each begins", function()
    local function names(times)
      local out = {}
      for i, level in ipairs(windows.named_levels(times)) do
        local groups = 1
        for k = 2, #times do
          groups = groups + (times[k] - times[k - 1] >= level.gap and 1 or 0)
        end
        out[i] = ("%s %d"):format(level.name, groups)
      end
      return out
    end
    local times = itbs_onsets()
    for i, onset in ipairs(times) do
      times[i] = onset / 1e6
    end
    assert.same({ "Train 20", "Burst 200" }, names(times))
    local sessions = {}
    for block = 0, 2 do
      for _, onset in ipairs(times) do
        sessions[#sessions + 1] = block * 900 + onset
      end
    end
    assert.same({ "Block 3", "Train 60", "Burst 600" }, names(sessions))
    assert.same({ "Train 10" }, names(trains(10, 40, 0.1, 30)))
    assert.same({ "Pair 24" }, names(trains(24, 2, 0.003, 8)))
    assert.same({ "Trial 4" }, names { 0, 5, 5.002, 10, 15 })
    assert.same({ "Block 3" }, names(trains(3, 20, 5, 400)))
    assert.same({}, names(trains(30, 1, 0, 6)))
    assert.same({}, names { 3 })
    assert.same({}, names {})
  end)
end)
