--- check judges drawn rests and shuffled orders at their worst: of random plans, none of 50 seeds is graver.
--- MP_PLANS and MP_FIRST as in five_lists_spec.lua.
local draw = require "five_lists.draw"
local frozen = require "five_lists.frozen"
local paces = require "five_lists.paces"
local plants = require "five_lists.plant"
local shell = require "shell"
local worst = require "moonpulse.safety.worst"

local first = math.tointeger(tonumber(os.getenv("MP_FIRST"))) or 1
local count = math.tointeger(tonumber(os.getenv("MP_PLANS"))) or os.getenv("MP_QUICK") and 5 or 40
local seeds, shown = 50, 3

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
  }
  for _, fault in ipairs(faults) do
    it("would be found milder where " .. fault[1], function()
      local why = plants.during(fault[2], function()
        for seed = 1, 200 do
          local source = source_of(seed)
          local found = source and frozen.run(folder, source, 10)
          if found then
            return found
          end
        end
      end)
      assert.is_truthy(why)
    end)
  end
end)
