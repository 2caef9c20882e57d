--- A plan as a researcher writes it, drawn from a seed: the protocol's text, and what it must give.
local chances = require "chance"
local exact = require "five_lists.exact"
local oracle = require "five_lists.oracle"

local M = {}

local text = exact.text

local function written(intensity)
  return ("mp.%s(%d)"):format(intensity.ref:lower(), intensity.value)
end

local ranges = { MSO = { 25, 70 }, RMT = { 60, 135 }, AMT = { 60, 150 } }

--- An intensity; often one that is close to the last.
local function intensity(self)
  local chance, last = self.chance, self.last
  if not last or not self.pace.one_intensity then
    local ref = chance:pick { "MSO", "RMT", "AMT" }
    local by_ref = self.pace.ranges or ranges
    if last and chance:once_in(3) then
      local most = self.pace.ranges and by_ref[last.ref][2] or math.maxinteger
      last = { ref = last.ref, value = math.min(most, last.value + chance:draw(-2, 2)) }
    else
      local range = by_ref[ref]
      last = { ref = ref, value = chance:draw(range[1], range[2]) }
    end
    self.last = last
  end
  return last
end

local function item(source, plan)
  return { source = source, plan = plan }
end

local function period(hz)
  return { hz[2], hz[1] }
end

local function pulse(self)
  local what = intensity(self)
  return item(("mp.pulse(%s)"):format(written(what)), oracle.pulse(what))
end

local function train_of(what, pulses, hz, name)
  return item(("mp.%s { pulses = %d, hz = %s, intensity = %s }"):format(name, pulses, text(hz),
    written(what)), oracle.every(oracle.pulse(what), pulses, period(hz), true))
end

local function train(self)
  local what, pulses = intensity(self), self.chance:draw(1, self.pace.most)
  return train_of(what, pulses, self.chance:pick(self.pace.rates), "train")
end

local function rest_of(time)
  return item(("mp.rest(%s)"):format(text(time)), oracle.rest(time))
end

local function rest(self)
  return rest_of(self.chance:pick(self.pace.rests))
end

local function drawn_rest(self)
  local min, more = self.chance:pick(self.pace.rests), self.chance:pick(self.pace.more)
  local max = exact.add(min, more)
  return item(("mp.rest { min = %s, max = %s }"):format(text(min), text(max)), oracle.drawn_rest(min, max))
end

local function behind(a, b)
  return item(a.source .. " .. " .. b.source, oracle.sequence(a.plan, b.plan))
end

local function burst(self)
  return train_of(intensity(self), self.chance:draw(2, 5), self.chance:pick(self.pace.bursts), "burst")
end

local function pair(self)
  local isi, first = self.chance:pick(self.pace.isis), intensity(self)
  local second = self.chance:once_in(3) and first or intensity(self)
  return item(("mp.pair { isi = %s, intensity = { %s, %s } }"):format(text(isi), written(first),
    written(second)),
    oracle.sequence(oracle.sequence(oracle.pulse(first), oracle.rest(isi)), oracle.pulse(second)))
end

--- A rate at which a group fits.
local function group_rate(self, group)
  local hz
  repeat
    hz = self.chance:pick(self.pace.group_rates)
  until not exact.less(period(hz), group[1].span)
  return hz
end

--- A train of bursts or pairs.
local function train_of_groups(self)
  local what = self.pace.groups == "pairs" and pair(self) or burst(self)
  local count, hz = self.chance:draw(2, 5), group_rate(self, what.plan)
  return item(("mp.train { of = %s, hz = %s, count = %d }"):format(what.source, text(hz), count),
    oracle.every(what.plan, count, period(hz), true))
end

local function theta_burst(self)
  local what, pulses, cycles = intensity(self), self.chance:draw(2, 4), self.chance:draw(2, 3)
  local hz = self.chance:pick(self.pace.bursts)
  local one = oracle.every(oracle.pulse(what), pulses, period(hz), true)
  local theta = group_rate(self, one)
  local count = self.chance:draw(2, 5)
  local on, off = exact.scale(period(theta), count), self.chance:pick(self.pace.rests)
  return item(("mp.theta_burst { pulses = %d, hz = %s, theta_hz = %s, on = %s, off = %s, cycles = %d, "
    .. "intensity = %s }"):format(pulses, text(hz), text(theta), text(on), text(off), cycles, written(what)),
    oracle.every(oracle.every(one, count, period(theta), true), cycles, exact.add(on, off)))
