--- Each invariant of `moonpulse explore` is shown to fire: a planted fault makes it fail, and no other.
local core = require "moonpulse.core"
local invariants = require "moonpulse.explore.invariants"
local judges = require "moonpulse.explore.judge"
local plans = require "moonpulse.explore.plan"
local plants = require "explore.plants"
local product_plants = require "explore.product_plants"
local runs = require "explore.scenarios"
local several_plants = require "explore.several_plants"
local shell = require "shell"

describe("the invariants of explore", function()
  local folder, judge

  setup(function()
    folder = shell.folder()
    judge = judges.new(folder)
  end)
  teardown(function() shell.remove(folder) end)

  local function broken_by(plant)
    local listed = plans.listed
    plans.listed = plant.listed and plant.listed(listed) or listed
    local ok, broken, run = pcall(judges.judge, judge, plant[2], { again = plant.again,
      recover = plant.recover,
      after = plant[3] })
    plans.listed = listed
    assert(ok, broken)
    local names, whys = {}, {}
    for i, each in ipairs(broken) do
      names[i], whys[i] = each.name, each.name .. ": " .. each.why
    end
    return names, table.concat(whys, "\n") .. "\n" .. tostring(run.message)
  end

  it("are at least 40, each with a name of its own and a sentence", function()
    local seen = {}
    for _, each in ipairs(invariants.all) do
      assert.is_nil(seen[each.name], each.name)
      seen[each.name] = true
      assert.matches("^%l[%l%d-]+$", each.name)
      assert.matches("^%S.*%.$", each.says)
    end
    assert.is_true(#invariants.all >= 40)
  end)

  it("hold of the runs in which nothing is planted", function()
    for name, scenario in pairs(runs) do
      local names, why = broken_by { nil, scenario, again = true, recover = true }
      assert.are.same({}, names, name .. ": " .. why)
    end
  end)

  local planted = {}
  for _, plant in ipairs(plants) do
    planted[plant[1]] = true
    it("fires alone: " .. plant[1], function()
      local names, why = broken_by(plant)
      assert.are.same({ plant[1] }, names, why)
    end)
  end

  --- With a fault in the product itself: what is put in place of a function is taken away behind.
  local function broken_by_product(plant)
    local kept, names = {}, {}
    plant[3](function(owner, key, value)
      kept[#kept + 1] = { owner, key, rawget(owner, key) }
      owner[key] = value
    end)
    local ok, broken, run = pcall(judges.judge, judge, plant[2], { again = plant.again,
      recover = plant.recover })
    for i = #kept, 1, -1 do
      kept[i][1][kept[i][2]] = kept[i][3]
    end
    assert(ok, broken)
    for _, each in ipairs(broken) do
      names[each.name] = each.why
    end
    return names, run
  end

  it("are met by at least 30 faults in the product itself", function()
    assert.is_true(#product_plants >= 30)
  end)

  for _, plant in ipairs(table.move(several_plants, 1, #several_plants, #product_plants + 1,
    table.move(product_plants, 1, #product_plants, 1, {}))) do
    it("find a fault in the product by " .. plant[1], function()
      local names, run = broken_by_product(plant)
      local others = {}
      for name, why in pairs(names) do
        others[#others + 1] = name .. ": " .. why
      end
      assert(names[plant[1]], ("%s did not fail; these did: %s; %s"):format(plant[1],
        table.concat(others, "\n"), tostring(run.message)))
    end)
  end

  it("have a planted fault each", function()
    for _, each in ipairs(invariants.all) do
      assert(planted[each.name], each.name
        .. " is never shown to fire: plant a fault in tests/explore/plants.lua")
    end
    assert.is_false(core.is_virtual())
  end)
end)
