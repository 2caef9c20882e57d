-- A plan from one of its trials or blocks on gives what the whole one gives from there: against the pulses of
-- the whole plan, shifted in time, and their trials and conditions, counted on.
local chances = require "chance"
local conditions = require "moonpulse.compose.stimuli"
local cursors = require "moonpulse.compose.stimulus_cursor"
local mp = require "moonpulse"
local plans = require "plans"
local remainders = require "moonpulse.compose.remainder"

local seed = 7

--- Of each pulse: when, what, and of which condition, trial and block; marks apart.
local function listed(plan)
  local cursor, pulses, marks = cursors.new(conditions.of(plan, seed)), {}, {}
  for _, event in ipairs(plans.events(plan, seed)) do
    if event.kind == "pulse" then
      local n = #pulses + 1
      cursor:find(n)
      pulses[n] = { ns = event.ns, what = event.what, condition = cursor.condition,
        trial = cursor:trial_of(n), block = cursor.block }
    else
      marks[#marks + 1] = event.what
    end
  end
  return pulses, marks
end

--- What of the rest is not what the whole has from there on; timed: no rest is drawn.
local function difference(whole, rest, skipped, timed)
  local from, first, blocks, back = whole[skipped + 1], rest[1], {}, {}
  for i, got in ipairs(rest) do
    local want = whole[skipped + i]
    local late_ns = (got.ns - first.ns) - (want.ns - from.ns)
    if want.what ~= got.what or want.condition ~= got.condition then
      return ("pulse %d: %s %s, and not %s %s"):format(i, got.what, got.condition, want.what, want.condition)
    elseif timed and math.abs(late_ns) > 1 then
      return ("pulse %d: %d ns late"):format(i, late_ns)
    elseif (want.trial or 0) - (from.trial or 0) ~= (got.trial or 0) - (first.trial or 0) then
      return ("pulse %d: trial %s, and not %s"):format(i, got.trial, want.trial)
    end
    -- the same pulses are a block; of nested ones another may come first
    local was, is = want.block or 0, got.block or 0
    blocks[was], back[is] = blocks[was] or is, back[is] or was
    if blocks[was] ~= is or back[is] ~= was or (was == 0) ~= (is == 0) then
      return ("pulse %d: block %s, and not %s"):format(i, got.block, want.block)
    end
  end
  return #rest ~= #whole - skipped and ("%d pulses"):format(#rest) or nil
end

local function check_rest(...)
  assert.is_nil(difference(...))
end

--- A stimulus, and what may be made of several.
local function stimulus(chance)
  local strength = mp.mso(chance:draw(20, 60))
  local made = ({ function() return mp.pulse(strength) end,
    function() return mp.pair { isi = mp.ms(chance:draw(2, 20)), intensity = { mp.mso(40), strength } } end,
    function() return mp.burst { pulses = 3, hz = 50, intensity = strength } end,
    function() return mp.train { pulses = chance:draw(2, 6), hz = 10, intensity = strength } end,
    function()
      return mp.train { of = mp.burst { pulses = 2, hz = 50, intensity = strength }, hz = 5,
        count = chance:draw(1, 4) }
    end })[chance:draw(1, 5)]()
  local name = chance:draw(1, 4)
  return name == 1 and made:label(("C%d"):format(chance:draw(1, 3))) or made
end

local build

local function some(chance, depth, drawn)
  local list = {}
  for i = 1, chance:draw(1, 3) do
    list[i] = build(chance, depth - 1, drawn)
  end
  return list
end

function build(chance, depth, drawn)
  local kind = depth == 0 and 1 or chance:draw(1, 7)
  if kind == 1 then
    return stimulus(chance)
  elseif kind == 2 then
    return build(chance, depth - 1, drawn):times(chance:draw(1, 4), { gap = chance:draw(3, 9) })
  elseif kind == 3 then
    local part = build(chance, depth - 1, drawn)
    return part:times(chance:draw(1, 4), { every = math.ceil(part:totals().span_max) + chance:draw(3, 9) })
  elseif kind == 4 then
    local list = some(chance, depth, false) -- what is drawn lies between trials
    local longest = 0
    for _, each in ipairs(list) do
      longest = math.max(longest, math.ceil(each:totals().span_max))
    end
    return drawn and mp.trials { of = list, shortest = longest + 3, longest = longest + 5 }
      or mp.trials { of = list, every = longest + 3 }
  elseif kind == 5 then
    local part = build(chance, depth - 1, drawn)
    return part:totals().unnamed and part:at(chance:draw(1, 2) == 1 and "A" or "B") or part
  elseif kind == 6 then
    return build(chance, depth - 1, drawn):block()
  end
  local made
  for _, each in ipairs(some(chance, depth, drawn)) do
    made = made and made .. mp.rest(chance:draw(1, 5)) .. mp.mark "between" .. each or each
  end
  return made
end

describe("what is left of a plan from a trial on", function()
  for _, drawn in ipairs { false, true } do
    it(("is what the whole has from there%s"):format(drawn and ", with drawn rests" or ""), function()
      local cuts, deep = 0, 0
      for number = 1, os.getenv("MP_QUICK") and 50 or 400 do
        local plan = build(chances.new(number), 4, drawn)
        local pulses = listed(plan)
        if #pulses <= 400 then
          local trials, seen = {}, {}
          for i, each in ipairs(pulses) do
            if each.trial and not seen[each.trial] then
              seen[each.trial], trials[#trials + 1] = true, { number = each.trial, before = i - 1 }
            end
          end
          local chance = chances.new(number + 50000)
          for _ = 1, math.min(3, #trials) do
            local at = trials[chance:draw(1, #trials)]
            local ok, rest, begins = pcall(remainders.of, plan, seed, { what = "trial", number = at.number })
            assert.is_true(ok, not ok and tostring(rest) .. number)
            assert.are.same({ what = "trial", number = at.number, pulses_before = at.before,
              pulses_planned = #pulses }, begins)
            check_rest(pulses, listed(rest), at.before, not plan:totals().random)
            cuts, deep = cuts + 1, deep + (at.before > 0 and 1 or 0)
            -- what had been given until somewhere: the first trial behind it
            local given = chance:draw(0, #pulses)
            local expected
            for _, each in ipairs(trials) do
              expected = expected or each.before >= given and each or nil
            end
            local trial, before = remainders.trial_after(plan, seed, given)
            assert.are.same({ expected and expected.number, expected and expected.before }, { trial, before })
          end
        end
      end
      assert.is_true(cuts > 100 and deep > 50, cuts)
    end)
  end

  it("keeps the marks that stand right before it, and none from before", function()
    local pulse = mp.pulse(mp.mso(40))
    local plan = mp.mark "first" .. pulse .. mp.mark "over" .. mp.rest(5) .. mp.mark "second" .. pulse
      .. mp.rest(5) .. mp.mark "third" .. pulse
    local _, marks = listed((remainders.of(plan, seed, { what = "trial", number = 2 })))
    assert.are.same({ "second", "third" }, marks)
  end)

  it("begins with a block", function()
    local train = mp.train { pulses = 5, hz = 10, intensity = mp.mso(40) }
    local plan = (train:times(4, { every = 10 }):block() .. mp.rest(60)):times(2) .. train:block()
    local rest, begins = remainders.of(plan, seed, { what = "block", number = 2 })
    assert.are.equal(20, begins.pulses_before)
    check_rest((listed(plan)), (listed(rest)), 20, true)
  end)

  it("waits amid a repetition with drawn rests as long as it may have waited there at most", function()
    local pulse = mp.pulse(mp.mso(40))
    local part = mp.trials { of = { pulse, pulse, pulse }, shortest = 2, longest = 3 }
    local rest = remainders.of(part:times(2, { every = 20 }), seed, { what = "trial", number = 3 })
    local onsets = plans.onsets(rest, seed)
    local gap = (onsets[2] - onsets[1]) / 1e9 -- the whole has 20 s less the two rests: 14 to 16 s
    assert.is_true(math.abs(gap - 16) < 0.001, gap)
  end)

  it("refuses what there is not, and to begin amid parts side by side", function()
    local train = mp.train { pulses = 5, hz = 10, intensity = mp.mso(40) }
    local plan = train .. mp.rest(5) .. mp.together {
      ["0"] = train:times(3, { every = 5 }), ["1"] = train:times(3, { every = 6 }) }
    local function refused(what, number, words, of)
      local ok, problem = pcall(remainders.of, of or plan, seed, { what = what, number = number })
      assert.is_false(ok)
      assert.matches(words, problem.message)
    end
    refused("trial", 9, "^the plan has 7 trials: there is no trial 9$")
    refused("block", 1, "^the plan has no blocks$")
    refused("trial", 4, "side by side %(mp.together%)")
    local rest = remainders.of(plan, seed, { what = "trial", number = 2 }) -- right before them
    assert.are.equal(30, rest:totals().pulses)
  end)
end)
