--- The globals that specs have are those of busted's own environment, whatever blocks set, forget and hide.
local chances = require "chance"

local function shipped()
  return dofile(assert(package.searchpath("busted.environment", package.path)))
end

--- Blocks in each other as busted's context has them, with some globals that a function sees in them.
local function world(make)
  local parents, block, depth = {}, { name = "suite" }, 1
  local context = {
    get = function(key) return key and block[key] or not key and block or nil end,
    set = function(key, value) block[key] = value end,
    parent = function(of) return parents[of] end,
  }
  local environment = make(context)
  -- a chunk has globals of its own, which wrap gives it
  local function wrapped(text)
    return environment.wrap(assert(load(text)))
  end
  return {
    get = wrapped "return (_ENV[(...)])", put = wrapped "local key, value = ... _ENV[key] = value",
    set = environment.set,
    push = function()
      local inner = {}
      parents[inner], block, depth = block, inner, depth + 1
    end,
    pop = function()
      if depth > 1 then
        block, depth = parents[block], depth - 1
      end
    end,
  }
end

describe("a spec's globals", function()
  it("are those of busted's own", function()
    assert.are_not.equal(shipped(), require "busted.environment")
    local chance, names = chances.new(7), { "math", "mine", "yours", "print", "it" }
    local values, found = { 1, "text", false, "hidden" }, {}
    for _ = 1, 40 do
      local own, other = world(require "busted.environment"), world(shipped())
      for _ = 1, 60 do
        local name, value = chance:pick(names), chance:pick(values)
        value = value ~= "hidden" and value or nil
        local what = chance:pick { "push", "pop", "set", "put" }
        own[what](name, value)
        other[what](name, value)
        for _, each in ipairs(names) do
          local wanted = other.get(each)
          assert.are.equal(wanted, own.get(each), what .. " " .. each)
          found[wanted == _G[each] and "outside" or type(wanted)] = true
        end
      end
    end
    assert.are.same({ outside = true, number = true, string = true }, found)
  end)

  it("are those that busted puts into a test itself", function()
    assert.is_function(finally)
  end)

  it("are those of the program, as they are now", function()
    local own, name = world(require "busted.environment"), "a_name_for_this_test"
    assert.is_nil(own.get(name))
    rawset(_G, name, 5)
    local got = own.get(name)
    rawset(_G, name, nil)
    assert.are.equal(5, got)
    assert.is_nil(own.get(name))
  end)
end)
