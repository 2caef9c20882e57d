-- A plan that broke off, at whichever of its events: what was given, and what is left of it, and what is left
-- of that where it breaks off as well, is what the plan has, each event once, and at its time. Catch trials,
-- which are marks alone, are events like others. The witness is the whole plan's schedule.
local chances = require "chance"
local core = require "moonpulse.core"
local mp = require "moonpulse"
local rests = require "moonpulse.experiment.rest"

describe("what is left of a plan", function()
  --- Its events, in their order: what each is, and when. Pulses that a trial has besides are named by a dot.
  local function events_of(plan, seed, from_ns)
    local schedule, list = core.schedule(plan, seed), {}
    while true do
      local kind, _, number, what, ns, code = schedule:next()
      if not kind then
        return list
      end
      local is_pulse = kind == "pulse"
      list[#list + 1] = { is_pulse = is_pulse, ns = ns + from_ns, number = is_pulse and number or nil,
        name = is_pulse and "pulse" or ("%s %d"):format(what, code) }
    end
  end

  local catches = 0

  local function catch()
    catches = catches + 1
    return mp.mark("catch " .. catches, { code = catches % 255 + 1 })
  end

  --- Trials, some of which are catch trials, also the first and the last ones.
  local function trials(chance, is_drawn)
    local list, same = {}, chance:once_in(6) and mp.mark("same", { code = 3 })
    for i = 1, chance:draw(1, 5) do
      list[i] = same or (chance:once_in(2) and catch()) or mp.pulse(mp.mso(chance:draw(30, 60)))
    end
    return mp.trials { of = list, every = not is_drawn and chance:draw(1, 3) or nil,
      shortest = is_drawn and 1 or nil, longest = is_drawn and 2 or nil }
  end

  local function plan_of(chance, is_drawn)
    local plan
    for _ = 1, chance:draw(1, 4) do
      local block = trials(chance, is_drawn)
      if chance:once_in(4) then
        block = block:times(chance:draw(1, 3), { gap = 4 })
      end
      if block:totals().pulses > 0 and chance:once_in(2) then
        block = block:block()
      end
      plan = plan and plan .. mp.rest(chance:draw(1, 5)) .. block or block
    end
    return plan
  end

  local function names(list, from, to)
    local found = {}
    for i = from, to do
      found[#found + 1] = list[i].name
    end
    return table.concat(found, ", ")
  end

  --- Break it off behind so many events: what is left, which begins at a time of the plan's.
  local function left_of(plan, seed, events, count)
    local pulses, marks = 0, 0
    for i = 1, count do
      pulses = pulses + (events[i].is_pulse and 1 or 0)
      marks = marks + (events[i].is_pulse and 0 or 1)
    end
    return rests.of(plan, seed, pulses, marks)
  end

  local function check(plan, seed, events, count, is_drawn, about)
    local rest = left_of(plan, seed, events, count)
    about = ("%s, behind %d of %s"):format(about, count, names(events, 1, #events))
    assert.are.equal(count < #events, rest ~= nil, about)
    if not rest then
      return nil
    end
    local left = events_of(rest.plan, seed, rest.begins_ns)
    assert.are.equal(names(events, count + 1, #events), names(left, 1, #left), about)
    assert.are.same({ 0, 0, 0 }, { rest.lost, rest.marks_lost, rest.marks_again }, about)
    for i, event in ipairs(is_drawn and {} or left) do
      assert.are.equal(events[count + i].ns, event.ns, about)
    end
    return rest, events_of(rest.plan, seed, 0)
  end

  it("is all that was not given, wherever it broke off, and broke off again", function()
    local broken = { behind_last = 0, amid = 0 }
    for seed = 1, 45 do
      local chance, is_drawn = chances.new(seed), seed % 3 == 0
      local plan, about = plan_of(chance, is_drawn), "seed " .. seed
      local events = events_of(plan, seed, 0)
      for count = 0, #events do
        local rest, left = check(plan, seed, events, count, is_drawn, about)
        local pulses = rest and rest.plan:totals().pulses
        local kind = rest and (pulses == 0 and plan:totals().pulses > 0 and "behind_last" or "amid")
        broken[kind or "amid"] = broken[kind or "amid"] + 1
        while rest do -- and again, until nothing is left
          local given = chance:draw(1, #left)
          rest, left = check(rest.plan, seed, left, given, is_drawn, about .. ", again")
        end
      end
    end
    assert.is_true(broken.behind_last > 20 and broken.amid > 150)
  end)

  it("tells of a trial that broke off what is lost, and gives the catch trials behind it", function()
    local train = mp.train { pulses = 4, hz = 10, intensity = mp.mso(40) }
    local plan = mp.trials { of = { train, catch(), train, catch(), catch() }, every = 5 }
    local rest = rests.of(plan, 1, 2, 0)
    assert.are.same({ 2, 0, 4 }, { rest.lost, rest.marks_lost, rest.plan:totals().pulses })
    assert.are.equal(3, rest.plan:totals().marks)
    rest = rests.of(plan, 1, 6, 1)
    assert.are.same({ 2, 0, 0 }, { rest.lost, rest.marks_lost, rest.plan:totals().pulses })
    assert.are.equal(2, rest.plan:totals().marks)
    assert.are.equal(15000000000, rest.begins_ns)
    local torn = mp.pulse(mp.mso(40)) .. mp.rest(0.1) .. mp.mark("amid", { code = 4 }) .. mp.rest(0.1)
      .. mp.pulse(mp.mso(40))
    local none, marks = rests.of(mp.trials { of = { torn }, every = 2 }, 1, 1, 0)
    assert.is_nil(none)
    assert.are.equal(1, marks)
  end)
end)
