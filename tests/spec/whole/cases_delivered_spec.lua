--- Plans that were once delivered otherwise than written: what the simulator gave, from its own state, pulse
--- by pulse against what the plan says, worked out by hand.
local cases = require "cases"
local in_order = require "moonpulse.text.in_order"
local shell = require "shell"

local train = cases.train

--- Pulses of each case: { s, channel, mso }, with --rmt 50 --amt 45.
local expected = {
  delivered_ramp = function()
    local list = train({}, 0, 10, 0.1, 30)
    train(list, 6, 10, 0.1, 40)
    return train(list, 12, 10, 0.1, 60)
  end,
  delivered_rampb = function()
    local list = {}
    for i = 0, 9 do
      train(list, i / 5, 3, 0.02, 30)
    end
    for i = 0, 9 do
      train(list, 10 + i / 5, 3, 0.02, 40)
    end
    return list
  end,
  delivered_rates = function() return train(train({}, 0, 20, 0.1, 40), 7, 20, 0.05, 40) end,
  delivered_rates2 = function() return train(train({}, 0, 20, 0.05, 40), 6, 10, 0.1, 40) end,
  delivered_two_rates = function() return train(train({}, 0, 10, 0.2, 40), 4, 20, 0.05, 40) end,
  delivered_mixed = function() return train(train({}, 0, 1, 0, 40), 5, 3, 0.02, 40) end,
  -- 91 and 100 %AMT of 45 are 40.95 and 45, 120 %RMT of 50 is 60
  delivered_three_trains = function()
    local list = train({}, 0.4, 3, 7 / 60, 41)
    train(list, 1.25, 2, 0.08, 45)
    return train(list, 1.91, 3, 0.08, 60)
  end,
  -- 14/25 + 1/10 + 5/9 s of rest; 80 %AMT of 45 is 36
  delivered_pulse_then_trains = function()
    local list, at = train({}, 0, 1, 0, 79), 0.66 + 5 / 9
    train(list, at, 3, 0.125, 50)
    return train(list, at + 0.375 + 0.6, 6, 0.2, 36)
  end,
  -- 69 %AMT of 45 is 31.05
  delivered_pulse_train_pulse = function()
    local list = train({}, 0, 1, 0, 81)
    train(list, 1 / 3, 2, 1 / 6, 31)
    return train(list, 1, 1, 0, 60)
  end,
  delivered_late_confirmation = function()
    local list = {}
    for i = 0, 3 do
      train(list, i * 0.625, 3, 1 / 6, 45)
    end
    for i = 0, 3 do
      train(list, 3 + i * 41 / 140, 3, 0.05, 25)
    end
    return list
  end,
}

-- What the stimulator itself cannot time is refused, in these words; it is played with the default timing.
local refused = {
  delivered_three_trains = "the MagPro has no rate of 8.57143 Hz",
  delivered_pulse_train_pulse = "too short to change its settings in between; the shortest interval is",
}

