--- The sentences on a plan say what the plan gives: they are read back here, by a reader that knows
--- nothing of
--- plans, and must give the very pulses of moonpulse events.
local shell = require "shell"

local folder
setup(function() folder = shell.folder() end)
teardown(function() shell.remove(folder) end)

local units = { s = 1, ms = 1e-3, us = 1e-6 }

local function seconds(text)
  local number, unit = text:match("^([%d.]+) (%l+)$")
  return assert(tonumber(number), text) * assert(units[unit], text)
end

local function count_of(text)
  return assert(tonumber((text:gsub(",", ""))), text)
end

--- "80 %AMT (40 %MSO) on channel x"
local function dose(text)
  text = text:gsub("^([%d.]+) %% of the nerve stimulator's maximum", "%1 %%MSO")
  local intensity, reference, rest = text:match("^([%d.]+) %%(%u+)(.*)$")
  assert(intensity, text)
  rest = rest:gsub("^ %([%d.]+ %%MSO%)", "")
  local channel = rest:match("^ on channel (%S+)$")
  assert(rest == "" or channel, text)
  return { intensity = tonumber(intensity), reference = reference, channel = channel or "1" }
end

local function pulse(list, at, text)
  local found = dose(text)
  found.at = at
  list[#list + 1] = found
end

--- "a conditioning pulse at A and 2 ms later a test pulse at B", "one pulse at A, 2 ms after the beginning"
local function cell(text)
  text = text:gsub(" %([mc]%l+ \".-%)$", "")
  local list, at = {}, 0
  text = text:gsub(", ([%d.]+ %l+) after the beginning", function(later)
    at = seconds(later)
    return ""
  end)
  local first, more = text:match("^%l+ ?%l* pulse at (.-)(,? a?n?d? ?[%d.]+ m?u?s later .*)$")
  pulse(list, at, first or assert(text:match("^%l+ ?%l* pulse at (.*)$"), text))
  more = (more or ""):gsub(" and ", ", ")
  for later, one in more:gmatch(", ([%d.]+ %l+) later %l+ ?%l* pulse at ([^,]+)") do
    at = at + seconds(later)
    pulse(list, at, one)
  end
  return list
end

local read

--- "20 trains, one every 10 s, from onset to onset (...); each train: ...", "3 pulses, one every 20 ms (50
--- Hz),
--- each at 80 %AMT"
local function repeated(text)
  local count, noun, every, rest = text:match("^([%d,]+) (%l+), one every ([%d.]+ %l+)(.*)$")
  if not count then
    return nil
  end
  local hz = rest:match("^ %(([%d.]+) Hz%)")
  local period = hz and 1 / tonumber(hz) or seconds(every)
  if hz then -- both are there: they agree
    assert(math.abs(seconds(every) * tonumber(hz) - 1) < 1e-5, text)
  end
  local what = rest:match("; each %l+: (.*)$") or rest:match(", each (at .*)$")
  local inner = what:find("^at ") and cell("one pulse " .. what) or read(what)
  local list = {}
  for i = 0, count_of(count) - 1 do
    for _, each in ipairs(inner) do
      list[#list + 1] = { at = i * period + each.at, intensity = each.intensity, reference = each.reference,
        channel = each.channel }
    end
  end
  assert(noun ~= "", text)
  return list, period * count_of(count), rest
end

function read(text)
  text = text:gsub(" %([mc]%l+ \"[^()]-%)$", ""):gsub("^after the mark \"[^\"]*\", ", "")
  local list, whole, rest = repeated(text)
  return list or cell(text), whole, rest
end

--- Every pulse of moonpulse events.
local function events_of(arguments)
  local _, out = shell.moonpulse(folder, "events " .. arguments)
  local list = {}
  for line in out:gmatch("[^\n]+") do
    local at, channel, intensity, reference = line:match("^%d+\t(%d+)\tpulse\t([^\t]+)\t([^\t]+)\t([^\t]+)")
    if at then
      list[#list + 1] = { at = tonumber(at) / 1e6, channel = channel, intensity = tonumber(intensity),
        reference = reference }
    end
  end
  return list
end

