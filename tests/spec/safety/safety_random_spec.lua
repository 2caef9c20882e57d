--- The gate against a second judge, written apart from it: pulse by pulse, from the rules as text. And what a
--- finding says would pass does pass.
local chances = require "chance"
local core = require "moonpulse.core"
local judge = require "moonpulse.safety.judge"
local mp = require "moonpulse"
local outline = require "moonpulse.show.outline"
local rules = require "moonpulse.safety.rules"
local shell = require "shell"

local chance
local function random(n)
  return chance:draw(1, n)
end
local function one_of(list)
  return chance:pick(list)
end

-- The second judge ----------------------------------------------------------------------------------

local cells = {}
for _, row in ipairs(shell.rows("tests/data/safety_tables.tsv")) do
  if row.table == "rossi2009_t4" then
    cells[#cells + 1] = { hz = tonumber(row.hz), percent = tonumber(row.pct_mt), s = tonumber(row.limit_s),
      tested = row.kind ~= "max" }
  end
end

--- 1 within, 3 beyond, 4 OVER: of a duration.
local function of_duration(hz, percent, duration)
  local best
  for _, cell in ipairs(cells) do
    if cell.hz >= hz - 1e-4 and cell.percent >= percent - 1e-6 and (not best or cell.hz < best.hz
      or cell.hz == best.hz and cell.percent < best.percent) then
      best = cell
    end
  end
  if not best then
    return 4
  elseif duration <= best.s + 1e-6 then
    return 1
  end
  local soft = (best.tested or percent < 90 - 1e-6) and (best.hz >= 5 or best.percent > 120)
  local endless = (best.tested or percent < 90 - 1e-6) and not soft
  return endless and 3 or soft and duration <= 2 * best.s + 1e-6 and 3 or 4
end

local function intervals_of(chain)
  local list, least, most = {}, math.huge, 0
  for i = 2, #chain do
    list[i] = chain[i].at - chain[i - 1].at
    least, most = math.min(least, list[i]), math.max(most, list[i])
  end
  return list, least, most
end

