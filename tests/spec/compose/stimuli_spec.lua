-- Which trial, block and condition each pulse of a plan is of: against what was counted by hand, and
-- against plans
-- that are expanded here, by arithmetic of its own.
local conditions = require "moonpulse.record.conditions"
local cursors = require "moonpulse.compose.stimulus_cursor"
local mp = require "moonpulse"
local plan_file = require "moonpulse.protocol.plan_file"
local stimuli = require "moonpulse.compose.stimuli"

local pulse = mp.pulse(mp.mso(50))
local pair = mp.pair { isi = mp.ms(2), intensity = { mp.mso(40), mp.mso(60) } }
local sici, test = pair:label "SICI", (mp.rest(mp.ms(2)) .. pulse):label "TS"

local function train(pulses)
  return mp.train { pulses = pulses, hz = 10, intensity = mp.mso(30) }
end

--- "SICI 1 1, ..." of each pulse: condition, trial, block ("-": none).
local function places(plan, seed)
  local cursor, list = cursors.new(stimuli.of(plan, seed or 1)), {}
  assert.is_false(cursor:find(0)) -- as a damaged record may ask
  for i = 1, plan:totals().pulses do
    assert.is_true(cursor:find(i), i)
    list[i] = ("%s %s %s"):format(cursor.condition, cursor:trial_of(i) or "-", cursor.block or "-")
  end
  assert.is_false(cursor:find(#list + 1))
  return table.concat(list, ", ")
end

local cases = {
  { "a pulse", pulse, "pulse 1 -" },
  { "a pair", pair, "pair 1 -, pair 1 -" },
  { "a burst", mp.burst { pulses = 3, hz = 50, intensity = mp.mso(30) }, "burst 1 -, burst 1 -, burst 1 -" },
  { "a train", train(2), "train 1 -, train 1 -" },
  { "pulses that are repeated", pulse:times(3, { every = 1 }), "pulse 1 -, pulse 2 -, pulse 3 -" },
  { "bursts of a train", mp.theta_burst { pulses = 2, hz = 50, theta_hz = 5, on = "0.4", off = 8, cycles = 2,
    intensity = mp.mso(30) },
      "train 1 -, train 1 -, train 1 -, train 1 -, train 2 -, train 2 -, train 2 -, train 2 -" },
  { "a train of one burst", mp.train { of = mp.burst { pulses = 2, hz = 50, intensity = mp.mso(30) }, hz = 5,
    count = 1 }, "burst 1 -, burst 1 -" },
  { "a pair in front and one behind", pair .. mp.rest(5) .. pair, "pair 1 -, pair 1 -, pair 2 -, pair 2 -" },
  { "trials, which are a block", mp.trials { of = { sici, test, sici }, every = 5 },
    "SICI 1 1, SICI 1 1, TS 2 1, SICI 3 1, SICI 3 1" },
  { "trials that are all alike", mp.trials { of = { test, test, test }, every = 5 },
    "TS 1 1, TS 2 1, TS 3 1" },
  { "the same, apart by chance", mp.trials { of = { test, test, test }, shortest = 5, longest = 6 },
    "TS 1 1, TS 2 1, TS 3 1" },
  { "one trial", mp.trials { of = { test }, shortest = 5, longest = 6 }, "TS 1 1" },
  { "trials of two pulses far apart", mp.trials { of = { pulse .. mp.rest(1) .. pulse, pulse }, every = 5 },
    "trial 1 1, trial 1 1, pulse 2 1" },
  { "blocks that are repeated", mp.trials { of = { test, sici }, every = 5 }:times(2, { gap = 60 }),
    "TS 1 1, SICI 2 1, SICI 2 1, TS 3 2, SICI 4 2, SICI 4 2" },
  { "a block that its author marks, and what is in none",
    (mp.trials { of = { test, sici }, every = 5 } .. mp.rest(5) .. pulse):block() .. mp.rest(9) .. pair,
    "TS 1 1, SICI 2 1, SICI 2 1, pulse 3 1, pair 4 -, pair 4 -" },
  { "trials of trials", mp.trials { of = { mp.trials { of = { test, sici }, every = 1 },
    mp.trials { of = { sici, test }, every = 1 } }, every = 9 },
    "TS 1 1, SICI 2 1, SICI 2 1, SICI 3 2, SICI 3 2, TS 4 2" },
  { "blocks in blocks: the innermost",
    (pulse:block() .. mp.rest(1) .. pulse:block()):block() .. mp.rest(1) .. pulse,
    "pulse 1 1, pulse 2 2, pulse 3 -" },
  { "blocks in blocks: what is between the inner ones is of the outer one",
    (pulse .. mp.rest(1) .. test:block():times(2, { gap = 1 }) .. mp.rest(1) .. pair .. mp.rest(1)
      .. mp.trials { of = { sici, test }, every = 5 }):block() .. mp.rest(1) .. pulse,
    "pulse 1 1, TS 2 2, TS 3 3, pair 4 1, pair 4 1, SICI 5 1, SICI 5 1, TS 6 1, pulse 7 -" },
  { "an outer block that is repeated, numbered by its first own pulse",
    (pulse:block() .. mp.rest(1) .. test .. mp.rest(1) .. pulse:block()):block():times(2, { gap = 1 }),
    "pulse 1 1, TS 2 2, pulse 3 3, pulse 4 4, TS 5 5, pulse 6 6" },
  { "a block of a block", pulse:block():block() .. mp.rest(1) .. (test .. mp.rest(1) .. test):block():block(),
    "pulse 1 1, TS 2 2, TS 3 2" },
  { "three blocks in each other",
    (pulse .. mp.rest(1) .. (test .. mp.rest(1) .. pulse:block() .. mp.rest(1) .. test):block()
      .. mp.rest(1) .. pulse):block(), "pulse 1 1, TS 2 2, pulse 3 3, TS 4 2, pulse 5 1" },
  { "blocks side by side lie in the one around", (pulse .. mp.rest(1)
    .. mp.together { a = test:block(), b = mp.rest(1) .. pulse:block():times(2, { every = 1 }) }
    .. mp.rest(1) .. pulse:block() .. mp.rest(1) .. pulse):block(),
    "pulse 1 1, TS 2 1, pulse 3 1, pulse 4 1, pulse 5 2, pulse 6 1" },
  { "a triple made by hand",
    ((pulse .. mp.rest(mp.ms(3)) .. pulse .. mp.rest(mp.ms(9)) .. pulse):label "triple")
    :times(2, { every = 5 }), "triple 1 -, triple 1 -, triple 1 -, triple 2 -, triple 2 -, triple 2 -" },
  { "the same without a label", (pulse .. mp.rest(mp.ms(3)) .. pulse):times(2, { every = 5 }),
    "pulse 1 -, pulse 2 -, pulse 3 -, pulse 4 -" },
  { "a label on a repetition", (pulse .. mp.rest(5)):times(2):label "TS", "TS 1 -, TS 2 -" },
  { "a label on a sequence that repeats", (pulse:times(2,
    { every = 1 }) .. mp.rest(1) .. pulse):label "warm up",
    "warm up 1 -, warm up 2 -, warm up 3 -" },
  { "the innermost label", mp.trials { of = { sici, pulse }, every = 8 }:label "rest",
    "SICI 1 1, SICI 1 1, rest 2 1" },
  { "two conditions in a train", mp.train { of = pulse:label "a" .. mp.rest(mp.ms(5)) .. pulse, hz = 10,
    count = 2 },
    "a 1 -, train 1 -, a 1 -, train 1 -" },
  { "two coils a trial", mp.together { nerve = pulse, tms = mp.rest(mp.ms(25)) .. pulse }:times(2,
    { every = 9 }),
    "trial 1 -, trial 1 -, trial 2 -, trial 2 -" },
  { "two coils a trial, each with its label, in the order of time",
    mp.together { a = mp.rest(mp.ms(9)) .. pulse
    :label "late", b = pulse:label "soon" }:times(2, { every = 9 }),
      "soon 1 -, late 1 -, soon 2 -, late 2 -" },
  { "trains side by side", mp.together { left = train(3):times(2, { every = 1 }),
    right = mp.rest(mp.ms(50)) .. train(2):label "R":times(2, { every = 1 }) },
      "train 1 -, R 2 -, train 1 -, R 2 -, "
    .. "train 1 -, train 3 -, R 4 -, train 3 -, R 4 -, train 3 -" },
  { "the same in blocks", mp.together { left = pulse:label "L":times(2, { every = 2 }),
    right = mp.rest(1) .. pair:times(2, { every = 2 }) }:block():times(2,
      { gap = 10 }) .. mp.rest(9) .. pulse,
    "L 1 1, pair 2 1, pair 2 1, L 3 1, pair 4 1, pair 4 1, L 5 2, pair 6 2, pair 6 2, L 7 2, pair 8 2, "
    .. "pair 8 2, "
    .. "pulse 9 -" },
}

-- Plans by chance, with what they must be beside them: lists of { ms, condition, trial, block }, where a
-- trial
-- and a block are any value of their own.

local function merged(lists)
  local all = {}
  for _, list in ipairs(lists) do
    table.move(list, 1, #list, #all + 1, all)
  end
  return all
end

local function moved(list, ms)
  local made = {}
  for i, each in ipairs(list) do
    made[i] = { each[1] + ms, each[2], each[3], each[4] }
  end
  return made
end

--- One stimulus: its plan, and a function that gives its pulses, of a new trial each time.
local function stimulus(condition)
  local kind, label = math.random(4), math.random(2) == 1 and "c" .. math.random(4) or nil
  local name = label or condition
  local plan, onsets, kind_name
  if kind == 1 then
    plan, onsets, kind_name = pulse, { 0 }, "pulse"
  elseif kind == 2 then
    plan, onsets, kind_name = pair, { 0, 2 }, "pair"
  elseif kind == 3 then
    plan, onsets, kind_name = train(3), { 0, 100, 200 }, "train"
  else
    plan, onsets, kind_name = mp.burst { pulses = 3, hz = 50, intensity = mp.mso(30) }, { 0, 20, 40 }, "burst"
  end
  plan = label and plan:label(label) or plan
  return plan, function(block)
    local list, trial = {}, {}
    for i, ms in ipairs(onsets) do
      list[i] = { ms, name or kind_name, trial, block }
    end
    return list
  end
end

--- So many stimuli, each one second after the one before: a plan, how many seconds it takes, and its pulses.
local function strand(condition, least)
  local count, plan, makers = math.random(least, 4), nil, {}
  for i = 1, count do
    local part, make = stimulus(condition)
    part = mp.together { part, mp.rest(1) } -- a second each
    plan, makers[i] = plan and plan .. part or part, make
  end
  local times = math.random(3)
  plan = times > 1 and plan:times(times) or plan
  return plan, count * times, function(block)
    local lists = {}
    for i = 1, count * times do
      lists[i] = moved(makers[(i - 1) % count + 1](block), (i - 1) * 1000)
    end
    return merged(lists)
  end
end

--- A strand, or two of them side by side, perhaps as a block, perhaps repeated.
local function stretch()
  local condition = math.random(3) == 1 and "around" or nil
  local is_beside = math.random(2) == 1 -- two single stimuli side by side are one
  local plan, seconds, make = strand(condition, is_beside and 2 or 1)
  if is_beside then
    local other, more, make_other = strand(condition, 1)
    local first = make
    plan = mp.together { left = plan, right = mp.rest(mp.ms(7)) .. other }
    seconds, make = math.max(seconds, more) + 1, function(block)
      return merged { first(block), moved(make_other(block), 7) }
    end
  end
  local is_block, times = math.random(2) == 1, math.random(3)
  plan = (is_block and plan:block() or plan):times(times, { every = seconds + 1 })
  local named, whole = pcall(plan.label, plan, condition) -- refused where all have one
  return condition and named and whole or plan, times * (seconds + 1), function()
    local lists = {}
    for i = 1, times do
      lists[i] = moved(make(is_block and {} or nil), (i - 1) * (seconds + 1) * 1000)
    end
    return merged(lists)
  end
end

local function by_time(list)
  for i, each in ipairs(list) do
    each.place = i
  end
  table.sort(list, function(a, b)
    if a[1] ~= b[1] then
      return a[1] < b[1]
    end
    return a.place < b.place
  end)
  return list
end

--- The same as places() says, of a list of pulses.
local function numbered(list)
  local trials, blocks, found, trial_count, block_count = {}, {}, {}, 0, 0
  for i, each in ipairs(by_time(list)) do
    local trial, block = each[3], each[4]
    if not trials[trial] then
      trial_count = trial_count + 1
      trials[trial] = trial_count
    end
    if block and not blocks[block] then
      block_count = block_count + 1
      blocks[block] = block_count
    end
    found[i] = ("%s %s %s"):format(each[2], trials[trial], block and blocks[block] or "-")
  end
  return table.concat(found, ", ")
end

describe("the trials, blocks and conditions of a plan", function()
  for _, case in ipairs(cases) do
    it("are as counted by hand: " .. case[1], function()
      assert.are.equal(case[3], places(case[2]))
    end)

    it("survive a plan file: " .. case[1], function()
      local text = plan_file.write(case[2], { seed = 1 })
      local read = assert(plan_file.read(text, "x.plan"))
      assert.are.equal(case[3], places(read.plan))
      assert.are.equal(text, plan_file.write(read.plan, { seed = 1 }))
    end)
  end

  it("are those of the parts, of any plan", function()
    math.randomseed(12)
    for round = 1, 150 do
      local whole, makers, at = nil, {}, 0
      for i = 1, math.random(3) do
        local plan, seconds, make = stretch()
        makers[i] = { at, make }
        local pause = whole and at - math.floor(whole:totals().span * 1000 + 0.5) / 1000
        whole = whole and whole .. mp.rest(pause) .. plan or plan
        at = at + seconds + 1
      end
      local lists = {}
      for i, each in ipairs(makers) do
        lists[i] = moved(each[2](), each[1] * 1000)
      end
      assert.are.equal(numbered(merged(lists)), places(whole), "round " .. round)
    end
  end)

  it("do not hang on whether a map is walked on or begun again", function()
    local plan = mp.trials { of = { sici, test, sici }, every = 5 }:times(3, { gap = 5 })
    local cursor, forward = cursors.new(stimuli.of(plan, 1)), {}
    for i = 1, 15 do
      cursor:find(i)
      forward[i] = ("%s %d %d"):format(cursor.condition, cursor:trial_of(i), cursor.block)
    end
    for i = 15, 1, -1 do
      cursor:find(i)
      assert.are.equal(forward[i], ("%s %d %d"):format(cursor.condition, cursor:trial_of(i), cursor.block))
    end
  end)

  it("are drawn with the rests: which of two sides comes first hangs on the seed", function()
    local plan = mp.together { left = (mp.rest { min = 1, max = 3 } .. pulse:label "L"):times(3),
      right = (mp.rest { min = 1, max = 3 } .. pulse:label "R"):times(3) }
    local schedule_order = {}
    for seed = 1, 20 do
      local schedule, sides = require("moonpulse.core").schedule(plan, seed), {}
      local actions = schedule:actions()
      for _ = 1, 6 do
        local _, _, number, action = schedule:next()
        sides[number] = ("%s %d -"):format(actions[action].channel == "left" and "L" or "R", number)
      end
      assert.are.equal(table.concat(sides, ", "), places(plan, seed))
      schedule_order[table.concat(sides)] = true
    end
    assert.is_true(next(schedule_order, next(schedule_order)) ~= nil) -- not always the same
  end)

  it("are counted of a plan of any length", function()
    local plan = mp.trials { of = { sici, test, sici }, every = 5 }:times(1000000, { gap = 5 })
      .. mp.rest(1) .. mp.pulse(mp.rmt(110)):times(500000000, { every = 1 })
    assert.are.same({
      { condition = "SICI", pulses = 4000000, trials = 2000000, intensities = { { reference = "MSO",
        lowest = 40,
        highest = 60 } } },
      { condition = "TS", pulses = 1000000, trials = 1000000, intensities = { { reference = "MSO",
        lowest = 50,
        highest = 50 } } },
      { condition = "pulse", pulses = 500000000, trials = 500000000, intensities = { { reference = "RMT",
        lowest = 110, highest = 110 } } },
    }, conditions.of_plan(plan))
  end)

  it("have sides that are no block, however often they come", function()
    local plan = mp.together { left = pulse:label "L":times(2, { every = 1 }),
      right = mp.rest(1) .. pulse }:block()
      :times(3, { gap = 1 })
    assert.are.same({ 6, 6 }, { conditions.of_plan(plan)[1].pulses, conditions.of_plan(plan)[1].trials })
    assert.are.equal(3, conditions.of_plan(plan)[2].trials)
  end)
end)

describe("a label", function()
  local function refused(message, plan, ...)
    local ok, problem = pcall(plan.label, plan, ...)
    assert.is_false(ok)
    assert.matches(message, tostring(problem), 1, true)
  end

  it("is a text that every program that reads tables takes for one", function()
    refused("the name of a condition expected", pulse)
    refused("the name of a condition expected", pulse, 5)
    for _, word in ipairs { "", "NA", "n/a", "N/A", "None", "nan", "NULL", "null", "<NA>" } do
      refused("is what tables have where something is missing", pulse, word)
    end
    for _, kind in ipairs { "pulse", "pair", "burst", "train", "trial", "together" } do -- "without a label"
      refused(("label: %q is what a record calls a "):format(kind), pulse, kind)
    end
    refused("has no quotes", pulse, 'the "test"')
    refused("nor blanks at its ends", pulse, " TS")
    refused("nor blanks at its ends", pulse, "TS ")
    refused("1 to 63 bytes", pulse, ("x"):rep(64))
    refused("control characters", pulse, "a\tb")
    refused("zero byte", pulse, "a\0b")
    assert.are.equal(("x"):rep(63), pulse:label(("x"):rep(63)):view().condition)
    assert.are.equal("TS 120 % RMT, ä", pulse:label "TS 120 % RMT, ä":view().condition)
  end)

  it("names something", function()
    refused("there is no pulse in this plan", mp.rest(1), "x")
    refused("each pulse of this plan has a label already", pulse:label "a", "b")
    refused("each pulse of this plan has a label already", mp.trials { of = { sici, test }, every = 5 }, "b")
  end)

  it("changes nothing else: neither the plan that it was given for, nor onsets and drawn rests", function()
    local function onsets(plan)
      local schedule, list = require("moonpulse.core").schedule(plan, 5), {}
      for _, us in schedule.next, schedule do
        list[#list + 1] = us
      end
      return list
    end
    local bare = mp.trials { of = { pair, pulse, pair }, shortest = 4, longest = 6 }
    local named = mp.trials { of = { pair:label "SICI", pulse:label "TS", pair }, shortest = 4, longest = 6 }
    assert.are.same(onsets(bare), onsets(named:label "rest":block()))
    assert.are.equal("", pair:view().condition)
    assert.are.equal("pair", pair:label "SICI":view().label)
  end)
end)
