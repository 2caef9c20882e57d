--- In which order the rows of a record are written, whatever the order in which they come; and the names of
--- the files that are kept beside them.
local core = require "moonpulse.core"
local order = require "moonpulse.record.order"
local shell = require "shell"
local sources = require "moonpulse.record.sources"

local function chance_of(seed)
  local state = seed * 2654435761 + 12345
  return function(most)
    state = state * 6364136223846793005 + 1442695040888963407
    return 1 + (state >> 33) % most
  end
end

describe("the rows of a record that wait", function()
  it("are written by their onsets, marks before pulses, equals as they came", function()
    for seed = 1, 50 do
      local chance, record = chance_of(seed), { queue = {}, first = 1, last = 0, until_ns = math.maxinteger }
      for i = 1, chance(40) do
        local ns = chance(10) * 1000
        order.insert(record, { event = chance(2) == 1 and "mark" or "pulse", planned_ns = ns, came = i }, ns)
      end
      local count, written = record.last, {}
      order.flush(record, function(_, row) written[#written + 1] = row end)
      assert.are.equal(count, #written)
      for i = 2, count do
        local a, b = written[i - 1], written[i]
        assert.is_true(a.key_ns < b.key_ns or a.key_ns == b.key_ns and (a.rank < b.rank
          or a.rank == b.rank and a.came < b.came), ("seed %d: row %d"):format(seed, i))
      end
    end
  end)
end)

describe("the files that a run keeps", function()
  local folder
  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  it("have names of their own: a number before the ending, or behind a name without one", function()
    local kept = sources.new(folder)
    for i, path in ipairs { "/a/plan.lua", "/b/plan.lua", "/b/PLAN.lua", "/a/answers", "/b/answers",
      "/c/answers", "/a/.hidden", "/a/x.tar.gz", "/b/x.tar.gz" } do
      assert(kept:keep("module", path, "text " .. i))
    end
    local names = {}
    for i, each in ipairs(kept.list) do
      names[i] = each.file:match("^sources/(.*)$")
      assert.are.equal("text " .. i, core.read_file(folder .. "/" .. each.file, 100))
    end
    assert.are.same({ "plan.lua", "plan_2.lua", "PLAN_3.lua", "answers", "answers_2", "answers_3", "hidden",
      "x.tar.gz", "x.tar_2.gz" }, names)
  end)
end)

describe("a line that is added to a file", function()
  local folder
  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  it("begins on a line of its own, whatever the file ends with, and leaves nothing empty", function()
    for before, after in pairs { [""] = "new\n", ["a\n"] = "a\nnew\n", ["a"] = "a\nnew\n", ["\n"] = "\nnew\n",
      ["a\n\n"] = "a\n\nnew\n", ["a\nb"] = "a\nb\nnew\n" } do
      local path = folder .. "/list"
      shell.write(path, before)
      assert(core.append_line(path, "new"))
      assert.are.equal(after, shell.read(path))
    end
  end)
end)
