--- Plans of a researcher's own kind, each from a number: singles, pairs, trains and bursts written by hand,
--- as a loop, as a table or as what repeats, with drawn rests between. What each device gave, its simulator's
--- log says; it is compared with onsets and intensities that are worked out here, from the number alone. A
--- refusal must be one that the device's document asks for: allows, below. MP_SEED=N plays one, MP_PLANS=N so
--- many.
local devices = require "moonpulse.driver.find"
local inside = require "moonpulse.run.inside"
local mp = require "moonpulse"
local records = require "moonpulse.record"
local shell = require "shell"

local nothing = function() end

-- What is to be given: { { ms, mso }, ... } ----------------------------------------------------------------

local function stimuli(random)
  local list, at = {}, 0
  local function add(mso)
    list[#list + 1] = { ms = at, mso = mso }
  end
  local function train(count, gap, mso)
    for i = 1, count do
      add(mso)
      at = at + (i < count and gap or 0)
    end
  end
  local mso = random(30, 60)
  local make = {
    singles = function()
      for _ = 1, random(3, 6) do
        add(random(2) == 1 and mso or random(30, 60))
        at = at + random(7, 90) * 100
      end
    end,
    pairs = function()
      local same, isi = random(2) == 1, ({ 1, 2, 3, 10, 12, 50, 100, 150 })[random(8)]
      for _ = 1, random(2, 4) do
        add(same and mso or mso - 20)
        at = at + isi
        add(mso)
        at = at + random(42, 90) * 100
      end
    end,
    trains = function()
      local count, hz, gap = random(2, 4) * 5, ({ 1, 2, 5, 10, 20 })[random(5)], random(5, 40) * 1000
      for _ = 1, random(1, 4) do
        train(count, 1000 // hz, mso)
        at = at + gap
      end
    end,
    bursts = function()
      local size, inner, theta = random(2, 4), ({ 10, 20 })[random(2)], ({ 160, 200 })[random(2)]
      for _ = 1, random(2, 10) do
        train(size, inner, mso)
        at = at + theta - (size - 1) * inner
      end
    end,
    mixed = function()
      add(mso)
      at = at + random(2, 9) * 1000
      train(10, 100, mso)
      at = at + random(20, 40) * 1000
      train(5, 200, mso)
    end,
  }
  local kinds = { "singles", "pairs", "trains", "bursts", "mixed" }
  local kind = kinds[random(#kinds)]
  make[kind]()
  return list, kind
end

-- The ways to write it -------------------------------------------------------------------------------------

local function loop(list)
  local plan = mp.pulse(mp.mso(list[1].mso))
  for i = 2, #list do
    plan = plan .. mp.rest(mp.ms(list[i].ms - list[i - 1].ms)) .. mp.pulse(mp.mso(list[i].mso))
  end
  return plan
end

--- Parts between rests of half a second and more, each on its own, with what is alike said once.
local function nested(list)
  local parts, plan = { { list[1] } }, nil
  for i = 2, #list do
    local apart = list[i].ms - list[i - 1].ms
    if apart >= 500 then
      parts[#parts].rest, parts[#parts + 1] = apart, {}
    end
    table.insert(parts[#parts], list[i])
  end
  for _, part in ipairs(parts) do
    local rest = part.rest and mp.rest(mp.ms(part.rest))
    plan = plan and plan .. loop(part) or loop(part)
    plan = rest and plan .. rest or plan
  end
  return plan
end

--- As mp.from_table makes it: each pulse a trial that lasts until the next.
local function tabled(list)
  local plan
  for i, each in ipairs(list) do
    local one = mp.pulse(mp.mso(each.mso)):label("T" .. each.mso)
    local lasts = list[i + 1] and list[i + 1].ms - each.ms
    local trial = lasts and one:times(1, { every = mp.ms(lasts) }) .. mp.rest(mp.ms(lasts)) or one
    plan = plan and plan .. trial or trial
  end
  return plan
end

--- The same again after a rest that is drawn.
local function drawn(list)
  return loop(list) .. mp.rest { min = 20, max = 25 } .. loop(list)
end

local ways = { loop, nested, tabled, drawn }

-- What the documents of the devices allow: true where a plan must be taken ---------------------------------

--- Pulses in groups of equal gap and intensity: { { count, gap, mso, rest = to the next } }.
local function groups(list)
  local all, i = {}, 1
  while i <= #list do
    local gap, j = list[i + 1] and list[i + 1].ms - list[i].ms, i
    while list[j + 1] and list[j + 1].ms - list[j].ms == gap and list[j + 1].mso == list[i].mso
      and gap < 1000 do
      j = j + 1
    end
    all[#all + 1] = { count = j - i + 1, gap = gap, mso = list[i].mso,
      rest = list[j + 1] and list[j + 1].ms - list[j].ms or math.huge }
    i = j + 1
  end
  return all
end

--- ms that a Magstim's power takes, by magstim200.md; 0.5 s more are room that the test leaves.
local function settles(from, to)
  return 500 + (to > from and 10 * (to - from) or 100 * (from - to))
end

local allows = {}

function allows.magstim200(list)
  for i = 2, #list do
    local gap, before, now = list[i].ms - list[i - 1].ms, list[i - 1].mso, list[i].mso
    if gap < math.max(math.max(before, now) < 50 and 2000 or 3000, settles(before, now)) then
      return false
    end
  end
  return true
end

--- Trains of one rate (whole Hz, whole tenths of a second, within the rate of the weakest unit at 60 %), as
--- far apart as the supply needs, or single pulses 1 s apart: not both.
function allows.rapid(list)
  local all, singles, trains = groups(list), 0, 0
  for i, group in ipairs(all) do
    local next_mso = all[i + 1] and all[i + 1].mso or group.mso
    local joules = 134.2 * (group.mso / 73) ^ 2
    local hz = 1000 / group.gap
    local wait = math.max(0.5, group.count * (hz * joules - 1050) / (1050 * hz)) * 1000 + group.gap
    if group.count == 1 then
      singles = singles + 1
      if group.rest < math.max(1000, settles(group.mso, next_mso)) then
        return false
      end
    else
      trains = trains + 1
      if hz > 18 or hz % 1 ~= 0 or group.count * 10 % hz ~= 0 or group.rest < math.max(wait,
        settles(group.mso, next_mso)) + 800 then
        return false
      end
    end
  end
  return singles == 0 or trains == 0
end

--- A pulse or a pair every 4 s; both powers follow.
function allows.bistim(list)
  local all, i, low, fine = {}, 1, false, false
  while i <= #list do
    local second = list[i + 1] and list[i + 1].ms - list[i].ms < 1000 and list[i + 1]
    local isi = second and second.ms - list[i].ms
    low, fine = low or isi and isi > 99.9, fine or isi and isi % 1 ~= 0
    all[#all + 1] = { at = list[i].ms, a = list[i].mso, b = second and second.mso or 0, isi = isi or 0 }
    i = i + (second and 2 or 1)
  end
  for k = 2, #all do
    local one, two = all[k - 1], all[k]
    local waits = one.isi + 600 + (low and 1000 or 100)
    if two.at - one.at < math.max(4100, settles(one.a, two.a) + waits, settles(one.b, two.b) + waits) then
      return false
    end
  end
  return not (low and fine)
end

--- 10 ms apart (X100); 123.2 ms where the intensity is another. With the Option pairs from 1 ms on.
function allows.magventure(list, options)
  local i = 1
  while i < #list do
    local gap, changes = list[i + 1].ms - list[i].ms, list[i + 1].mso ~= list[i].mso
    local following = list[i + 2] and list[i + 2].ms - list[i + 1].ms or math.huge
    if options.model and changes and gap <= 100 and following >= 700 then
      i = i + 1
    elseif gap < (changes and 400 or 10) then
      return false
    end
    i = i + 1
  end
  return true
end

local function by_hand(least)
  return function(list)
    for i = 2, #list do
      if list[i].mso ~= list[1].mso or list[i].ms - list[i - 1].ms < least then
        return false
      end
    end
    return true
  end
end
allows.pulsepal, allows.stimjim, allows.trigger = by_hand(10), by_hand(10), by_hand(20)

local cases = { { "rapid", {} }, { "magstim200", {} }, { "bistim", {} }, { "magventure", {} },
  { "magventure", { model = "X100+Option" } }, { "magventure", { model = "R30" } }, { "duomag", {} },
  { "pulsepal", {} }, { "stimjim", {} }, { "trigger", {} } }

describe("a plan of a researcher's own kind", function()
  local folder
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  --- The pulses of the simulator's log: { at = ms from the first, mso = as a number or nil }.
  local function given(run)
    local list, first = {}, nil
    for _, row in ipairs(shell.rows(run .. "/twin.tsv")) do
      if row.event == "pulse" then
        local seconds, nanoseconds = row.time:match("^(%d+)%.(%d+)$")
        local ns = math.tointeger(seconds) * 1000000000 + math.tointeger(nanoseconds)
        first = first or ns
        list[#list + 1] = { ns = ns - first, mso = tonumber(row.intensity) }
      end
    end
    return list
  end

  local function play(plan, seed, name, options, timing)
    local driver = devices.configure(assert(devices.find(name)), options)
    local record = assert(records.create(folder, "own"))
    local ok, outcome = pcall(inside.run, { plan = plan, seed = seed, driver = driver, thresholds = {},
      policy = { real = false }, timing = timing, tolerance = 0.001, late = "abort", stop_line = "none" },
      record, "max", { connected = nothing, prepared = nothing, armed = nothing, progress = nothing })
    record:close()
    local log = ok and given(record.folder) or nil
    shell.remove(record.folder)
    return ok, outcome, log
  end

  --- Is the log what was asked for? times: how often the list comes, with a drawn rest of 20 to 25 s between.
  local function compare(list, log, times, what)
    assert.are.equal(#list * times, #log, what .. "pulses")
    for i, each in ipairs(log) do
      local wanted = list[(i - 1) % #list + 1]
      local from = i > #list and log[#list + 1].ns or 0
      assert.near(wanted.ms * 1000000, each.ns - from, 1000, what .. "onset " .. i)
      assert.near(wanted.mso, each.mso or wanted.mso, 0.6, what .. "intensity " .. i)
    end
    local rest = times == 2 and log[#list + 1].ns - log[#list].ns
    assert.is_true(not rest or rest >= 20e9 and rest <= 25e9, what)
  end

  local taken = {}

  local function judge(seed)
    local state = seed * 7919
    local function random(low, high)
      state = (state * 6364136223846793005 + 1442695040888963407) & math.maxinteger
      low, high = high and low or 1, high or low
      return low + (state >> 33) % (high - low + 1)
    end
    local list, kind = stimuli(random)
    local way = ways[random(#ways)]
    local plan, times = way(list), way == drawn and 2 or 1
    for number, case in ipairs(cases) do
      local name, options = case[1], case[2]
      local what = ("MP_SEED=%d, %s %s, %s: "):format(seed, name, options.model or "", kind)
      local ok, outcome, log = play(plan, seed, name, options, "auto")
      if ok then
        assert.are.equal("finished", outcome.stop, what)
        compare(list, log, times, what)
        taken[number] = (taken[number] or 0) + 1
      else
        assert.is_true(type(outcome) == "table" and outcome.code == "limit", what .. tostring(outcome))
        local must = allows[name] and options.model ~= "R30" and allows[name](list, options)
        assert.is_false(must or false, what .. outcome.message)
      end
    end
  end

  it("comes as it was written, or is refused for what the device's document says", function()
    local only, long = tonumber(os.getenv "MP_SEED"), tonumber(os.getenv "MP_PLANS" or 20)
    for seed = only or 1, only or long do
      judge(seed)
    end
    for number in ipairs(cases) do
      assert.is_true(only ~= nil or long < 20 or (taken[number] or 0) > 0, "none taken by "
        .. cases[number][1])
    end
  end)
end)
