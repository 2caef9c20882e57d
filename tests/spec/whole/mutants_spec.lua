--- What make mutants plants: small faults that are faults, the same ones each time; and none is explained by
--- chance.
local draw = require "mutants.draw"
local faults = require "mutants.faults"
local judge = require "mutants.judge"
local notes = require "mutants.notes"
local shell = require "shell"

--- The faults of a source as "kind: what -> what", of one kind if it is named.
local function said(text, language, kind)
  local list = {}
  for _, each in ipairs((faults.of(text, language))) do
    if not kind or each.kind == kind then
      list[#list + 1] = ("%s -> %s"):format(text:sub(each.from, each.to), each.text)
    end
  end
  return list
end

describe("faults of a source in C", function()
  local text = '#include <x.h>\n// a < b\nstatic bool f(struct a *one, int two)\n{\n'
    .. '    int x = two - 3;\n    if (one->n < two && !two)\n        go(one, two);\n    x += 1;\n'
    .. '    say("a < b");\n    return true;\n}\n'

  it("are comparisons, signs, conditions and truths the other way round", function()
    assert.are.same({ "< -> <=" }, said(text, "c", "compare"))
    assert.are.same({ "- -> +", "+= -> -=" }, said(text, "c", "sign"))
    assert.are.same({ "&& -> ||" }, said(text, "c", "logic"))
    assert.are.same({ "one->n < two && !two -> !(one->n < two && !two)", "! -> " }, said(text, "c", "negate"))
    assert.are.same({ "true -> false" }, said(text, "c", "boolean"))
  end)

  it("are numbers one more and one less, arguments exchanged, statements left out, and returns", function()
    assert.are.same({ "3 -> 4", "3 -> 2", "1 -> 2", "1 -> 0" }, said(text, "c", "constant"))
    assert.are.same({ "one, two -> two, one" }, said(text, "c", "swap"))
    assert.are.same({ "go(one, two); -> ;", "x += 1; -> ;", 'say("a < b"); -> ;' }, said(text, "c", "drop"))
    assert.are.same({ " ->  return false;", " ->  return true;" }, said(text, "c", "return"))
  end)
end)

describe("faults of a source in Lua", function()
  local text = "local M = {}\n--- a < b\nfunction M.f(one, two)\n  local x = math.max(one, two - 0x10)\n"
    .. "  if one.n ~= two\n    and not two then\n    go(one, two,\n      1e-9)\n  end\n  x = x .. [[a < b]]\n"
    .. "  return x\nend\nreturn M\n"

  it("are those of C in its own words", function()
    assert.are.same({ "~= -> ==" }, said(text, "lua", "compare"))
    assert.are.same({ "- -> +" }, said(text, "lua", "sign"))
    assert.are.same({ "and -> or" }, said(text, "lua", "logic"))
    assert.are.same({ "max -> min" }, said(text, "lua", "bound"))
    assert.are.same({ "one.n ~= two\n    and not two -> not (one.n ~= two\n    and not two)", "not -> " },
      said(text, "lua", "negate"))
    assert.are.same({ "0x10 -> 0x11", "0x10 -> 0x0F" }, said(text, "lua", "constant"))
    assert.are.same({ "one, two -> two, one", "two,\n      1e-9 -> 1e-9,\n      two" },
      said(text, "lua", "swap"))
    assert.are.same({ "go(one, two,\n      1e-9) -> ", "x = x .. [[a < b]] -> " }, said(text, "lua", "drop"))
    assert.are.same({ " -> do return end " }, said(text, "lua", "return"))
  end)
end)

describe("the draw", function()
  local everything = draw.everything(".")

  it("has thousands to draw from, nearly all of which Lua takes, and tests for each source", function()
    local count, bad, texts = 0, 0, {}
    for _, list in pairs(everything) do
      for _, each in ipairs(list) do
        count = count + 1
        texts[each.path] = texts[each.path] or shell.read(each.path)
        if each.path:find("%.lua$") and count % 20 == 0 then
          bad = bad + (load(faults.planted(texts[each.path], each)) and 0 or 1)
        end
      end
    end
    assert.is_true(count > 5000, count)
    assert.is_true(bad < 10, bad)
    for path in pairs(texts) do
      assert.is_true(#judge.tests(path) > 0, path)
    end
  end)

  it("is the same for a seed, another for another, and has kinds and parts by their weights", function()
    local function first(seed)
      local keys = {}
      for i, each in ipairs(draw.ordered(everything.gate, seed)) do
        keys[i] = i <= 50 and each.key or nil
      end
      return keys
    end
    assert.are.same(first(1), first(1))
    assert.are_not.same(first(1), first(2))
    local kinds = {}
    for _, each in ipairs(draw.ordered(everything.gate, 1)) do
      kinds[each.kind] = (kinds[each.kind] or 0) + 1
      if kinds[each.kind] == 8 then
        assert.are.equal("drop", each.kind) -- the heaviest comes first to any number
        break
      end
    end
    local shares, sum = draw.shares(300), 0
    for _, share in pairs(shares) do
      sum = sum + share
    end
    assert.are.equal(300, sum)
    assert.is_true(shares.dispatcher == 75 and shares.drivers == 55)
  end)

  it("tests only what there is", function()
    local seen = 0
    for _, list in pairs(everything) do
      for i = 1, #list, 50 do
        for _, test in ipairs(judge.tests(list[i].path)) do
          local file = test.program and test.program:gsub("build/tests/", "tests/engine/") .. ".c"
            or test.line:match("tests/%S+$")
          seen = seen + 1
          local other = file and file:gsub("engine", "bindings")
          assert.is_truthy(not file or shell.read(file) or shell.read(other), test.line)
        end
      end
    end
    assert.is_true(seen > 500, seen)
  end)
end)

describe("the key of a fault", function()
  local folder
  setup(function() folder = shell.folder() end)
  teardown(function() shell.remove(folder) end)

  --- Keys of the faults of one source.
  local function keys(text)
    os.execute(("cd %s && mkdir -p scripts/moonpulse/devices engine bindings"):format(folder))
    shell.write(folder .. "/scripts/moonpulse/devices/x.lua", text)
    local list = {}
    for i, each in ipairs(draw.everything(folder).drivers) do
      list[i] = each.key
    end
    return list
  end
  local one = "local function f(a)\n  return a < 1\nend\n"

  it("stays where lines above it come or go, and is another once its function is", function()
    local before = keys(one)
    assert.are.equal(3, #before) -- <, and 1 one more and less
    local after = keys("-- more\n\nlocal function g() end\n\n" .. one)
    assert.are.same(before, after)
    for _, key in ipairs(keys((one:gsub("return", "a = a\n  return")))) do
      for _, old in ipairs(before) do
        assert.are_not.equal(old, key)
      end
    end
  end)

  it("is of its place: the same change twice in a function has two", function()
    local list, known = keys("local function f(a)\n  return a < b, a < b\nend\n"), {}
    for _, key in ipairs(list) do
      assert.is_nil(known[key])
      known[key] = true
    end
    assert.are.equal(2, #list)
  end)

  it("in explained.tsv comes with the path, the change and a reason", function()
    for key, row in pairs(notes.read("tests/mutants/explained.tsv")) do
      assert.is_truthy(key:find("^%x+$") and #key == 16, key)
      assert.is_truthy(shell.read(row.path), row.path)
      assert.is_true(#row.change > 0 and #row.why > 20, key)
    end
  end)
end)
