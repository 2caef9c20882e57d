-- Every shipped protocol, and every example of the pages, is played as it stands on the simulator that
-- docs/protocols.md names for it.
local catalogue = require "moonpulse.protocol.catalogue"
local devices = require "moonpulse.driver.find"
local lower = require "moonpulse.lowering"
local protocols = require "moonpulse.protocol"
local shell = require "shell"

local page = assert(shell.read "docs/protocols.md")
local thresholds = { rmt = 50, amt = 40 }

--- The rows of the page's table: what they are for, and the words of the command.
local function rows()
  local list = {}
  for names, words in assert(page:match("moonpulse run ID %-%-rmt 50 %-%-amt 40` and |\n|[-|]+\n(.-)\n\n"))
    :gmatch("| ([^|]+) | `([^`]+)` |") do
    list[#list + 1] = { names = names, words = words }
  end
  return list
end

--- The commands for a protocol: of the rows that name it, and of its family's.
local function commands_for(protocol)
  local own, family = {}, {}
  for _, row in ipairs(rows()) do
    if row.names:find("`" .. protocol.id .. "`", 1, true) then
      own[#own + 1] = row.words
    end
    for each in row.names:gmatch("[^,]+") do
      if each:match("^%s*(.-)%s*$") == protocol.family then
        family[#family + 1] = row.words
      end
    end
  end
  return table.move(family, 1, #family, #own + 1, own)
end

describe("the shipped protocols", function()
  local folder

  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  it("are each played to their end on the simulator that the page names", function()
    local count = 0
    for _, protocol in ipairs(catalogue.all()) do
      local commands = commands_for(protocol)
      assert.is_truthy(commands[1], protocol.id .. " (" .. tostring(protocol.family) .. "): no row names it")
      local played = 0
      for _, words in ipairs(commands) do
        -- two channels are not what the family's row is for
        if words:find("channels=", 1, true) or #protocols.open(protocol, {}) == 0 then
          for _, seed in ipairs { 1, 2 } do
            local line = ("run %s --rmt 50 --amt 40 --unconfirmed --speed max --seed %d --out %s/runs %s")
            line = line:format(protocol.id, seed, folder, words)
            local status, out, err = shell.moonpulse(folder, line)
            assert.are.equal(0, status, line .. "\n" .. out .. err)
            assert.is_truthy(out:find("sent +([%d,]+) of %1 pulses"), line .. "\n" .. out)
          end
          played = played + 1
        end
      end
      assert.is_true(played > 0, protocol.id .. " is not played")
      count = count + 1
    end
    assert.is_true(count >= 40, tostring(count))
  end)

  it("with trials in an order that is drawn pass with every seed", function()
    local mixed = { singles = "20", shortest = "7", longest = "9" }
    for id, given in pairs { paired_pulse_block = {}, sici = mixed, icf = mixed } do
      local protocol = assert(catalogue.find(id))
      local values = assert(protocols.values(protocol, given, thresholds))
      for seed = 1, 40 do
        local ok, problem = pcall(lower.prepare, { plan = assert(protocols.build(protocol, values, seed)),
          seed = seed, driver = devices.configure(assert(devices.find "bistim"), {}),
          thresholds = thresholds, timing = "auto" })
        assert.is_true(ok, ok and "" or ("%s, seed %d: %s"):format(id, seed, problem.message or problem))
      end
    end
  end)

  it("and so is the example of orders and intervals, with the command behind it", function()
    local plan, words = page:match("## Orders and intervals.-```lua\n(.-)```\n\nWith `([^`]+)` this runs")
    assert.is_truthy(plan)
    shell.write(folder .. "/example.lua", ([[local mp = require "moonpulse"
return mp.protocol { name = "example",
params = { cs = { default = mp.rmt(80) }, ts = { default = mp.rmt(120) } },
%s}]]):format(plan))
    for seed = 1, 4 do
      local status, out, err = shell.moonpulse(folder, ("run %s/example.lua --speed max --seed %d "
        .. "--out %s/runs %s"):format(folder, seed, folder, words))
      assert.are.equal(0, status, out .. err)
      assert.is_truthy(out:find("sent +60 of 60 pulses"), out)
    end
  end)
end)
