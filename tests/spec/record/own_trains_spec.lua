--- Trains that a device times itself, and that end early or lose a confirmation: a row says delivered only if
--- the device's own words prove it, each pulse that the simulator gave has a row that says that it was given
--- or that nobody knows, and recover writes the same rows as the run.
local judging = require "judging"
local trains = require "moonpulse.record.device_trains"

local gave = { delivered = true, sent = true, otherwise = true, perhaps_sent = true }

local function train(pulses, hz, value)
  return { kind = "train", pulses = pulses, value = value or 40, ref = "MSO", hz = hz }
end

--- A run whose trains the device times.
local function scenario(device, parts, troubles)
  return { seed = 5, kind = "protocol", device = device, timing = "device", late = "abort", tolerance_ms = 1,
    flight = true, plan = { parts = parts }, troubles = troubles }
end

local function fault(kind, at)
  return { what = "device", kind = kind, at = at }
end

local function key(at_s)
  return { what = "stop", source = "key", at_s = at_s }
end

describe("the rest of a train that the stop cut", function()
  it("is counted, pulse by pulse, by what became of it", function()
    local record = { pulses_skipped = 4, skipped_by = { late = 4 }, cut = {}, heard_ns = 0,
      flush_rows = function() end }
    for i = 1, 5 do
      record.cut[i] = { due_ns = i, sooner_ns = 0, at_stop = false, doubtful = false, open = true }
    end
    trains.stopped(record, true)
    assert.are.same({ 9, { late = 4, stopped = 5 } }, { record.pulses_skipped, record.skipped_by })
    assert.is_nil(record.cut)
  end)
end)

describe("of trains that a device times, and that do not end whole,", function()
  local judge
  judging.once(function(made) judge = made end)

  --- Play it; how many rows have each status.
  local function rows_of(device, parts, troubles)
    local what = ("%s, %s@%s"):format(device, troubles[1] and troubles[1].kind or "none",
      troubles[1] and (troubles[1].at or troubles[1].at_s))
    local run = judging.unbroken(judge, scenario(device, parts, troubles), what, { recover = true })
    local counts = {}
    for _, row in ipairs(run.pulses) do
      counts[row.status] = (counts[row.status] or 0) + 1
      assert.is_true(row.status ~= "delivered" or row.pulse ~= nil, what .. ": pulse " .. row.number)
      assert.is_true(row.pulse == nil or gave[row.status] == true, what .. ": pulse " .. row.number)
    end
    return counts, run
  end

  for _, case in ipairs { { "rapid", { train(40, { 10, 1 }) }, 20 }, { "rapid", { train(30, { 5, 1 }) }, 20 },
    { "rapid", { train(20, { 20, 1 }), { kind = "rest", s = 8 }, train(20, { 20, 1 }) }, 40 },
    { "bistim", { { kind = "pair", value = 40, ref = "MSO", second = 30, isi = 0.02 } }, 2 },
    { "magventure", { train(20, { 10, 1 }) }, 20 }, { "magventure", { train(30, { 20, 1 }) }, 30 },
    { "stimjim", { train(20, { 10, 1 }) }, 20 }, { "pulsepal", { train(20, { 10, 1 }) }, 20 } } do
    local device, parts, most = case[1], case[2], case[3]
    local name = ("%s, %s"):format(device, parts[1].hz and parts[1].hz[1] .. " Hz" or "a pair")

    it("rows claim no more than it said: " .. name, function()
      for _, kind in ipairs { "over-temperature", "drop", "flip", "nak", "unplug", "half-open" } do
        if kind ~= "over-temperature" or device ~= "stimjim" and device ~= "pulsepal" then
          for at = 1, most, math.max(1, most // 10) do
            rows_of(device, parts, { fault(kind, at) })
          end
        end
      end
    end)

    it("nor if it is stopped: " .. name, function()
      local stopped = 0
      for at = 1, 26 do
        local counts = rows_of(device, parts, { key(0.171 * at) })
        stopped = stopped + ((counts.stopped or counts.perhaps_sent) and 1 or 0)
      end
      assert.is_true(stopped > 0 or device == "bistim")
    end)

    it("and one that ends whole is proven whole: " .. name, function()
      local counts = rows_of(device, parts, {})
      assert.is_true(device == "pulsepal" or counts.delivered ~= nil and next(counts, "delivered") == nil
        and next(counts) == "delivered", device)
    end)
  end

  it("a Rapid that overheats gives proof up to its last answer, and no further", function()
    for at = 2, 38 do
      local counts, run = rows_of("rapid", { train(40, { 10, 1 }) }, { fault("over-temperature", at) })
      assert.are.equal(4, run.status)
      assert.is_true(counts.delivered <= #run.given)
      assert.is_true(#run.given <= counts.delivered + counts.perhaps_sent)
      assert.is_true(counts.perhaps_sent <= 14, counts.perhaps_sent) -- 0.5 s, a slow answer's way, the stop's
    end
  end)

  it("a MagPro's last pulse whose confirmation counted for another is not called stopped", function()
    for _, hz in ipairs { 5, 10, 20, 50 } do
      local parts = { train(12, { hz, 1 }) }
      local _, whole = rows_of("magventure", parts, {})
      for at = 1, 5, 2 do -- and a stop that meets a pulse
        for number = 2, 6, 2 do
          for _, before_s in ipairs { 0.0001, 0.0008, 0.0016, 0.003 } do
            rows_of("magventure", parts, { fault("drop", at),
              key((whole.given[number].ns - whole.began_ns) / 1e9 - before_s) })
          end
        end
      end
    end
  end)
end)