end

--- Trains of one rate, each at another intensity.
local function ramp(self)
  local pulses, hz = self.chance:draw(2, self.pace.most), self.chance:pick(self.pace.rates)
  local between = self.chance:once_in(2) and rest(self)
  local made
  for _ = 1, self.chance:draw(2, 3) do
    local step = train_of(intensity(self), pulses, hz, "train")
    made = made and behind(between and behind(made, between) or made, step) or step
  end
  return made
end

--- The same intensity at rates close to each other.
local function rates(self)
  local what, made = intensity(self), nil
  for _ = 1, 2 do
    local pulses = self.chance:draw(2, self.pace.most)
    local step = train_of(what, pulses, self.chance:pick(self.pace.rates), "train")
    made = made and behind(behind(made, rest(self)), step) or step
  end
  return made
end

--- A single pulse, a burst, a single pulse again.
local function mixed(self)
  local group = self.pace.groups == "pairs" and pair or burst
  return behind(behind(behind(behind(pulse(self), rest(self)), group(self)), rest(self)), pulse(self))
end

local function two_channels(self)
  local names = self.pace.channels
  local apart = self.chance:pick(self.pace.apart)
  local left = self.chance:once_in(2) and train(self) or pulse(self)
  local right = behind(rest_of(apart), self.chance:once_in(2) and train(self) or pulse(self))
  return item(("mp.together { [%q] = %s, [%q] = %s }"):format(names[1], left.source, names[2], right.source),
    oracle.together(left.plan, right.plan, names))
end

--- A pulse on each of two coils, once or several times: a cell that a device could take for one of its own.
local function coils(self)
  local names, first, second = self.pace.channels, intensity(self), intensity(self)
  local apart = self.chance:pick(self.pace.apart)
  local function at(what, name)
    return item(("mp.pulse(%s):at %q"):format(written(what), name), oracle.on(oracle.pulse(what), name))
  end
  local made = behind(behind(at(first, names[1]), rest_of(apart)), at(second, names[2]))
  local count = self.chance:draw(1, 3)
  local every = exact.add(apart, self.chance:pick(self.pace.rests))
  return item(("(%s):times(%d, { every = %s })"):format(made.source, count, text(every)),
    oracle.every(made.plan, count, every))
end

local function repeated(self)
  local count = self.chance:draw(2, 4)
  local what = self.chance:once_in(2) and train(self) or behind(pulse(self), behind(rest(self), pulse(self)))
  local every = exact.add(what.plan[1].span, self.chance:pick(self.pace.rests))
  return item(("(%s):times(%d, { every = %s })"):format(what.source, count, text(every)),
    oracle.every(what.plan, count, every))
end

--- Pulses with a drawn rest behind each.
local function jittered(self)
  local what, count = behind(train(self), drawn_rest(self)), self.chance:draw(2, 4)
  return item(("(%s) * %d"):format(what.source, count), oracle.gaps(what.plan, count, exact.zero))
end

local makers = { pulse = pulse, train = train, ramp = ramp, rates = rates, repeated = repeated,
  jittered = jittered, two_channels = two_channels, coils = coils, mixed = mixed, groups = train_of_groups,
  pair = pair, burst = burst, theta_burst = theta_burst }