local function sentences_of(arguments)
  local cjson = require "cjson"
  local status, out, err = shell.moonpulse(folder, "methods --json " .. arguments)
  assert(status == 0, err)
  local made, list = cjson.decode(out), {}
  for _, sentence in ipairs(made.sentences) do
    if sentence.id == "pattern" then
      list[#list + 1] = sentence.text:gsub("%.$", "")
    end
  end
  return list, made
end

local function lower(text)
  return (text:gsub("^First, ", ""):gsub("^%u%l", string.lower))
end

local function same(found, wanted, what)
  assert.are.equal(#wanted, #found, what)
  for i, each in ipairs(found) do
    local pulse_of = wanted[i]
    assert(math.abs(each.at - pulse_of.at) < 2e-6 + each.at * 1e-8,
      ("%s: pulse %d at %.7f, not %.7f"):format(what,
      i, each.at, pulse_of.at))
    assert.are.same({ pulse_of.channel, pulse_of.intensity, pulse_of.reference },
      { each.channel, each.intensity, each.reference }, what)
  end
end

local drawn = { io_curve = true, paired_pulse_block = true, tmseeg_sp = true }

describe("the sentences on a plan", function()
  local ids = {}
  for line in io.lines("tests/data/protocols.tsv") do
    local id = line:match("^[^\t]+")
    ids[#ids + 1] = id ~= "id" and not drawn[id] and id ~= "prime_ctbs_itbs" and id or nil
  end

  it("of every shipped protocol without draws give the pulses of moonpulse events", function()
    assert(#ids >= 44, #ids)
    for _, id in ipairs(ids) do
      local list = sentences_of(id)
      assert.are.equal(1, #list, id)
      same((read(lower(list[1]))), events_of(id), id)
    end
  end)

  it("of a sequence give a sentence for each part, and the pause from the nominal end and from the last "
    .. "pulse",
    function()
      local list = sentences_of "prime_ctbs_itbs"
      assert.are.equal(2, #list)
      local first, whole = read(lower(list[1]))
      local nominal, silence, rest = list[2]:match("^Then, after ([%d.]+ s) without pulses from the nominal "
        .. "end %(([%d.]+ s) from the last pulse%) and the mark \"iTBS\", (.*)$")
      for _, each in ipairs((read(rest))) do
        each.at = each.at + whole + seconds(nominal)
        first[#first + 1] = each
      end
      local events = events_of "prime_ctbs_itbs"
      same(first, events, "prime_ctbs_itbs")
      assert.is_true(math.abs(events[601].at - events[600].at - seconds(silence)) < 1e-6)
    end)

  it("say the silence between trains as the events have it", function()
    for _, id in ipairs { "itbs600", "dtms_h1", "hf5_m1_1800", "sici", "ccpas", "pas25",
      "itbs600x3_15min" } do
      local list = sentences_of(id)
      local every, gap, silence = list[1]:match("one every ([%d.]+ s), from onset to onset %(([%d.]+ s) from "
        .. "the nominal end to the next onset, ([%d.]+ s) from the last pulse to the next one%)")
      local events, longest = events_of(id), 0
      for i = 2, #events do
        longest = math.max(longest, events[i].at - events[i - 1].at)
      end
      assert(math.abs(longest - seconds(silence)) < 2e-6, id)
      assert.is_true(seconds(gap) <= seconds(silence) and seconds(silence) < seconds(every))
    end
  end)

  it("of drawn intervals say their range and how many of what", function()
    for _, seed in ipairs { 1, 7 } do
      local list, made = sentences_of("io_curve --seed " .. seed)
      local from, to = list[1]:match(", ([%d.]+ s) to ([%d.]+ s) from onset to onset, drawn from the seed$")
      local counts, events = {}, events_of("io_curve --seed " .. seed)
      for i, each in ipairs(events) do
        counts[each.intensity] = (counts[each.intensity] or 0) + 1
        local apart = i > 1 and each.at - events[i - 1].at
        assert.is_true(not apart or apart >= seconds(from) - 1e-6 and apart <= seconds(to) + 1e-6)
      end
      local kinds = 0
      for count, intensity in list[1]:gmatch("(%d+) trials with one pulse at ([%d.]+) %%RMT") do
        assert.are.equal(counts[tonumber(intensity)], tonumber(count))
        kinds = kinds + 1
      end
      assert.are.equal(4, kinds)
      assert.are.equal("Order and intervals are drawn from the seed " .. seed, list[2])
      assert.are.equal(40, made.pulses.planned)
    end
  end)

  it("name conditioning and test pulse of a pair, also where the trial is marked", function()
    local list = sentences_of "paired_pulse_block --rmt 50"
    local text = list[1]:gsub("%(marked ", "(condition ")
    assert.matches("20 trials with a conditioning pulse at 80 %RMT (40 %MSO) and 12 ms later a test pulse at "
      .. "120 %RMT (60 %MSO) (condition \"ICF\")", text, 1, true)
    assert.matches("20 trials with one pulse at 120 %RMT (60 %MSO) (condition \"TS alone\")", text, 1, true)
    assert.matches("7 s to 9 s from onset to onset, drawn from the seed", list[1], 1, true)
    list = sentences_of "sici -p singles=3 -p pairs=2"
    assert.matches("3 trials with one pulse at 120 %RMT, 2 ms after the beginning", list[1], 1, true)
  end)

  local function of_plan(plan)
    shell.write(folder .. "/made.lua", ('local mp = require "moonpulse"\nreturn mp.protocol { name = "x", '
      .. "plan = function()\n%s end }"):format(plan))
    return sentences_of(folder .. "/made.lua")
  end

  it("of parts that repeat after a drawn pause say its range from onset to onset", function()
    local list = of_plan [[local part = mp.pulse(mp.mso(40)) .. mp.rest { min = 4, max = 6 }
      return part:times(10, { gap = 1 })]]
    assert.are.equal("10 parts, 5 s to 7 s from onset to onset, drawn from the seed; each part: one pulse at "
      .. "40 %MSO; then 4 s to 6 s without pulses, drawn from the seed", list[1])
  end)

  it("say each mark where it stands, once, and trains in parts as trains", function()
    local list = of_plan [[local train = mp.train { pulses = 5, every = 0.1, intensity = mp.mso(40) }
      return mp.rest(1) .. mp.mark "begin" .. (train .. mp.rest(5)):times(3)]]
    assert.are.equal("After 1 s without pulses and the mark \"begin\", 3 parts, one every 5.5 s, from onset "
      .. "to onset (0 s from the nominal end to the next onset, 5.1 s from the last pulse to the next one); "
      .. "each part: 5 pulses, one every 100 ms (10 Hz), each at 40 %MSO; then 5 s without pulses", list[1])
    list = of_plan [[local train = mp.train { pulses = 5, every = 0.1, intensity = mp.mso(40) }
      return mp.mark "on" .. mp.rest(5) .. train .. mp.mark "pause" .. mp.rest(60) .. mp.mark "again" .. train
        .. mp.mark "off" .. mp.rest(3) .. mp.mark "gone"]]
    local train = "5 pulses, one every 100 ms (10 Hz), each at 40 %MSO"
    assert.are.same({ "First, after the mark \"on\" and 5 s without pulses, " .. train,
      "Then, after the mark \"pause\" and 60 s without pulses from the nominal end (60.1 s from the last "
        .. "pulse), " .. train .. " (marked \"again\")",
      "Then the mark \"off\" and, after 3 s without pulses, the mark \"gone\"" }, list)
    list = of_plan [[return mp.mark "begin" .. mp.train { pulses = 5, every = 0.1, intensity = mp.mso(40) }]]
    assert.are.equal("5 pulses, one every 100 ms (10 Hz), each at 40 %MSO (marked \"begin\")", list[1])
  end)

  it("of three pulses and of pulses at one time say each interval from the pulse before", function()
    local plan = [[local triple = mp.pulse(mp.rmt(70)) .. mp.rest(mp.ms(3)) .. mp.pulse(mp.rmt(80))
        .. mp.rest(mp.ms(10)) .. mp.pulse(mp.rmt(120))
      return triple:times(4, { every = 6 })]]
    local list = of_plan(plan)
    assert.matches("each part: one pulse at 70 %RMT, 3 ms later one pulse at 80 %RMT and 10 ms later one "
      .. "pulse at 120 %RMT", list[1], 1, true)
    same((read(lower(list[1]))), events_of(folder .. "/made.lua"), "three")
    list = of_plan "return mp.together { a = mp.pulse(mp.mso(30)), b = mp.pulse(mp.mso(50)) }"
    assert.are.equal("One pulse at 30 %MSO on channel a and at the same time one pulse at 50 %MSO on channel "
      .. "b", list[1])
  end)

  it("of outputs that play side by side say what each gets", function()
    local list = of_plan [[return mp.together { a = mp.train { pulses = 20, hz = 5, intensity = mp.mso(30) },
      b = mp.train { pulses = 10, hz = 1, intensity = mp.mso(50) } }]]
    assert.matches("20 pulses, one every 200 ms (5 Hz), each at 30 %MSO on channel a", list[1], 1, true)
    assert.matches("10 pulses, one every 1 s (1 Hz), each at 50 %MSO on channel b", list[1], 1, true)
  end)

  it("of hundreds of parts count the kinds instead of leaving any out", function()
    local list = of_plan [[local all = mp.pulse(mp.mso(1))
      for i = 2, 400 do all = all .. mp.rest(1) .. mp.pulse(mp.mso(i % 4 + 1)) end
      return all]]
    assert.matches("400 parts one after the other: 100 times one pulse at 1 %MSO; 100 times one pulse at 3 "
      .. "%MSO",
      list[1], 1, true)
    assert.matches("after 1 s without pulses", list[1], 1, true)
  end)
end)
