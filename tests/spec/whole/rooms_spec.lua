--- The house: each folder of the library is a room, and rooms need each other in one direction only.
local rooms = require "rooms"

local most = { file = 500, call = 60 }

describe("the library", function()
  local texts = rooms.read("scripts/moonpulse", "%.lua$")
  for path in pairs(texts) do
    if path:find("^templates/") then
      texts[path] = nil
    end
  end
  local graph, dynamic, missing = rooms.graph(texts)

  it("has no two rooms that need each other, and no circle of rooms", function()
    assert.are.same({}, rooms.circles(graph))
  end)

  it("requires nothing of itself that is not there", function()
    assert.are.same({}, missing)
  end)

  it("loads by a computed name only what there is a list of", function()
    assert.are.same({ "cli/init.lua -> commands/", "conformance/init.lua -> conformance/",
      "driver/find.lua -> devices/", "driver/find.lua -> simulators/" }, dynamic)
  end)

  it("has nothing outside of a room but its doors", function()
    local doors = { ["init.lua"] = true, ["testing.lua"] = true, ["types.lua"] = true }
    for path in pairs(texts) do
      assert(path:find("/", 1, true) or doors[path], path)
    end
  end)
end)

describe("sources", function()
  it("in Lua are at most 500 lines a file and 60 a function", function()
    local found = rooms.too_long(rooms.read("scripts", "%.lua$"), rooms.lua_functions, most)
    assert.are.same({}, found)
  end)

  it("in C are at most 500 lines a file and 60 a function", function()
    for _, folder in ipairs { "engine", "bindings" } do
      assert.are.same({}, rooms.too_long(rooms.read(folder, "%.[ch]$"), rooms.c_functions, most))
    end
  end)
end)

describe("specs", function()
  it("have names of their own, in whatever room: their logs lie side by side", function()
    local known = {}
    for path in pairs(rooms.read("tests/spec", "_spec%.lua$")) do
      local name = path:match("[^/]+$")
      assert(not known[name], ("%s and %s"):format(path, known[name]))
      known[name] = path
    end
  end)
end)

describe("what reads the sources", function()
  local function circles(texts)
    return rooms.circles((rooms.graph(texts)))
  end

  it("finds two rooms that need each other, also by a require inside a function or of an init.lua", function()
    local found = circles { ["a/x.lua"] = 'local y = require "moonpulse.b"\n',
      ["b/init.lua"] = 'local M = {}\nfunction M.f() return require("moonpulse.a.x").g() end\nreturn M\n' }
    assert.are.same({ "a/x.lua -> b/init.lua, b/init.lua -> a/x.lua" }, found)
  end)

  it("finds a circle of three, and one through the library itself", function()
    assert.are.same({ "a/x.lua -> b/y.lua, b/y.lua -> c/z.lua, c/z.lua -> a/x.lua" },
      circles { ["a/x.lua"] = "require 'moonpulse.b.y'", ["b/y.lua"] = "require 'moonpulse.c.z'",
        ["c/z.lua"] = 'require "moonpulse.a.x"', ["d/w.lua"] = "require 'moonpulse.a.x'" })
    assert.are.same({ "a/x.lua -> init.lua, init.lua -> a/x.lua" },
      circles { ["a/x.lua"] = 'require "moonpulse"', ["init.lua"] = 'require "moonpulse.a.x"' })
  end)

  it("takes no comment and no text for a require, and no room for its own neighbour", function()
    assert.are.same({}, circles { ["a/x.lua"] = 'require "moonpulse.b.y" require "moonpulse.a.z"',
      ["a/z.lua"] = "", ["b/y.lua"] = [==[
        -- require "moonpulse.a.x"
        --[[ require "moonpulse.a.x" ]]
        local s = 'require "moonpulse.a.x"' .. "it\"s: require 'moonpulse.a.x'" .. [[require "moonpulse.a.x"]]
        local t, i = {}, 1
        return t[s], t[t[i]], 2 - i
      ]==] })
  end)

  it("names what is required and is not there", function()
    local _, _, missing = rooms.graph { ["a/x.lua"] = 'require "moonpulse.gone"' }
    assert.are.same({ "a/x.lua -> moonpulse.gone" }, missing)
  end)

  it("counts the lines of files and of functions, however they are written", function()
    local body = ("  x()\n"):rep(59)
    local lua = "local function f(x) -- end\n" .. body .. "end\n" -- 61 lines
    assert.are.same({ "a.lua:1: a function of 61 lines" },
      rooms.too_long({ ["a.lua"] = lua }, rooms.lua_functions, most))
    local shorter = lua:gsub("  x%(%)\n", "", 1)
    assert.are.same({}, rooms.too_long({ ["a.lua"] = shorter }, rooms.lua_functions, most))
    local within = "\nf(function()\nfor i = 1, 2 do\nif i then x() elseif y then z() end\nend\n"
      .. "repeat local s = [[\n" .. ("end\n"):rep(60) .. "]] until s\nend)\n"
    assert.are.same({ "a.lua:2: a function of 67 lines" },
      rooms.too_long({ ["a.lua"] = within }, rooms.lua_functions, most))
    local c = "int f(void)\n{\n" .. ("x;\n"):rep(500) .. "}\n"
    assert.are.same({ "b.c has 503 lines", "b.c:2: a function of 502 lines" },
      rooms.too_long({ ["b.c"] = c }, rooms.c_functions, most))
  end)
end)
