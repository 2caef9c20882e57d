-- What is done to the rows of a long run at once gives what is done to them one by one.
local cells = require "moonpulse.text.cells"
local core = require "moonpulse.core"
local read = require "moonpulse.record.read"

local names = { "event", "onset_planned_us", "channel", "intensity" }

--- The keys of all rows, the slow way.
local function keys_of(text)
  local next_line, list = text:gmatch("([^\n]*)\n"), {}
  local header = cells.of(next_line() or "")
  local columns = cells.index(header)
  for line in next_line do
    local row, key = cells.of(line), {}
    for i, name in ipairs(names) do
      key[i] = row[columns[name] or 0] or ""
    end
    list[#list + 1] = #row == #header and table.concat(key, "\t") or nil
  end
  return list
end

local function missing_of(from, to)
  local there, missing = {}, 0
  for _, key in ipairs(keys_of(to)) do
    there[key] = (there[key] or 0) + 1
  end
  for _, key in ipairs(keys_of(from)) do
    local left = (there[key] or 0) - 1
    there[key], missing = left, missing + (left < 0 and 1 or 0)
  end
  return missing
end

local function random_table(random)
  local headers = { "onset\tevent\tonset_planned_us\tchannel\tintensity\treply",
    "event\tchannel\tonset_planned_us", "intensity\tevent\tevent\tonset_planned_us\tchannel", "x", "" }
  local header = headers[random(#headers)]
  local lines = { header }
  for i = 2, random(40) do
    local row = {}
    for k = 1, #cells.of(header) + (random(8) == 1 and random(-1, 1) or 0) do
      row[k] = random(3) == 1 and "" or ("%d"):format(random(0, 2))
    end
    lines[i] = table.concat(row, "\t") .. (random(20) == 1 and "\r" or "")
  end
  return table.concat(lines, "\n") .. (random(4) > 1 and "\n" or "")
end

describe("the rows of a long run", function()
  it("are missing in another table as they are counted one by one", function()
    math.randomseed(12)
    local some = 0
    for _ = 1, 3000 do
      local from, to = random_table(math.random), random_table(math.random)
      local missing = missing_of(from, to)
      some = some + (missing > 0 and missing < #keys_of(from) and 1 or 0)
      assert.are.equal(missing, core.missing_rows(from, to, names), from .. "\n--\n" .. to)
    end
    assert.is_true(some > 300)
    assert.are.equal(2, core.missing_rows("event\n1\n1\n1\n2\n", "event\n2\n1\n", names))
    assert.are.equal(0, core.missing_rows("", "", names))
    assert.has_error(function() core.missing_rows("a", "a") end)
    assert.has_error(function()
      core.missing_rows("a", "a", { "1", "2", "3", "4", "5", "6", "7", "8", "9" })
    end)
  end)

  it("have their times sorted as table.sort does it, whole numbers and others", function()
    math.randomseed(13)
    for count = 0, 200 do
      local list, other = {}, {}
      for i = 1, count do
        list[i] = math.random(2) == 1 and math.random(-50, 50) or math.random() * 100 - 50
        other[i] = list[i]
      end
      core.sort_numbers(list)
      table.sort(other)
      assert.are.same(other, list)
      for i, value in ipairs(list) do
        assert.are.equal(math.type(other[i]), math.type(value))
      end
    end
    local large = { math.maxinteger, math.maxinteger - 1, 2 ^ 53 }
    core.sort_numbers(large)
    assert.are.same({ 2 ^ 53, math.maxinteger - 1, math.maxinteger }, large)
    local odd = { 3, 1, "2" }
    assert.has_error(function() core.sort_numbers(odd) end)
    assert.are.same({ 3, 1, "2" }, odd)
    assert.has_error(function() core.sort_numbers(1) end)
  end)

  it("are stretches by what they have in common, which together are all of them", function()
    local a, b, plain = {}, {}, { pulse = 9 }
    local rows = {}
    for i, kind in ipairs { a, a, b, a, a, a } do
      rows[i] = setmetatable({ pulse = i }, kind)
    end
    rows[7] = plain
    assert.are.same({ { 1, 2 }, { 3, 3 }, { 4, 6 }, { 7, 7 } }, (function()
      local found = {}
      for i, stretch in ipairs(read.stretches(rows)) do
        found[i] = { stretch.first, stretch.last }
        assert.are.equal(({ a, b, a, plain })[i], stretch.kind)
      end
      return found
    end)())
    assert.are.same({}, read.stretches {})
  end)
end)
