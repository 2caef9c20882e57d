-- Random plans through the library against an expansion of our own: nested tables, expanded
-- into a list of onsets with exact fractions of whole numbers.
local chances = require "chance"
local core = require "moonpulse.core"
local mp = require "moonpulse"

local SEED, PLANS = 20240611, 800
local NS = 1000000000

-- fractions { num, den }, den > 0; small enough for 64 bits by the choice of rates below
local function gcd(a, b)
  while b ~= 0 do
    a, b = b, a % b
  end
  return a
end

local function fraction(num, den)
  local divisor = gcd(math.abs(num), den)
  return { num // divisor, den // divisor }
end

local function checked(a, b)
  assert(math.abs(a * 1.0 * b) < 2.0 ^ 62, "the oracle's whole numbers overflow")
  return a * b
end

local function add(a, b)
  local common = gcd(a[2], b[2])
  local num = checked(a[1], b[2] // common) + checked(b[1], a[2] // common)
  return fraction(num, checked(a[2] // common, b[2]))
end

local function scale(a, count)
  return fraction(checked(a[1], count), a[2])
end

local function less(a, b)
  return checked(a[1], b[2]) < checked(b[1], a[2])
end

local function same(a, b)
  return a[1] == b[1] and a[2] == b[2]
end

local function longest(a, b)
  return less(a, b) and b or a
end

--- round(value x units), halves up
local function round(value, units)
  local whole, rest = value[1] // value[2], value[1] % value[2]
  return whole * units + (2 * checked(rest, units) + value[2]) // (2 * value[2])
end

local function text(value)
  return ("%d/%d"):format(value[1], value[2])
end

-- An oracle plan: events (each { at, rank, what }), span, whole. Events at one instant keep the
-- order of the tree, so a stable order needs a rank.
local zero = { 0, 1 }

local function shifted(into, plan, by, channel)
  for _, event in ipairs(plan.events) do
    into[#into + 1] = { at = add(event.at, by), what = event.what, channel = event.channel or channel }
  end
end

local function o_repeat(plan, count, step, span)
  local made, at = { events = {} }, zero
  for i = 1, count do
    at = scale(step, i - 1)
    shifted(made.events, plan, at)
  end
  made.span = span or add(at, plan.span)
  made.whole = scale(step, count)
  return made
end

local function o_sequence(a, b)
  local made = { events = {}, span = add(a.span, b.span), whole = add(a.span, b.whole) }
  shifted(made.events, a, zero)
  shifted(made.events, b, a.span)
  return made
end

local function o_together(list, names)
  local made = { events = {}, span = zero, whole = zero }
  for i, plan in ipairs(list) do
    shifted(made.events, plan, zero, names and names[i])
    made.span, made.whole = longest(made.span, plan.span), longest(made.whole, plan.whole)
  end
  return made
end

local function ordered(plan)
  for rank, event in ipairs(plan.events) do
    event.rank = rank
  end
  table.sort(plan.events, function(a, b)
    if same(a.at, b.at) then
      return a.rank < b.rank
    end
    return less(a.at, b.at)
  end)
  return plan.events
end

local chance

local function draw(low, high)
  return chance:draw(low, high)
end

local function pick(list)
  return chance:pick(list)
end

local rates = {
  { 1, 1 }, { 1, 3 }, { 5, 1 }, { 6, 1 }, { 10, 1 }, { 18, 1 }, { 30, 1 }, { 50, 1 }, { 100, 3 },
  { 7, 2 }, { 1000, 1 },
}

--- The rate as its author may write it: text, or the nearest float.
local function written(value)
  return draw(1, 2) == 1 and text(value) or value[1] / value[2]
end

local function random_intensity()
  local value, unit = draw(0, 100), pick { "mso", "rmt", "amt" }
  return mp[unit](value), ("%d%s"):format(value, unit:upper())
end

local function inverse(value)
  return { value[2], value[1] }
end

--- A rate slow enough for a plan of that span.
local function slow_rate(span)
  for _ = 1, 20 do
    local hz = pick(rates)
    if not less(inverse(hz), span) then
      return hz
    end
  end
  return { 1, span[1] // span[2] + 1 }
end

local make

local function one_pulse()
  local intensity, what = random_intensity()
  return mp.pulse(intensity), { events = { { at = zero, what = what } }, span = zero, whole = zero }
end

local function led_by_a_pulse(plan, oracle)
  local first, first_oracle = one_pulse()
  return first .. mp.rest(0.001) .. plan, o_sequence(o_sequence(first_oracle,
    { events = {}, span = { 1, 1000 }, whole = { 1, 1000 } }), oracle)
end

local makers = {
  one_pulse,
  function() -- a burst
    local intensity, what = random_intensity()
    local count, hz = draw(1, 6), pick(rates)
    local one = { events = { { at = zero, what = what } }, span = zero, whole = zero }
    local period = inverse(hz)
    return mp.burst { pulses = count, hz = written(hz), intensity = intensity },
      o_repeat(one, count, period, scale(period, count))
  end,
  function() -- silence
    local time = pick { { 1, 3 }, { 1, 1000 }, { 5, 2 }, { 0, 1 }, { 1, 7 }, { 3, 2000 } }
    return mp.rest(written(time)), { events = {}, span = time, whole = time }
  end,
  function() -- a mark
    local name = "m" .. draw(1, 9)
    return mp.mark(name), { events = { { at = zero, what = name, mark = true, channel = "-" } },
      span = zero, whole = zero }
  end,
  function() -- a pair
    local first, what_first = random_intensity()
    local second, what_second = random_intensity()
    local isi = pick { { 1, 400 }, { 1, 100 }, { 3, 2000 } }
    return mp.pair { isi = written(isi), intensity = { first, second } }, {
      events = { { at = zero, what = what_first }, { at = isi, what = what_second } },
      span = isi, whole = isi,
    }
  end,
  function(depth) -- a sequence
    local a, a_oracle = make(depth - 1)
    local b, b_oracle = make(depth - 1)
    return a .. b, o_sequence(a_oracle, b_oracle)
  end,
  function(depth) -- repeated with a gap, or back to back
    local plan, oracle = make(depth - 1)
    local count = draw(1, 4)
    if draw(1, 3) == 1 then
      return plan * count, o_repeat(oracle, count, oracle.span)
    end
    local gap = pick { { 0, 1 }, { 1, 6 }, { 2, 1 }, { 1, 1000 } }
    return plan:times(count, { gap = written(gap) }), o_repeat(oracle, count, add(oracle.span, gap))
  end,
  function(depth) -- repeated onset to onset
    local plan, oracle = make(depth - 1)
    local count = draw(1, 4)
    local every = add(oracle.span, pick { { 1, 6 }, { 3, 1 }, { 1, 100 } })
    return plan:times(count, { every = text(every) }), o_repeat(oracle, count, every)
  end,
  function(depth) -- a train of a plan
    local plan, oracle = make(depth - 1)
    local count, hz = draw(1, 4), slow_rate(oracle.span)
    local period = inverse(hz)
    local spec = { of = plan, hz = written(hz) }
    if draw(1, 2) == 1 then
      spec.count = count
    else
      spec.duration = text(scale(period, count))
    end
    return mp.train(spec), o_repeat(oracle, count, period, scale(period, count))
  end,
  function(depth) -- side by side, on named channels, which a pulse each takes that names none
    local a, a_oracle = led_by_a_pulse(make(depth - 1))
    local b, b_oracle = led_by_a_pulse(make(depth - 1))
    return mp.together { left = a, right = b },
      o_together({ a_oracle, b_oracle }, { "left", "right" })
  end,
  function(depth) -- side by side, as they are
    local a, a_oracle = make(depth - 1)
    local b, b_oracle = led_by_a_pulse(make(depth - 1))
    return mp.together { a, b:at "coil" }, o_together({ a_oracle, b_oracle }, { nil, "coil" })
  end,
}
local LEAVES = 5

function make(depth)
  return makers[draw(1, depth > 0 and #makers or LEAVES)](depth)
end

local function compare(plan, oracle)
  local expected = ordered(oracle)
  local schedule = core.schedule(plan, 1)
  local actions, pulses, first, last = schedule:actions(), 0, zero, zero
  for i, event in ipairs(expected) do
    local kind, us, number, what, ns = schedule:next()
    local action = kind == "pulse" and actions[what]
    assert.are.equal(event.channel == "-" and "mark" or "pulse", kind, "event " .. i)
    if action then
      pulses = pulses + 1
      first, last = pulses == 1 and event.at or first, event.at
      assert.are.equal(pulses, number)
      assert.are.equal(event.channel or "1", action.channel, "channel of event " .. i)
      what = ("%g%s"):format(action.intensity, action.reference)
    end
    assert.are.equal(event.what, what, "event " .. i)
    assert.are.equal(round(event.at, NS), ns, "ns of event " .. i)
    assert.are.equal(round(event.at, 1000000), us, "us of event " .. i)
  end
  assert.is_nil(schedule:next())
  local count, first_us, last_us, end_ns = schedule:measure()
  assert.are.equal(pulses, count)
  assert.are.equal(round(oracle.span, NS), end_ns)
  assert.are.equal(pulses > 0 and round(first, 1000000) or -1, first_us)
  assert.are.equal(pulses > 0 and round(last, 1000000) or -1, last_us)
  local totals = plan:totals()
  assert.are.equal(pulses, totals.pulses)
  assert.are.equal(#expected - pulses, totals.marks)
  local unnamed = false
  for _, event in ipairs(expected) do
    unnamed = unnamed or event.channel == nil
  end
  assert.are.equal(unnamed, totals.unnamed)
  assert.is_true(math.abs(totals.span - oracle.span[1] / oracle.span[2]) < 1e-12 * (1 + totals.span))
  assert.is_true(math.abs(totals.whole - oracle.whole[1] / oracle.whole[2])
    < 1e-12 * (1 + totals.whole))
  return pulses
end

describe("random plans", function()
  it("are what an independent expansion says, event by event", function()
    local pulses, biggest = 0, 0
    for i = 1, PLANS do
      chance = chances.new(SEED + i)
      local plan, oracle = make(draw(2, 6))
      local ok, result = pcall(compare, plan, oracle)
      if not ok then
        local message = type(result) == "table" and tostring(result.message) or tostring(result)
        error(("plan %d of seed %d: %s"):format(i, SEED, message), 0)
      end
      pulses, biggest = pulses + result, math.max(biggest, result)
    end
    -- the generator must not have become trivial
    assert.is_true(pulses > 5000, "only " .. pulses .. " pulses in all")
    assert.is_true(biggest > 100, "the biggest plan has " .. biggest .. " pulses")
  end)

  it("notice a wrong expectation", function()
    local one = { events = { { at = zero, what = "50MSO" } }, span = zero, whole = zero }
    local plan = mp.train { pulses = 7, hz = 3, intensity = mp.mso(50) }
    local third = fraction(1, 3)
    assert.is_true(pcall(compare, plan, o_repeat(one, 7, third, scale(third, 7))))
    local rounded = fraction(333333333, NS) -- a period rounded to nanoseconds drifts
    assert.is_false(pcall(compare, plan, o_repeat(one, 7, rounded, scale(rounded, 7))))
  end)
end)

describe("long trains do not drift", function()
  for _, hz in ipairs { { 1, 3 }, { 30, 1 }, { 18, 1 }, { 7, 1 }, { 999, 10 }, { 100, 3 } } do
    it(("at %s Hz: 100,000 pulses"):format(text(hz)), function()
      local schedule = core.schedule(
        mp.train { pulses = 100000, hz = text(hz), intensity = mp.mso(1) }, 1)
      local wrong
      for k = 0, 99999 do
        local _, us, _, _, ns = schedule:next()
        local at = fraction(k * hz[2], hz[1])
        if ns ~= round(at, NS) or us ~= round(at, 1000000) then
          wrong = wrong or ("pulse %d: %d ns, %d us"):format(k + 1, ns, us)
        end
      end
      assert.is_nil(wrong)
      assert.is_nil(schedule:next())
    end)
  end
end)