--- The kinds of parts that a pace has the numbers for.
local function kinds_of(pace)
  local kinds = { "pulse", "train", "train", "ramp", "rates", "repeated", "jittered" }
  local function more(has, ...)
    if has then
      table.move({ ... }, 1, select("#", ...), #kinds + 1, kinds)
    end
  end
  more(pace.channels, "two_channels", "two_channels", "coils")
  more(pace.groups, "mixed", "mixed", "groups")
  more(pace.isis, "pair")
  more(pace.bursts, "burst", "theta_burst")
  return kinds
end

local function block(self)
  return makers[self.chance:pick(self.kinds)](self)
end

--- Every order of a list of numbers.
local function orders(list)
  if #list <= 1 then
    return { list }
  end
  local made = {}
  for i, first in ipairs(list) do
    local others = { table.unpack(list) }
    table.remove(others, i)
    for _, order in ipairs(orders(others)) do
      table.insert(order, 1, first)
      made[#made + 1] = order
    end
  end
  return made
end

--- Trials in an order that the run's seed draws: its expectation is one of all orders.
local function shuffled(self)
  local sources, plans, longest = {}, {}, exact.zero
  for i = 1, 3 do
    local trial = self.chance:once_in(2) and pulse(self) or train(self)
    sources[i], plans[i] = trial.source, trial.plan
    local span = trial.plan[1].span
    longest = exact.less(longest, span) and span or longest
  end
  local every = exact.add(longest, self.chance:pick(self.pace.rests))
  local made = item(("mp.trials { of = mp.shuffle { %s }, every = %s }"):format(table.concat(sources, ", "),
    text(every)))
  made.orders = {}
  for _, order in ipairs(orders { 1, 2, 3 }) do
    local whole, at = { events = {}, span = exact.zero }, exact.zero
    for _, index in ipairs(order) do
      local trial = { { events = {}, span = at } }
      trial = oracle.sequence(trial, plans[index])
      table.move(trial[1].events, 1, #trial[1].events, #whole.events + 1, whole.events)
      whole.span, at = trial[1].span, exact.add(at, every)
    end
    made.orders[#made.orders + 1] = { whole }
  end
  return made
end

local function compose(parts, order)
  local whole
  for _, part in ipairs(parts) do
    local plan = part.orders and part.orders[order] or part.plan
    whole = whole and oracle.sequence(whole, plan) or plan
  end
  return whole
end

local function parts_of(self)
  local chance, parts, shuffle = self.chance, {}, false
  for i = 1, chance:draw(1, self.parts) do
    if i > 1 then
      parts[#parts + 1] = chance:once_in(4) and drawn_rest(self) or rest(self)
    elseif chance:once_in(5) then
      parts[1] = rest(self)
    end
    if chance:once_in(4) then
      local name = "mark " .. i
      parts[#parts + 1] = item(("mp.mark %q"):format(name), oracle.mark(name))
    end
    if not shuffle and chance:once_in(8) then
      shuffle, parts[#parts + 1] = true, shuffled(self)
    else
      parts[#parts + 1] = block(self)
    end
  end
  return parts, shuffle
end

--- Draw a plan.
---@param seed integer
---@param pace table of five_lists.paces: what the device can be asked
---@param most integer? so many parts, and rests between; 4
---@return { source: string, seed: integer, expected: table[] } expected: one of these (orders of a shuffle)
function M.plan(seed, pace, most)
  local self = { chance = chances.new(seed), pace = pace, kinds = pace.only or kinds_of(pace),
    parts = most or 4 }
  local parts, shuffle = parts_of(self)
  local lines, names = {}, {}
  for i, part in ipairs(parts) do
    lines[i], names[i] = ("    local part%d = %s"):format(i, part.source), "part" .. i
  end
  local times = self.chance:once_in(4) and self.chance:draw(2, 3)
  local gap, whole = times and self.chance:pick(pace.rests), table.concat(names, " .. ")
  if times then
    whole = ("(%s):times(%d, { gap = %s })"):format(whole, times, text(gap))
  end
  local expected = {}
  for order = 1, shuffle and 6 or 1 do
    local plan = compose(parts, order)
    expected[order] = oracle.ordered(times and oracle.gaps(plan, times, gap) or plan)
  end
  local source = ('local mp = require "moonpulse"\nreturn mp.protocol {\n  id = "drawn", name = "Drawn",\n'
    .. "  plan = function()\n%s\n    return %s\n  end,\n}\n"):format(table.concat(lines, "\n"), whole)
  return { source = source, seed = seed, expected = expected }
end

return M
