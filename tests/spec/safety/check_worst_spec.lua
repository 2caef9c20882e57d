--- check judges drawn rests and shuffled orders at their worst: of random plans, none of 50 seeds is graver.
--- MP_PLANS and MP_FIRST as in five_lists_spec.lua.
local draw = require "five_lists.draw"
local frozen = require "five_lists.frozen"
local paces = require "five_lists.paces"
local plants = require "five_lists.plant"
local shell = require "shell"
local silences = require "moonpulse.safety.drawn_silences"
local worst = require "moonpulse.safety.worst"

local first = math.tointeger(tonumber(os.getenv("MP_FIRST"))) or 1
local count = math.tointeger(tonumber(os.getenv("MP_PLANS"))) or os.getenv("MP_QUICK") and 5 or 40
local seeds, many, shown = 50, 400, 3

describe("what check reports of a plan that chance decides on", function()
  local folder
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  --- Plans with chance in them, fast enough that verdicts differ.
  local function source_of(seed)
    local pace = paces.devices[seed % 2 == 0 and 1 or 6].paces[seed % 3 + 1] or paces.devices[1].paces[1]
    local source = draw.plan(seed, paces.with(pace, {
      rests = { { 1, 2 }, { 1, 1 }, { 2, 1 }, { 5, 1 } }, more = { { 1, 10 }, { 1, 2 }, { 4, 1 } },
      ranges = { MSO = { 40, 70 }, RMT = { 80, 135 }, AMT = { 70, 150 } } })).source
    return (source:find("min =", 1, true) or source:find("shuffle", 1, true)) and source
  end

  it("is never milder than any seed", function()
    local judged, problems = 0, {}
    for seed = first, first + 20 * count do
      local source = judged < count and source_of(seed)
      if source then
        judged = judged + 1
        local why = frozen.run(folder, source, seeds)
        problems[#problems + 1] = why and #problems < shown and ("seed %d: %s\n%s"):format(seed, why, source)
          or nil
      end
    end
    assert.are.equal(count, judged)
    assert(#problems == 0, table.concat(problems, "\n"))
  end)

  --- What check was milder of once: what is shuffled decides where the edges of the drawn rest behind it are.
  local named = {
    -- a gap is OVER at the shortest rest, and a train in one order alone, at its edge
    { what = "a train of one order, beside a gap that is OVER", parts = [[
      mp.train { pulses = 6, hz = 20, intensity = mp.rmt(95) } .. mp.rest(1)
        .. mp.trials { of = mp.shuffle { mp.pulse(mp.amt(119)),
          mp.train { pulses = 3, hz = 20, intensity = mp.mso(59) },
          mp.train { pulses = 6, hz = 1, intensity = mp.amt(116) } }, every = 11 }
        .. mp.rest { min = "1/2", max = "9/2" }
        .. mp.train { pulses = 2, hz = 7, intensity = mp.mso(44) }]] },
    { what = "a train of one order, where nothing else is OVER", parts = [[
      mp.trials { of = mp.shuffle { mp.train { pulses = 18, hz = 20, intensity = mp.rmt(99) },
          mp.pulse(mp.rmt(60)) }, every = 30 }
        .. mp.rest { min = "1/10", max = 15 }
        .. mp.train { pulses = 18, hz = 20, intensity = mp.rmt(99) }]] },
    -- the shortest silence takes several rests, each at its own length
    { what = "a silence that two equal rests and a shorter one make", parts = [[
      ((mp.train { pulses = 1, hz = 7, intensity = mp.amt(75) } .. mp.rest { min = "1/2", max = 1 }) * 4
        .. mp.rest("1/2") .. mp.pulse(mp.rmt(88))):times(2, { gap = "1/2" })]] },
    { what = "a silence behind a rate that two rests make", parts = [[
      ((mp.train { pulses = 1, hz = 5, intensity = mp.rmt(132) } .. mp.rest { min = "1/2", max = 1 }) * 3)
        :times(2, { gap = 2 })]] },
    { what = "a silence at which a rest is just no more of the train before", parts = [[
      (mp.pulse(mp.amt(100)) .. mp.rest(2) .. mp.pulse(mp.mso(42))):times(2, { every = "5/2" })
        .. mp.rest("1/2")
        .. (mp.train { pulses = 1, hz = 11, intensity = mp.amt(135) } .. mp.rest { min = "1/2", max = 1 }) * 3
        .. mp.rest("1/2") .. mp.pair { isi = "1/100", intensity = { mp.amt(72), mp.amt(71) } }]] },
    { what = "a silence between pulses of their own and a train", parts = [[
      mp.train { pulses = 14, hz = 10, intensity = mp.amt(150) } .. mp.rest { min = 2, max = "21/10" }
        .. (mp.pulse(mp.rmt(121)) .. mp.rest("1/2") .. mp.pulse(mp.mso(65))):times(4, { every = "5/2" })
        .. mp.rest { min = "1/2", max = 1 }
        .. (mp.pulse(mp.mso(63)) .. mp.rest("1/2") .. mp.pulse(mp.mso(63))):times(3, { every = "11/2" })]] },
  }
  local function source_of_parts(parts)
    return ('local mp = require "moonpulse"\nreturn mp.protocol { id = "drawn", name = "Drawn",\n'
      .. "  plan = function()\n    return %s\n  end }\n"):format(parts)
  end
  for _, each in ipairs(named) do
    it("is no milder of " .. each.what, function()
      assert.is_nil((frozen.run(folder, source_of_parts(each.parts), many)))
    end)
  end

  local faults = {
    { "drawn rests are judged at their longest", function(swap)
      local with_rests = worst.with_rests
      swap(worst, "with_rests", function(plan, _, ...) return with_rests(plan, 1, ...) end)
      local cases = worst.cases
      swap(worst, "cases", function(given)
        local list = cases(given)
        return { list[1], list[2] }
      end)
    end },
    { "the first seed alone is judged", function(swap)
      local cases = worst.cases
      swap(worst, "cases", function(given) return { (cases(given))[1] } end)
    end },
    { "the search ends with the first that is OVER", function(swap)
      local judge = worst.judge
      swap(worst, "judge", function(cases, report_of)
        local over
        return judge(cases, function(case)
          local report = case.search and over or report_of(case)
          over = over or report.verdict == "OVER" and report or nil
          return report
        end)
      end)
    end, named[1] },
    { "one order alone is searched at the rules' edges", function(swap)
      local cases = worst.cases
      swap(worst, "cases", function(given)
        local list = {}
        for _, case in ipairs((cases(given))) do
          list[#list + 1] = not case.what:find("^order.*%%") and case or nil
        end
        return list
      end)
    end, named[2] },
    { "silences are looked at where all rests are alike", function(swap)
      swap(silences, "of", function() return {}, false end)
    end, named[3] },
  }
  for _, fault in ipairs(faults) do
    it("would be found milder where " .. fault[1], function()
      local why = plants.during(fault[2], function()
        for seed = 1, fault[3] and 1 or 200 do
          local source = fault[3] and source_of_parts(fault[3].parts) or source_of(seed)
          local found = source and frozen.run(folder, source, fault[3] and many or 10)
          if found then
            return found
          end
        end
      end)
      assert.is_truthy(why)
    end)
  end
end)