--- The pulses from number first on, with onsets that count from that one.
local function from(list, first, count)
  local part = {}
  for i = first, first + count - 1 do
    local pulse = list[i]
    part[#part + 1] = pulse and { s = pulse.s - list[first].s, channel = pulse.channel, mso = pulse.mso }
  end
  return part
end

describe("a case of tests/data/cases", function()
  local folder
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local function thresholds(more)
    return "--rmt 50 --amt 45 " .. more
  end

  --- Simulator and record say what is wanted, and every pulse was delivered.
  local function delivered(wanted, record)
    cases.same(from(wanted, 1, #wanted), cases.given(record))
    local recorded = cases.recorded(record)
    cases.same(wanted, recorded)
    for _, row in ipairs(recorded) do
      assert.are.equal("delivered", row.status)
    end
  end

  for _, name in ipairs(in_order.keys(expected)) do
    for _, timing in ipairs { "", "--timing host", "--timing device" } do
      it(("%s is given as written%s"):format(name, timing ~= "" and ", " .. timing or ""), function()
        local status, _, err, record = cases.run(folder, name, thresholds("--speed max " .. timing))
        if timing == "--timing device" and refused[name] then
          assert.are.equal(3, status, err)
          assert.is_truthy(err:find(refused[name], 1, true), err)
          assert.is_truthy(err:find("use --timing auto, or host", 1, true), err)
          assert.is_nil(record)
        else
          assert.are.equal(0, status, err)
          delivered(expected[name](), record)
        end
      end)
    end
  end

  -- Rests that are drawn: the trains as written, and the onsets those of `events` with the same seed.
  for name, plan in pairs {
    delivered_jit = { count = 5, pulses = 10, period = 0.1, mso = 40, min = 5, max = 9 },
    delivered_gap = { count = 3, pulses = 20, period = 0.05, mso = 55, min = 0.3, max = 12 },
  } do
    it(name .. " is played as it is listed for the same seed", function()
      local seen = {}
      for _, seed in ipairs { 42, 47 } do
        local listed = cases.listed(folder, name, thresholds("--seed " .. seed))
        assert.are.equal(plan.count * plan.pulses, #listed)
        for i = 1, #listed, plan.pulses do
          cases.same(train({}, 0, plan.pulses, plan.period, plan.mso), from(listed, i, plan.pulses))
          local rest = i > 1 and listed[i].s - listed[i - 1].s - plan.period
          assert.is_true(not rest or rest >= plan.min - 1e-6 and rest <= plan.max + 1e-6, rest)
        end
        seen[seed] = listed[#listed].s
        for _, timing in ipairs { "auto", "host", "device" } do
          local status, _, err, record = cases.run(folder, name, thresholds(("--speed max --seed %d "
            .. "--timing %s"):format(seed, timing)))
          assert.are.equal(0, status, err)
          delivered(listed, record)
        end
      end
      assert.are_not.equal(seen[42], seen[47])
    end)
  end

  it("delivered_gap is judged on the schedule that is played, and at the shortest drawn rests", function()
    local listed = cases.listed(folder, "delivered_gap", thresholds "--seed 47")
    local closest = math.min(listed[21].s - listed[20].s, listed[41].s - listed[40].s)
    local checked = ("check %s --rmt 50"):format(cases.path "delivered_gap")
    local status, out = shell.moonpulse(folder, checked .. " --seed 47")
    assert.is_true(closest > 5, closest) -- what run plays with this seed is within; other seeds may be OVER
    assert.are.equal(0, status)
    assert.is_truthy(out:find("\nothers         OVER, in the schedules of other seeds", 1, true), out)
    assert.matches("\nverdict +within[^\n]*\n$", out)
    status, out = shell.moonpulse(folder, checked)
    assert.are.equal(3, status)
    assert.is_truthy(out:find("\nOVER           gap between trains: 0.3 s, ", 1, true), out)
  end)

  it("delivered_quad: bursts and single pulses in any order, 4 to 8 s apart", function()
    for _, timing in ipairs { "auto", "device" } do
      for seed = 1, 3 do
        local listed = cases.listed(folder, "delivered_quad", "--seed " .. seed)
        local starts, singles = {}, 0
        for i, pulse in ipairs(listed) do
          if i == 1 or pulse.s - listed[i - 1].s > 1 then
            starts[#starts + 1] = i
          else
            assert.is_true(math.abs(pulse.s - listed[i - 1].s - 0.02) < 1.5e-6)
          end
        end
        for k, i in ipairs(starts) do
          local apart = k > 1 and listed[i].s - listed[starts[k - 1]].s or 5
          assert.is_true(apart >= 4 and apart <= 8, apart)
          singles = singles + ((starts[k + 1] or #listed + 1) - i == 1 and 1 or 0)
        end
        assert.are.same({ 14, 6, 2 }, { #listed, #starts, singles })
        local status, _, err, record = cases.run(folder, "delivered_quad",
          ("--speed max --seed %d --timing %s"):format(seed, timing))
        assert.are.equal(0, status, err)
        delivered(listed, record)
      end
    end
  end)

  -- With waits, and without the short cuts of --speed max. On real ports: five_lists_real_spec.
  for name, timing in pairs { delivered_pulse_train_pulse = "auto", delivered_two_rates = "device",
    delivered_three_trains = "host" } do
    it(("%s is given as written at a pace, --timing %s"):format(name, timing), function()
      local status, _, err, record = cases.run(folder, name, thresholds("--speed 10 --timing "
        .. timing))
      assert.are.equal(0, status, err)
      local wanted = expected[name]()
      cases.same(wanted, cases.recorded(record))
      cases.same(from(wanted, 1, #wanted), cases.given(record), { s = 2e-6 })
    end)
  end
end)
