-- mp.normal and mp.weighted: lengths that are drawn from the seed by a law. What is drawn is compared with
-- the law itself, integrated here, and, draw by draw, with the law's definition written anew here.
local core = require "moonpulse.core"
local mp = require "moonpulse"
local outline = require "moonpulse.show.outline"
local plan_file = require "moonpulse.protocol.plan_file"
local redraw = require "moonpulse.compose.redraw"
local sentences = require "moonpulse.show.sentences"
local shell = require "shell"
local verify = require "moonpulse.verify"

local pulse = mp.pulse(mp.mso(40))

--- The onsets of a plan's pulses in nanoseconds.
local function onsets(plan, seed)
  local schedule, list = core.schedule(plan, seed), {}
  for _, _, _, _, ns in function() return schedule:next() end do
    list[#list + 1] = ns
  end
  return list
end

--- The lengths of count rests, in nanoseconds.
local function lengths(rest, count, seed)
  local list, before = {}, 0
  for i, onset in ipairs(onsets((rest .. pulse):times(count), seed)) do
    list[i], before = onset - before, onset
  end
  return list
end

--- The distribution function of a normal distribution that is cut, at x: Simpson's rule over its density.
local function truncated(mean, sd, min, max)
  min, max = math.max(min, mean - 10 * sd), math.min(max, mean + 10 * sd) -- what is beyond is 1e-23
  local steps, sums = 4000, { [0] = 0 }
  local width = (max - min) / steps
  local function density(x)
    return math.exp(-(x - mean) ^ 2 / (2 * sd ^ 2))
  end
  for i = 1, steps do
    local from = min + (i - 1) * width
    local middle, to = from + width / 2, from + width
    sums[i] = sums[i - 1] + width / 6 * (density(from) + 4 * density(middle) + density(to))
  end
  return function(x)
    local at = math.min(math.max((x - min) / width, 0), steps)
    local i = math.min(math.floor(at), steps - 1)
    return (sums[i] + (sums[i + 1] - sums[i]) * (at - i)) / sums[steps]
  end
end

--- Kolmogorov's distance between values and a distribution, times the root of their number.
local function distance(list, distribution)
  local sorted, most = { table.unpack(list) }, 0
  table.sort(sorted)
  for i, value in ipairs(sorted) do
    local at = distribution(value / 1e9)
    most = math.max(most, at - (i - 1) / #sorted, i / #sorted - at)
  end
  return most * math.sqrt(#sorted)
end

local laws = { { mean = 6, sd = 1, min = 4, max = 8 }, { mean = 6, sd = 0.5, min = 4, max = 12 },
  { mean = 3, sd = 1, min = 3, max = 10 }, { mean = 5, sd = 20, min = 4, max = 6 },
  { mean = 60, sd = 0.01, min = 0, max = 1000 }, { mean = 9, sd = 2, min = 2, max = 9 } }

describe("a normal length", function()
  it("has the distribution that it says, within its bounds", function()
    for _, law in ipairs(laws) do
      local list = lengths(mp.rest(mp.normal(law)), 10000, 11)
      local found = distance(list, truncated(law.mean, law.sd, law.min, law.max))
      assert.is_true(found < 1.95, ("mean %g sd %g: %.2f"):format(law.mean, law.sd, found)) -- p = 0.001
      for _, ns in ipairs(list) do
        assert.is_true(ns >= law.min * 1000000000 and ns <= law.max * 1000000000 and ns % 1000 == 0)
      end
    end
    -- and the test would find another one
    local list = lengths(mp.rest(mp.normal(laws[1])), 10000, 11)
    assert.is_true(distance(list, truncated(6.1, 1, 4, 8)) > 1.95)
    assert.is_true(distance(list, truncated(6, 1.2, 4, 8)) > 1.95)
    assert.is_true(distance(lengths(mp.rest { min = 4, max = 8 }, 10000, 11), truncated(6, 1, 4, 8)) > 5)
  end)

  it("of one rest says nothing of the next, nor of another seed", function()
    local rest = mp.rest(mp.normal(laws[2]))
    local a, b = lengths(rest, 10000, 5), lengths(rest, 10000, 6)
    local function correlation(x, y, lag)
      local xy, xx, yy = 0, 0, 0
      for i = 1, #x - lag do
        local p, q = x[i] / 1e9 - 6, y[i + lag] / 1e9 - 6
        xy, xx, yy = xy + p * q, xx + p * p, yy + q * q
      end
      return xy / math.sqrt(xx * yy)
    end
    for _, each in ipairs { correlation(a, a, 1), correlation(a, a, 2), correlation(a, b, 0) } do
      assert.is_true(math.abs(each) < 0.033, tostring(each)) -- 3.3 standard errors
    end
  end)

  it("is drawn as docs/protocols.md says, to the microsecond", function()
    local function mix(value) -- of splitmix64
      value = value + 0x9E3779B97F4A7C15
      value = (value ~ (value >> 30)) * 0xBF58476D1CE4E5B9
      value = (value ~ (value >> 27)) * 0x94D049BB133111EB
      return value ~ (value >> 31)
    end
    local same_place = { core.rest(0, 4000), core.rest("6/1", "10/1", "normal 15/2 1/1") }
    for seed = 1, 40 do
      local all_alike = onsets(pulse .. same_place[1] .. pulse, seed)[2] // 1000
      local position = mix(seed ~ 2) -- of the second part of a plan: where a rest of the other kind is drawn
      assert.are.equal(core.draw(seed, position, 4000000000), all_alike)
      local own, i = mix(mix(seed) ~ position), 1
      local us = core.draw(own, i, 4000000)
      while (core.draw(own, i + 1, (1 << 52) - 1) + 0.5) / 2.0 ^ 52
        >= math.exp(-(us - 1500000) ^ 2 / 2e12) do
        i = i + 2
        us = core.draw(own, i, 4000000)
      end
      assert.are.equal(6000000000 + us * 1000, onsets(pulse .. same_place[2] .. pulse, seed)[2])
    end
  end)

  it("may be a trial's interval from onset to onset, whatever is given in it", function()
    local pair = mp.pair { isi = 1, intensity = { mp.mso(30), mp.mso(50) } }
    local mixed, alike = {}, {}
    for i = 1, 3000 do
      mixed[i], alike[i] = i % 3 == 0 and pair or pulse, pair
    end
    for _, each in ipairs { mixed, alike } do
      local plan = mp.trials { of = each, every = mp.normal { mean = 5, sd = 1, min = 4, max = 7 } }
      local list, last = {}, nil
      for _, onset in ipairs(onsets(plan, 8)) do
        if not last or onset - last > 1000000000 then
          list[#list + 1] = last and onset - last or nil
          last = onset
        end
      end
      assert.are.equal(#each - 1, #list)
      assert.is_true(distance(list, truncated(5, 1, 4, 7)) < 1.95)
    end
  end)
end)

describe("a weighted length", function()
  it("is one of them, as often as its weight says", function()
    local length = mp.weighted { { 2, 3 }, { "7/3", 2 }, { 5, "1/2" }, { 9, 0.5 } }
    local list = lengths(mp.rest(length), 12000, 4)
    local counts, chi2 = {}, 0
    local wanted = { [2000000000] = 6000, [2333333333] = 4000, [5000000000] = 1000, [9000000000] = 1000 }
    local known = 0
    for _, ns in ipairs(list) do
      local ns_of = ns == 2333333334 and 2333333333 or ns -- thirds of a nanosecond add up to one
      counts[ns_of] = (counts[ns_of] or 0) + 1
    end
    for ns, count in pairs(counts) do
      known = known + 1
      chi2 = chi2 + (count - assert(wanted[ns], ns)) ^ 2 / wanted[ns]
    end
    assert.are.equal(4, known)
    assert.is_true(chi2 < 16.3, tostring(chi2)) -- 3 degrees of freedom, p = 0.001
  end)

  it("is exact: thirds of a second do not drift", function()
    local found = onsets((mp.rest(mp.weighted { { "1/3", 1 }, { "2/3", 1 } }) .. pulse):times(3000), 2)
    local thirds = found[#found] * 3
    assert.is_true(math.abs(thirds / 1e9 - math.floor(thirds / 1e9 + 0.5)) < 1e-8)
  end)

  it("of one length is that one, and of many is one of them", function()
    assert.is_false(mp.rest(mp.weighted { { 4, 3 } }):totals().random)
    local many, known = {}, {}
    for i = 1, 1000 do
      many[i], known[i * 1000000] = { i / 1000, 1 + i % 7 }, true
    end
    for _, ns in ipairs(lengths(mp.rest(mp.weighted(many)), 2000, 9)) do
      assert.is_true(known[ns])
    end
  end)
end)

describe("drawn lengths", function()
  local normal, weighted = mp.normal { mean = 6, sd = 0.5, min = 4, max = 8 },
    mp.weighted { { 4, 2 }, { 6.5, 1 } }

  it("have the bounds as their plan's shortest and longest", function()
    local third = mp.weighted { { "7/3", 1 }, { 1, 1 } }
    for _, each in ipairs { { normal, 4, 8 }, { weighted, 4, 6.5 }, { third, 1, 7 / 3 } } do
      local plan = pulse .. mp.rest(each[1]) .. pulse
      assert.are.same({ each[2], each[3], true }, { plan:totals().span, plan:totals().span_max,
        plan:totals().random })
      assert.are.same({ each[2], each[3] }, { redraw.with_rests(plan, 0):totals().span,
        redraw.with_rests(plan, 1):totals().span })
    end
  end)

  it("are kept by a plan file, by a label and by repetition", function()
    local plan = (pulse .. mp.rest(normal) .. mp.rest(weighted) .. pulse):label "A"
      .. mp.trials { of = { pulse, pulse }, every = weighted }:times(2, { gap = 3 })
    local text = plan_file.write(plan, { seed = 7 })
    assert.matches("^moonpulse%-plan 3\n", text)
    assert.matches("rest 4/1 8/1 normal 6/1 1/2", text, 1, true)
    assert.matches("rest 4/1 13/2 weighted 4/1 2 13/2 1", text, 1, true)
    local read = assert(plan_file.read(text, "x.plan"))
    assert.are.same(onsets(plan, 7), onsets(read.plan, 7))
    assert.are.equal(text, plan_file.write(read.plan, { seed = 7 }))
    for from, to in pairs { ["normal 6/1 1/2"] = "normal 9/1 1/2", ["8/1 normal"] = "5/1 normal",
      ["weighted 4/1 2 13/2 1"] = "weighted 4/1 2", ["6/1 1/2"] = "6/1", ["1 2 13/2 1"] = "1 0 13/2 1",
      ["2 13/2 1"] = "4 13/2 2", ["normal 6"] = "even 6", ["2 13/2 1\n"] = "2 13/2 x\n" } do
      local other, times = text:gsub(from:gsub("%p", "%%%0"), to)
      assert.is_true(times > 0, from)
      other = other:gsub("sha256 %x+\n$", "")
      local found, message = plan_file.read(other .. "sha256 " .. plan_file.sha256(other) .. "\n", "x.plan")
      assert.is_nil(found, to)
      assert.matches("x.plan:%d+: ", message)
    end
    local rest = core.rest("1/1", "2/1", "weighted 1/1 1 2/1 1")
    local tagged = core.tagged(core.tagged(rest, "A"), nil, "block")
    rest = nil -- luacheck: ignore 311
    collectgarbage()
    assert.are.equal("weighted 1/1 1 2/1 1", tagged:view().law)
  end)

  it("without a law are written as ever", function()
    local text = plan_file.write(pulse .. mp.rest { min = 4, max = 8 } .. pulse, { seed = 7 })
    assert.matches("^moonpulse%-plan 1\n", text)
  end)

  it("are told in words", function()
    local plan = mp.trials { of = { pulse, pulse, pulse }, every = normal }
    assert.matches("trials: 3, 4 s to 8 s apart, drawn from the seed (normal, mean 6 s, sd 500 ms), onset "
      .. "to onset", outline.of(plan), 1, true)
    assert.matches("4 s to 8 s from onset to onset, drawn from the seed (normal, mean 6 s, sd 500 ms)",
      sentences.of(plan)[1], 1, true)
    plan = pulse .. mp.rest(weighted) .. pulse
    assert.matches("rest 4 s to 6.5 s, drawn from the seed (4 s weight 2, 6.5 s weight 1)", outline.of(plan),
      1, true)
  end)

  it("are refused where they make no sense", function()
    local function refused(text, call, ...)
      local ok, message = pcall(call, ...)
      assert.is_false(ok, text)
      assert.matches(text, tostring(message), 1, true)
    end
    refused("min = 7 s is above mean = 6 s", mp.normal, { mean = 6, sd = 1, min = 7, max = 8 })
    refused("mean = 9 s is above max = 8 s", mp.normal, { mean = 9, sd = 1, min = 7, max = 8 })
    refused("sd = 0 must be above 0", mp.normal, { mean = 7, sd = 0, min = 7, max = 8 })
    refused("sd = 1e-07 s is below 1 us", mp.normal, { mean = 7, sd = 1e-7, min = 7, max = 8 })
    refused("max is missing", mp.normal, { mean = 7, sd = 1, min = 7 })
    refused("no option \"std\"", mp.normal, { mean = 7, std = 1, min = 7, max = 8 })
    refused("min = -1 s is negative", mp.normal, { mean = 7, sd = 1, min = -1, max = 8 })
    refused("entry 2 must be seconds with their weight", mp.weighted, { { 4, 1 }, 5 })
    refused("the weight of entry 1 = 0 must be above 0", mp.weighted, { { 4, 0 }, { 5, 1 } })
    refused("entry 2 = -5 s is negative", mp.weighted, { { 4, 1 }, { -5, 1 } })
    refused("a list of seconds with their weights", mp.weighted, {})
    refused("1,001 lengths, at most 1,000", mp.weighted, (function()
      local list = {}
      for i = 1, 1001 do
        list[i] = { i, 1 }
      end
      return list
    end)())
    refused("min = 0.01 s is shorter than a trial of 0.1 s", mp.trials, { every = mp.normal { mean = 1,
      sd = 1, min = 0.01, max = 2 }, of = { mp.pair { isi = 0.1, intensity = mp.mso(40) }, pulse } })
    refused("a length = 0.05 s is shorter than a trial of 0.1 s", mp.trials, { every = mp.weighted { { 1, 1 },
      { 0.05, 1 } }, of = { mp.pair { isi = 0.1, intensity = mp.mso(40) }, pulse } })
    refused("either every", mp.trials, { of = { pulse, pulse }, every = normal, shortest = 1, longest = 2 })
    refused("one number", pulse.times, pulse, 2, { every = normal })
    refused("there is no [mean]", function() return normal.mean end)
  end)
end)

describe("a run with drawn lengths", function()
  local folder

  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  local function example()
    local page = assert(shell.read "docs/protocols.md")
    return assert(page:match("\n### Other distributions\n.-```lua\n(.-)```"))
  end

  it("is the page's example: the same with its seed, checked by its bounds, verified, done again", function()
    shell.write(folder .. "/mine.lua", example())
    local function events(options)
      local status, out, err = shell.moonpulse(folder, ("events %s/mine.lua --rmt 50 %s"):format(folder,
        options))
      assert.are.equal(0, status, err)
      return out
    end
    assert.are.equal(events "--seed 3", events "--seed 3")
    assert.are_not.equal(events "--seed 3", events "--seed 4")
    local status, out, err = shell.moonpulse(folder, ("check %s/mine.lua --rmt 50 --device sim:magventure")
      :format(folder))
    assert.are.equal(0, status, out .. err)
    for _, device in ipairs { "sim", "sim:magventure" } do
      status, out, err = shell.moonpulse(folder, ("run %s/mine.lua --rmt 50 --seed 3 --speed max --device %s "
        .. "--out %s/%s"):format(folder, device, folder, device:gsub(":", "_")))
      assert.are.equal(0, status, out .. err)
    end
    local pipe = assert(io.popen(("ls -d %s/sim_magventure/*"):format(shell.quote(folder))))
    local made = pipe:read "l"
    pipe:close()
    assert.are.same({}, assert(verify.folder(made, {})).differs)
    status, out, err = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(made, folder))
    assert.are.equal(0, status, out .. err)
    assert.matches("SAME", out, 1, true)
  end)

  it("is refused for what only its bounds say: a shortest length that the device cannot follow", function()
    shell.write(folder .. "/tight.lua", [[local mp = require "moonpulse"
return (mp.pulse(mp.mso(50)) .. mp.rest(mp.normal { mean = 9, sd = 0.1, min = 0.001, max = 10 })):times(5)
]])
    local status, out = shell.moonpulse(folder, ("check %s/tight.lua --device sim:magstim200"):format(folder))
    assert.are.equal(3, status, out)
    assert.matches("OVER", out, 1, true)
  end)
end)
