--- Where a class or a limit ends, to the nanosecond, and on the side that docs/safety.md says: the verdict
--- hangs neither on where a plan starts nor on how its rests are written, and a nanosecond beyond an edge is
--- beyond.
local chances = require "chance"
local judge = require "moonpulse.safety.judge"
local mp = require "moonpulse"
local walk = require "moonpulse.safety.walk"

local function pulse(percent)
  return mp.pulse(mp.rmt(percent))
end

--- So many nanoseconds as a time of the library.
local function ns(count)
  return ("%d/1000000000"):format(count)
end

--- A silence, written as one rest or as several.
local function silence(count, parts)
  local plan = mp.rest(ns(count // parts + count % parts))
  for _ = 2, parts do
    plan = plan .. mp.rest(ns(count // parts))
  end
  return plan
end

--- What is judged of a plan: verdicts and what they are of, without the places. A value that is measured
--- between rounded onsets may have a nanosecond more or less.
local function findings_of(plan)
  local list, known = {}, {}
  for _, each in ipairs(judge.plan { plan = plan, seed = 1, thresholds = { rmt = 50 } }.findings) do
    local value = ("%.7f"):format(each.value)
    local text = table.concat({ each.rule, each.verdict, each.row, value, each.unit }, " ")
    list[#list + 1] = not known[text] and text or nil
    known[text] = true
  end
  table.sort(list)
  return table.concat(list, "\n")
end

local function verdict_of(plan)
  return judge.plan { plan = plan, seed = 1, thresholds = { rmt = 50 } }.verdict
end

--- The trains of a plan, each kind once, walked by structure or pulse by pulse; and how many there are.
local function kinds_of(plan, by_pulse)
  local list, known = {}, {}
  local found = walk.trains(plan, 1, function(train)
    local text = ("%s %d %.7f %.7f"):format(train.kind, train.pulses, train.duration, train.gap or 0)
    list[#list + 1] = not known[text] and text or nil
    known[text] = true
  end, nil, by_pulse)
  table.sort(list)
  return ("%d: %s"):format(found.trains, table.concat(list, ", "))
end

-- what a plan starts with: whole nanoseconds, binary fractions, thirds and sevenths of a second, days
local OFFSETS = { "0", "0.7", "100.3", "163.500099", "60.123457", "1000.7", "3333.1", "1/3", "22/7",
  "86399.999999999", "2000000.000000001" }

local function trains_apart(hz, pulses, percent)
  local train = mp.train { pulses = pulses, hz = hz, intensity = mp.rmt(percent) }
  return function(count)
    return train .. mp.rest(ns(count)) .. train
  end
end

--- Each edge: what has so many nanoseconds, the last count on one side, its verdict, that on the other side,
--- and how many nanoseconds further on that is, if not the next one: the end of a train of 7 Hz is no whole
--- one.
local edges = {
  { "single pulses from 4.5 s on", function(count)
    return pulse(140):times(24, { every = ns(count) })
  end, 4499999999, "OVER", "not covered" },
  { "a pair under 40 ms", function(count)
    return mp.pair { isi = ns(count), intensity = { mp.rmt(131), mp.rmt(131) } }:times(20, { every = 6 })
  end, 39999999, "beyond tested", "OVER" },
  { "a pair in between, whatever its length", function(count)
    return mp.pair { isi = ns(count), intensity = { mp.rmt(120), mp.rmt(120) } }:times(20, { every = 6 })
  end, 39999999, "within", "within" },
  { "a group under 40 ms", function(count)
    return mp.train { pulses = 4, hz = ("1000000000/%d"):format(count), intensity = mp.rmt(90) }
  end, 39999999, "beyond tested", "within" },
  { "pairs as far apart as trials", function(count)
    local pair = mp.pair { isi = mp.ms(10), intensity = { mp.rmt(120), mp.rmt(131) } }
    return (pair .. mp.rest(ns(count))):times(9, { gap = 0 })
  end, 3999999999, "OVER", "beyond tested" },
  { "5 s between trains", trains_apart(10, 20, 100), 4999999999, "beyond tested", "within" },
  { "5 s behind a train of 7 Hz", trains_apart(7, 20, 100), 4999999998, "beyond tested", "within", 2 },
  { "1 s behind a train of 13.3 Hz", trains_apart("13.3", 8, 110), 1000000000, "OVER", "beyond tested", 3 },
  { "1 s between trains of 20 Hz", trains_apart(20, 8, 110), 1000000000, "OVER", "beyond tested", 2 },
  { "5 s between groups, onset to onset", function(count)
    return mp.train { pulses = 4, hz = 100, intensity = mp.rmt(70) }:times(2, { every = ns(count) })
  end, 4999999999, "beyond tested", "within" },
  { "a train as fast as the last row", function(count)
    return mp.train { pulses = 5, hz = ("1000000000/%d"):format(count), intensity = mp.rmt(100) }
  end, 39999999, "OVER", "within" },
}

describe("an edge", function()
  it("is where it is written to be, wherever a plan starts and however its rests are written", function()
    for _, edge in ipairs(edges) do
      local name, made, last, before, behind, step = table.unpack(edge)
      for _, each in ipairs { { last, before }, { last + (step or 1), behind } } do
        local plan, text = made(each[1]), ("%s: %d ns"):format(name, each[1])
        assert.are.equal(each[2], verdict_of(plan), text)
        for i, offset in ipairs(OFFSETS) do
          local later = mp.rest(offset) .. mp.mark "go" .. plan
          assert.are.equal(findings_of(plan), findings_of(later), text .. " from " .. offset)
          assert.are.equal(kinds_of(later), kinds_of(later, true), text .. " from " .. offset)
          local whole, parts = silence(60123457001, 1), silence(60123457001, i + 1)
          assert.are.equal(findings_of(pulse(50) .. whole .. plan), findings_of(pulse(50) .. parts .. plan),
            text)
        end
      end
    end
  end)

  it("is the same for what is added up: a run in front of it, repeated or written out", function()
    for _, edge in ipairs(edges) do
      local name, made, last, before, behind, step = table.unpack(edge)
      for _, each in ipairs { { last, before }, { last + (step or 1), behind } } do
        local plan, text = made(each[1]), ("%s: %d ns"):format(name, each[1])
        -- weak pulses, 5 s and a part of a second apart that is no whole number of nanoseconds
        for _, every in ipairs { "16/3", "37/7", "5.1", "4097/800" } do
          local front = pulse(30):times(40, { every = every }) .. mp.rest(9)
          local all = front
          for _ = 1, 3 do
            all = all .. front
          end
          assert.are.equal(findings_of(all .. plan), findings_of(front:times(4, { gap = 0 }) .. plan), text)
          assert.are.equal(each[2], verdict_of(front .. plan), text)
        end
      end
    end
  end)

  it("is not moved by a rate that is no whole number of nanoseconds", function()
    for _, offset in ipairs(OFFSETS) do
      for _, hz in ipairs { "7", "3", "13.3", "17", "0.7", "19.9" } do
        -- 10 s at 5 Hz, 5 s at 10 Hz, 1.6 s at 20 Hz and 110 %: exactly as long as the row says, and a pulse
        -- more
        local rate = tonumber(hz)
        local limit = rate <= 1 and 360 or rate <= 5 and 10 or rate <= 10 and 4.2 or 1
        local most = math.floor(limit * rate + 1e-9)
        local behind = rate <= 5 and "beyond tested" or "OVER"
        for count, verdict in pairs { [most] = "within", [most + 1] = behind } do
          local train = mp.train { pulses = count, hz = hz, intensity = mp.rmt(120) }
          local text = ("%d at %s Hz from %s"):format(count, hz, offset)
          assert.are.equal(verdict, verdict_of(mp.rest(offset) .. train), text)
        end
      end
    end
  end)
end)

describe("random plans", function()
  it("are judged alike wherever they start, by structure and pulse by pulse", function()
    local chance = chances.new(4500)
    local function piece(depth)
      if depth == 0 or chance:draw(1, 3) == 1 then
        return mp.train { pulses = chance:draw(1, 9),
          hz = chance:pick { "3", "7", "10", "25", "30", "50", "1/5" },
          intensity = mp.rmt(chance:pick { 80, 110, 130 }) }
      end
      local gap = chance:pick { "0.3", "1/3", "1", "4", "5", "22/7" }
      return piece(depth - 1):times(chance:draw(1, 12), { gap = gap })
        .. mp.rest(chance:pick { "1", "5", "1/7", "4.99999999" }) .. piece(depth - 1)
    end
    for number = 1, 60 do
      local plan = piece(3)
      for _, offset in ipairs { "0.7", "1/3", "163.500099", "22/7" } do
        local later = mp.rest(offset) .. mp.mark "go" .. plan
        local text = ("plan %d, from %s s on"):format(number, offset)
        assert.are.equal(findings_of(plan), findings_of(later), text)
        if later:totals().pulses < 3000 then
          assert.are.equal(kinds_of(later), kinds_of(later, true), text)
        end
      end
    end
  end)
end)
