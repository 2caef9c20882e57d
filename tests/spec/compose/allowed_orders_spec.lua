-- Orders under a rule, against every order that there is, found by trying.
local allowed = require "moonpulse.compose.allowed_orders"
local building = require "moonpulse.compose.context"
local core = require "moonpulse.core"
local mp = require "moonpulse"

--- All orders of a multiset in which no value stands more than most times in a row, and, with blocks, each
--- block of size entries is the multiset: by trying every order.
local function every_order(counts, most, blocks)
  local found, order, size = {}, {}, 0
  for _, count in ipairs(counts) do
    size = size + count
  end
  local function keeps()
    local run = 0
    for i, kind in ipairs(order) do
      run = kind == order[i - 1] and run + 1 or 1
      if run > most then
        return false
      end
    end
    return true
  end
  local function place(left)
    if #order == size * blocks then
      found[#found + 1] = keeps() and table.concat(order, " ") or nil
      return
    elseif #order % size == 0 then
      left = { table.unpack(counts) }
    end
    for kind, count in ipairs(left) do
      if count > 0 then
        local after = { table.unpack(left) }
        after[kind], order[#order + 1] = count - 1, kind
        place(after)
        order[#order] = nil
      end
    end
  end
  place({})
  return found
end

local small = { { { 2, 2 }, 1, 1 }, { { 3, 3 }, 2, 1 }, { { 4, 2, 3 }, 1, 1 }, { { 4, 2, 3 }, 2, 1 },
  { { 6, 2 }, 3, 1 }, { { 2, 2, 2, 1 }, 1, 1 }, { { 1, 1, 1 }, 1, 3 }, { { 2, 1 }, 2, 3 },
  { { 2, 1, 1 }, 1, 2 } }

describe("orders under a rule", function()
  for _, case in ipairs(small) do
    local counts, most, blocks = table.unpack(case)
    local name = ("%s, %d in a row, %d blocks"):format(table.concat(counts, "+"), most, blocks)
    it("have each a number of its own: " .. name, function()
      local expected, found = every_order(counts, most, blocks), {}
      for i = 1, #expected do
        local space = allowed.new(counts, most, blocks)
        found[i] = table.concat(space:numbered(function(count)
          local digits = {}
          for k in ipairs(count) do
            digits[k] = k == 1 and i - 1 or 0
          end
          assert.are.equal(#expected, count[1]) -- so many there are: each has the same probability
          return digits
        end), " ")
      end
      assert.are.same(expected, found)
    end)
  end

  it("are favoured none, drawn as a plan draws them", function()
    local expected = every_order({ 2, 2, 1 }, 1, 1)
    local counts, seeds = {}, 300 * #expected
    for seed = 1, seeds do
      local _, list = building.with({ seed = seed }, pcall, mp.shuffle, { 1, 1, 2, 2, 3 },
        { max_in_a_row = 1 })
      local order = table.concat(list, " ")
      counts[order] = (counts[order] or 0) + 1
    end
    local chi2 = 0
    for _, order in ipairs(expected) do
      chi2 = chi2 + ((counts[order] or 0) - 300) ^ 2 / 300
    end
    assert.are.equal(12, #expected)
    assert.is_true(chi2 < 31.3, "chi squared " .. chi2) -- 11 degrees of freedom, p = 0.001
  end)

  it("keep the rule where hardly any order does", function()
    for _, case in ipairs { { { 20, 20, 20, 20, 20 }, 1, 1 }, { { 60, 60 }, 2, 1 }, { { 80, 39 }, 2, 1 },
      { { 2, 1, 1 }, 1, 20 }, { { 1, 1 }, 1, 30 } } do
      local counts, most, blocks = table.unpack(case)
      local position = 0
      local order = allowed.new(counts, most, blocks):draw(function(range)
        position = position + 1
        return core.draw(7, position, range)
      end)
      local run, size, seen = 0, #order // blocks, {}
      for i, kind in ipairs(order) do
        run = kind == order[i - 1] and run + 1 or 1
        assert.is_true(run <= most)
        seen[kind] = (seen[kind] or 0) + 1
        if i % size == 0 then
          assert.are.same(counts, seen)
          seen = {}
        end
      end
    end
  end)
end)

describe("shuffle with a rule", function()
  local function shuffled(seed, list, rule)
    return select(2, building.with({ seed = seed }, pcall, mp.shuffle, list, rule))
  end

  it("takes for alike what has one label, else what is the same", function()
    local function pair(isi, name)
      local made = mp.pair { isi = mp.ms(isi), intensity = mp.mso(30) }
      return name and made:label(name) or made
    end
    for seed = 1, 20 do
      local order = shuffled(seed, { pair(2, "SICI"), pair(3, "SICI"), pair(2, "SICI"), pair(10), pair(10) },
        { max_in_a_row = 1 })
      local names = {}
      for i, plan in ipairs(order) do
        names[i] = plan:view().condition
      end
      assert.are.same({ "SICI", "", "SICI", "", "SICI" }, names)
    end
  end)

  it("gives each seed its order, and the same again", function()
    local list = mp.counts { { "a", 10 }, { "b", 10 }, { "c", 5 } }
    assert.are.equal(25, #list)
    assert.are.same(shuffled(3, list, { max_in_a_row = 2 }), shuffled(3, list, { max_in_a_row = 2 }))
    assert.are_not.same(shuffled(3, list, { max_in_a_row = 2 }), shuffled(4, list, { max_in_a_row = 2 }))
    assert.are.equal(16, #shuffled(1, { 1, 2, 3, 4 }, { blocks = 4 }))
  end)

  it("says why a rule cannot be met, and what would do", function()
    local function refused(text, list, rule)
      local ok, message = building.with({ seed = 1 }, pcall, mp.shuffle, list, rule)
      assert.is_false(ok)
      assert.matches(text, tostring(message), 1, true)
    end
    refused("20 of the 24 entries are alike (TS), and the others are 4: give 9 others or more, at most 10 of "
      .. "these, or max_in_a_row = 4", mp.counts { { "TS", 20 }, { "SICI", 4 } }, { max_in_a_row = 2 })
    refused("cannot be met where 2 blocks follow each other: give max_in_a_row = 2", { 1, 1, 2 },
      { max_in_a_row = 1, blocks = 2 })
    refused("a whole number from 1", { 1, 2 }, { max_in_a_row = "2" })
    refused("there is no option \"max_in_row\"", { 1, 2 }, { max_in_row = 2 })
    refused("{ } says nothing", { 1, 2 }, {})
    local ok, message = pcall(mp.counts, { { "TS", 20 }, { "SICI" } })
    assert.is_false(ok)
    assert.matches("entry 2 must be a value with its number", tostring(message), 1, true)
  end)
end)
