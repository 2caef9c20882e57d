-- core.row_lists gives what core.rows gives line by line, of any text.
local chances = require "chance"
local core = require "moonpulse.core"

local columns = { { key = "a", most = 1e6 }, false, { key = "b", most = 1e6, whole = true }, true,
  { key = "c", most = 1e6, only_found = true }, false }

local some = { "1", "2.5", "-3", "n/a", "", "x", "y", "xx", "1e9", "nan", "1\0", ("long"):rep(90) }
local ends = { "\n", "\n", "\n", "\r\n", "\n\n", "\r" }

local function text_of(seed)
  local chance, lines = chances.draws(seed), {}
  local usual = {}
  for i = 1, 6 do
    usual[i] = some[chance(1, #some)]
  end
  for _ = 1, chance(0, 60) do
    local line = {}
    for i = 1, chance(1, 20) == 1 and chance(1, 8) or 6 do
      line[i] = chance(1, 6) == 1 and some[chance(1, #some)] or usual[i] or "z"
    end
    lines[#lines + 1] = table.concat(line, "\t") .. ends[chance(1, #ends)]
  end
  return table.concat(lines)
end

--- The same of core.rows.
local function each(text)
  local list, bad = {}, 0
  for row, rest, found in core.rows(text, 1, columns) do
    if row then
      list[#list + 1] = { row.a or false, row.b or false, row.c or false, rest, found }
    else
      bad = bad + 1
    end
  end
  return list, bad
end

describe("core.row_lists", function()
  it("gives what core.rows gives", function()
    for seed = 1, 400 do
      local text = text_of(seed)
      local lists, kinds, rests, found, bad = core.row_lists(text, 1, columns)
      local list = {}
      for i, kind in ipairs(kinds) do
        list[i] = { lists.a[i], lists.b[i], false, rests[kind], found[kind] }
      end
      local expected, count = each(text)
      assert.are.same(expected, list, "seed " .. seed)
      assert.are.equal(count, bad)
      assert.is_nil(lists.c)
      local seen = {}
      for kind, rest in ipairs(rests) do
        local key = found[kind] .. "\t" .. rest
        assert.is_nil(seen[key])
        seen[key] = true
      end
    end
  end)

  it("begins where it is told, and refuses what core.rows refuses", function()
    local lists, kinds = core.row_lists("head\n1\tx\n2\tx\n3\ty", 6, { { key = "n", most = 9 }, false })
    assert.are.same({ 1, 2, 3 }, lists.n)
    assert.are.same({ 1, 1, 2 }, kinds)
    assert.has_error(function() core.row_lists("a", 1, {}) end)
    assert.has_error(function() core.row_lists("a", 3, columns) end)
    assert.has_error(function() core.row_lists("a", 1, { {} }) end)
  end)
end)

describe("core.same_but", function()
  local cells_of = require("moonpulse.text.cells").of

  --- What it means, of texts that need not be whole.
  local function is_same(text, other, place)
    local function bare(of)
      return (of:gsub("[^\n]*", function(line)
        local cells = cells_of(line)
        cells[place] = cells[place] and "n/a"
        return table.concat(cells, "\t")
      end))
    end
    return bare(text) == bare(other)
  end

  it("tells whether two texts differ in one column only", function()
    local same = 0
    for seed = 1, 6000 do
      local chance = chances.draws(seed)
      local text, parts = {}, { "a", "b", "\t", "\t", "\t", "\n" }
      for i = 1, chance(0, 30) do
        text[i] = parts[chance(1, #parts)]
      end
      local other = { table.unpack(text) }
      for _ = 1, chance(0, 2) do
        other[chance(1, #other + 1)] = chance(0, 3) > 0 and parts[chance(1, 2)] or parts[chance(1, #parts)]
      end
      local a, b, place = table.concat(text), table.concat(other), chance(1, 4)
      local expected = is_same(a, b, place)
      assert.are.equal(expected, core.same_but(a, b, place), ("%q %q %d"):format(a, b, place))
      same = same + (expected and a ~= b and 1 or 0)
    end
    assert.is_true(same > 100, tostring(same))
  end)
end)
