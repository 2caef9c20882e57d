--- Which orders are drawn, fixed or come again: what a methods section says against the conditions of each
--- block in the schedules of many seeds.
local shell = require "shell"

local folder
setup(function() folder = shell.folder() end)
teardown(function() shell.remove(folder) end)

local parts = [[
  local a, b = mp.pulse(mp.rmt(110)):label "a", mp.pulse(mp.rmt(120)):label "b"
  local fixed = mp.trials { of = { a, a, a, b, b, b }, every = 6 }:block()
  local function drawn() return mp.trials { of = mp.shuffle { a, a, a, b, b, b }, every = 6 }:block() end
]]

local designs = {
  all_drawn = "return drawn()",
  first_fixed = "return fixed .. mp.rest(30) .. drawn()",
  two_drawn = "return drawn() .. mp.rest(30) .. drawn()",
  again = "return drawn():times(3, { gap = 30 })",
  again_joined = "local x = drawn() return x .. mp.rest(30) .. x",
  again_and_fixed = "return drawn():times(2, { gap = 30 }) .. mp.rest(30) .. fixed",
  by_hand = "local list = mp.shuffle { 110, 110, 110, 120, 120, 120 } "
    .. "for i = 1, 6 do list[i] = list[i] == 110 and a or b end "
    .. "return mp.trials { of = list, every = 6 }:block() .. mp.rest(30) .. fixed",
  blocks_drawn = "local other = mp.trials { of = { b, b, b, a, a, a }, every = 6 }:block() "
    .. "local list = mp.shuffle { fixed, other } return list[1] .. mp.rest(30) .. list[2]",
}

local function path_of(name)
  local path = ("%s/%s.lua"):format(folder, name)
  shell.write(path, ("local mp = require 'moonpulse'\nreturn mp.protocol { name = '%s', plan = function()\n"
    .. "%s%s\nend }\n"):format(name, parts, designs[name]))
  return path
end

--- The conditions of each block of a seed's schedule, as "aababb".
local function blocks_of(path, seed)
  local status, out, err = shell.moonpulse(folder, ("events %s --rmt 50 --seed %d"):format(path, seed))
  assert(status == 0, err)
  local list = {}
  for _, row in ipairs((shell.rows_of(out))) do
    if row.event == "pulse" then
      local block = tonumber(row.block)
      list[block] = (list[block] or "") .. row.trial_type
    end
  end
  return list
end

--- What many seeds show: blocks whose order is drawn, and whether all that are drawn have one and the same.
local function truth_of(path)
  local first, drawn, same = blocks_of(path, 1), {}, true
  for seed = 1, 8 do
    local blocks, found = blocks_of(path, seed), nil
    for i, order in ipairs(blocks) do
      drawn[i] = drawn[i] or order ~= first[i]
    end
    for i, order in ipairs(blocks) do
      if drawn[i] then
        same, found = same and (not found or order == found), order
      end
    end
  end
  local count = 0
  for _, is_drawn in pairs(drawn) do
    count = count + (is_drawn and 1 or 0)
  end
  return count, #first, same and count > 1
end

describe("a methods section of drawn orders", function()
  it("says of which part the order is drawn, and where the same order comes again", function()
    for name in pairs(designs) do
      local path = path_of(name)
      local drawn, blocks, same = truth_of(path)
      assert.is_true(drawn > 0, name)
      local status, said, err = shell.moonpulse(folder, ("run %s --rmt 50 --seed 5 --speed max --out %s/%s")
        :format(path, folder, name))
      assert.are.equal(0, status, err)
      for _, what in ipairs { path .. " --rmt 50 --seed 5", said:match "\nrecord +(%S+)" } do
        local _, out = shell.moonpulse(folder, "methods " .. what)
        local text = out:gsub("%s+", " ")
        local function says(words) return text:find(words, 1, true) ~= nil end
        local is_part = drawn < blocks or name == "blocks_drawn"
        assert.are.equal(is_part, says "The order of a part is drawn from the seed 5.", what)
        assert.are.equal(not is_part, says "The order is drawn from the seed 5.", what)
        assert.are.equal(same, says "the same order in each " or says "in the same order as before", what)
        if name == "blocks_drawn" then -- each is fixed in itself
          assert.is_true(says "The order of these parts is drawn." and not says "in a drawn order", text)
        else
          assert.are.equal(is_part, says "in a drawn order", text)
          assert.are.equal(is_part, says "in the order a, a, a, b, b, b", text)
        end
      end
      local _, listed = shell.moonpulse(folder, "protocols " .. path)
      listed = listed:gsub("%s+", " ")
      local is_part = drawn < blocks or name == "blocks_drawn"
      assert.is_truthy(listed:find(is_part and "The order of a part is drawn from the run's seed"
        or "The order is drawn from the run's seed", 1, true), listed)
      assert.are.equal(is_part, listed:find("in the order ", 1, true) ~= nil, listed) -- only of a fixed one
      local _, shown = shell.moonpulse(folder, ("show %s --seed 5"):format(path))
      assert.matches(is_part and "(the order of a part drawn with seed 5"
        or "(the order drawn with seed 5", shown, 1, true)
    end
  end)
end)