--- Bursts of 2 to 5 pulses at 25 Hz or faster, 3 to 10 of them a second: the largest burst; nil: it is none.
local function theta_of(chain)
  local intervals, bursts = intervals_of(chain), { { chain[1] } }
  for i = 2, #chain do
    if intervals[i] <= 0.04 + 1e-6 then
      table.insert(bursts[#bursts], chain[i])
    else
      bursts[#bursts + 1] = { chain[i] }
    end
  end
  local largest = 0
  for i, burst in ipairs(bursts) do
    local before = bursts[i - 1]
    if #burst < 2 or #burst > 5 then
      return nil
    elseif before then
      local onset = burst[1].at - before[1].at
      local silence, length = burst[1].at - before[#before].at, before[#before].at - before[1].at
      if onset < 0.1 - 1e-6 or onset > 1 / 3 + 1e-6 or silence < length - 1e-6 then
        return nil
      end
    end
    largest = math.max(largest, #burst)
  end
  return #bursts > 1 and largest or nil
end

local function verdict_of_chain(chain, before, percent)
  local _, least, most = intervals_of(chain)
  local first, last = chain[1].at, chain[#chain].at
  local pause = before and first - before.over
  local worst, after = 1, nil
  local function is(found)
    worst = math.max(worst, found)
  end
  local burst = #chain > 1 and theta_of(chain)
  if #chain == 1 then
    return percent > 130 and 2 or 1, before
  elseif burst then
    is(percent > 120 and 4 or percent > 100 and last - first > 5 + 1e-6 and 4 or percent > 80 and 3 or 1)
    is(burst > 4 and 3 or 1)
    is(pause and pause < 5 - 1e-6 and 3 or 1)
    after = { over = last, onset = first, hz = 1 / least, theta = true }
  elseif #chain <= 4 and least < 0.04 - 1e-9 then
    if #chain == 2 then
      return percent > 130 and 3 or 1, before
    end
    is(percent > 130 and 4 or percent > 80 and 3 or 1)
    is(before and (before.group and first - before.onset or pause) < 5 - 1e-6 and 3 or 1)
    after = { over = last, onset = first, hz = 1 / least, group = true }
  else
    is(of_duration(1 / least, percent, last - first + least))
    if #chain >= 3 then
      is(pause and pause < 5 - 1e-6 and 3 or 1)
      is(most > 1.5 * least + 1e-6 and (1 / least > 10 + 1e-4 and percent > 100 and 4 or 3) or 1)
      after = { over = last + (chain[#chain].at - chain[#chain - 1].at < 0.2 and chain[#chain].at
        - chain[#chain - 1].at or 0), onset = first, hz = 1 / least }
    end
  end
  return worst, after or before
end

--- What goes on with less than `silence` between chains, first pulse to last, where it is more than one.
local function stretches_of(chains, silence)
  local list, from = {}, 1
  for i, chain in ipairs(chains) do
    local next_one = chains[i + 1]
    if not next_one or next_one[1].at - chain[#chain].at >= silence - 1e-6 then
      list[#list + 1] = i > from and { first = chains[from][1].at, last = chain[#chain].at } or nil
      from = i + 1
    end
  end
  return list
end

--- Theta bursts with less than 5 s of silence between them: other trains in between are no silence.
local function theta_goes_on(fast)
  local from, last, over
  for _, each in ipairs(fast) do
    if over and each.onset - over >= 5 - 1e-6 then
      from = nil
    end
    if each.theta then
      from, last = from or each.onset, each.over
      if last - from > 5 + 1e-6 then
        return true
      end
    end
    over = each.over
  end
  return false
end

--- All pulses are at one intensity, in %RMT.
local function second_judge(plan, percent)
  local schedule, chains, last = core.schedule(plan, 1), {}, nil
  for kind, _, _, _, ns in schedule.next, schedule do
    if kind == "pulse" then
      local at = ns / 1e9
      if not last or at - last >= 1 then
        chains[#chains + 1] = {}
      end
      table.insert(chains[#chains], { at = at })
      last = at
    end
  end
  local worst, before, fast = 1, nil, {}
  for _, chain in ipairs(chains) do
    local found, after = verdict_of_chain(chain, before, percent)
    worst = math.max(worst, found)
    fast[#fast + 1] = after ~= before and after or nil
    before = after
  end
  for _, stretch in ipairs(stretches_of(chains, 4)) do
    worst = math.max(worst, of_duration(1, percent, stretch.last - stretch.first + 4))
  end
  return percent > 100 and theta_goes_on(fast) and 4 or worst
end

-- Plans ---------------------------------------------------------------------------------------------

--- Silences are 0.3 and 0.7 s, or 2 s and longer: far from what parts runs and chains.
local function piece(percent, depth)
  local kind = random(depth > 0 and 6 or 4)
  if kind <= 3 then
    local hz = one_of { 10, 20, 25, 50, 100 }
    -- the last pulse is followed by the rest, not by a period
    return mp.train { pulses = random(kind == 1 and 5 or 30), hz = hz, intensity = mp.rmt(percent) }
  elseif kind == 4 then
    return mp.pulse(mp.rmt(percent))
  elseif kind == 5 then
    return mp.train { pulses = random(6), hz = one_of { 25, 50, 100 }, intensity = mp.rmt(percent) }
      :times(1 + random(12), { every = one_of { "0.3", "0.25", "0.31", "0.5" } })
  end
  return piece(percent, depth - 1):times(random(9), { gap = one_of { 0.3, 0.7, 2, 6 } })
end

local function random_plan(percent)
  local plan = piece(percent, 2)
  for _ = 1, random(3) - 1 do
    plan = plan .. mp.rest(one_of { 0.3, 0.7, 2, 6 }) .. piece(percent, 2)
  end
  return plan
end

--- The onsets of a plan's pulses, in seconds.
local function onsets_of(plan)
  local schedule, list = core.schedule(plan, 1), {}
  for kind, _, _, _, ns in schedule.next, schedule do
    if kind == "pulse" then
      list[#list + 1] = ns / 1e9
    end
  end
  return list
end

describe("random plans", function()
  it("get the verdict of a second judge, who looks at each pulse", function()
    chance = chances.new(2009)
    local seen, compared = {}, 0
    for number = 1, 600 do
      local percent = one_of { 75, 80, 90, 95, 101, 110, 120, 130, 131 }
      local plan = random_plan(percent)
      if plan:totals().pulses <= 1200 then
        local first = judge.plan { plan = plan, seed = 1, thresholds = { rmt = 50, amt = 40 } }
        local second = second_judge(plan, percent)
        local words = {}
        for _, finding in ipairs(first.findings) do
          words[#words + 1] = finding.verdict .. " " .. judge.sentence(finding)
        end
        assert.are.equal(second, rules.order[first.verdict], ("plan %d at %d %%: %s\n%s"):format(number,
          percent, outline.of(plan), table.concat(words, "\n")))
        seen[second], compared = (seen[second] or 0) + 1, compared + 1
      end
    end
    assert.is_true(compared > 300)
    assert.is_true(seen[1] > 10 and seen[3] > 10 and seen[4] > 10)
  end)
end)

describe("a finding", function()
  it("names the pulse that is given at its time, and has trains in the order of their pulses", function()
    chance = chances.new(1999)
    local compared, later = 0, 0
    for number = 1, 400 do
      local plan = random_plan(one_of { 90, 110, 131 })
      if plan:totals().pulses <= 600 then
        local onsets, pulse_of = onsets_of(plan), {}
        for _, each in ipairs(judge.plan { plan = plan, seed = 1, thresholds = { rmt = 50 } }.findings) do
          if each.at_s and each.pulse then
            local text = ("plan %d: %s\n%s"):format(number, outline.of(plan), judge.sentence(each))
            assert.is_true(math.abs(onsets[each.pulse] - each.at_s) < 1e-6, text)
            assert.is_true((pulse_of[each.train] or each.pulse) == each.pulse, text)
            pulse_of[each.train], compared = each.pulse, compared + 1
            later = later + (each.pulse > 1 and 1 or 0)
          end
        end
        for train, pulse in pairs(pulse_of) do
          assert.is_true(pulse >= train)
        end
      end
    end
    assert.is_true(compared > 500 and later > 100, compared .. " " .. later)
  end)
end)

describe("what a finding says would pass", function()
  local function finding_of(profile, hz, pulses, intensity, rmt)
    local plan = mp.train { pulses = pulses, hz = hz, intensity = intensity }
    for _, each in ipairs(judge.plan { plan = plan, seed = 1, thresholds = { rmt = rmt }, step = 1,
      profile = profile }.findings) do
      if each.rule == "train duration" then
        return each
      end
    end
  end

  it("passes: as many pulses, or the %MSO that is named, in both tables", function()
    local counts, weaker = 0, 0
    for _, profile in ipairs { "rossi2009", "chen1997" } do
      for _, hz in ipairs { 1, 4, 5, 8, 10, 18, 20, 25 } do
        for percent = 85, 130, 9 do
          for _, seconds in ipairs { 0.5, 1.4, 2, 3, 4.5, 9, 20, 400 } do
            local pulses, rmt = math.max(2, math.floor(hz * seconds)), 41 + percent % 9
            local found = finding_of(profile, hz, pulses, mp.rmt(percent), rmt)
            local text = found.nearest
            if text and not text:find("^at most [%d.]+ %%RMT") then
              local most = tonumber(text:match("at most (%d+) pulses"))
              local passes = finding_of(profile, hz, most, mp.rmt(percent), rmt)
              assert.are.equal("within", passes.verdict, text)
              counts = counts + 1
              local mso = tonumber(text:match("or at most %d+ %%RMT %((%d+) %%MSO%)"))
              if mso then
                assert.are.equal("within", finding_of(profile, hz, pulses, mp.mso(mso), rmt).verdict, text)
                weaker = weaker + 1
              end
            end
          end
        end
      end
    end
    assert.is_true(counts > 100 and weaker > 20)
  end)
end)
