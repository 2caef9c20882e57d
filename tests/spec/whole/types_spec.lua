-- scripts/moonpulse/types: what editors are told of moonpulse.core, against moonpulse.core itself.
local annotations = require "annotations"
local compose = require "moonpulse.compose" -- gives plans two methods
local core = require "moonpulse.core"
local rooms = require "rooms"

local texts = rooms.read("scripts/moonpulse", "%.lua$")

--- All classes of the library, and the functions of the files that describe core.
local function read(changed)
  local classes, functions = {}, {}
  for path, text in pairs(texts) do
    text = changed and changed(path, text) or text
    annotations.classes(text, classes)
    if path:find("^types/core") then
      for _, each in ipairs(annotations.functions(text)) do
        functions[each.name:gsub(":", ".")] = each
      end
    end
  end
  return classes, functions
end

--- The classes of core that are userdata, with their methods: { Plan = { view = true } }.
local function methods_of_core()
  local found = {}
  for name, metatable in pairs(debug.getregistry()) do
    local methods = type(name) == "string" and name:find("^moonpulse%.") and type(metatable) == "table"
      and rawget(metatable, "__index")
    if type(methods) == "table" and next(methods) then
      found[name] = methods
    end
  end
  return found
end

--- What is in core and not described, or the other way round.
local function compare(classes, functions)
  local problems = {}
  local function note(...)
    problems[#problems + 1] = (...):format(select(2, ...))
  end
  local constants = classes["moonpulse.core"].fields
  for name, value in pairs(core) do
    if type(value) == "function" and not functions["core." .. name] then
      note("core.%s is not described", name)
    elseif type(value) ~= "function" and not constants[name] then
      note("core.%s is no field of the class", name)
    end
  end
  local called, by_metatable = {}, methods_of_core()
  for name, class in pairs(classes) do
    if class.userdata and not by_metatable[class.userdata] then
      note("%s: core has no userdata %s", name, class.userdata)
    elseif class.userdata then
      called[name:match("[^.]+$")] = by_metatable[class.userdata]
      by_metatable[class.userdata] = nil
    end
  end
  for name in pairs(by_metatable) do
    note("the userdata %s is not described", name)
  end
  for class, methods in pairs(called) do
    for method in pairs(methods) do
      if not functions[class .. "." .. method] and not compose[method] then
        note("%s:%s is not described", class, method)
      end
    end
  end
  for name in pairs(functions) do
    local class, method = name:match("^(.*)%.(.*)$")
    local holder = class == "core" and core or called[class]
    if not holder or type(holder[method]) ~= "function" then
      note("%s is described, and is not there", name)
    end
  end
  for name in pairs(constants) do
    if core[name] == nil then
      note("core.%s is a field of the class, and is not there", name)
    end
  end
  table.sort(problems)
  return problems
end

describe("types/core*.lua", function()
  it("describes all of moonpulse.core and the methods of its userdata, and nothing else", function()
    assert.are.same({}, compare(read()))
  end)

  it("says of each function what it does and what its parameters are", function()
    local _, functions = read()
    local problems = {}
    for name, each in pairs(functions) do
      if not (each.doc[1] and each.doc[1]:find("^%a") or each.doc[1] and each.doc[1]:find("^%d")) then
        problems[#problems + 1] = name .. " is not explained"
      end
      for _, param in ipairs(each.params) do
        if not each.described[param] then
          problems[#problems + 1] = ("%s: @param %s is missing"):format(name, param)
        end
      end
      for param in pairs(each.described) do
        local taken = (" %s "):format(table.concat(each.params, " "))
        if param ~= "" and not taken:find((" %s "):format(param), 1, true) then
          problems[#problems + 1] = ("%s: it has no parameter %s"):format(name, param)
        end
      end
    end
    assert.are.same({}, problems)
  end)

  it("names only types that there are", function()
    local classes = read()
    local unknown = {}
    for path, text in pairs(texts) do
      for line in text:gmatch("%-%-%-[^\n]*") do
        for name in line:gmatch("moonpulse%.[%w_.]+") do
          name = name:gsub("%.$", "")
          if name:match("[^.]+$"):find("^%u") and not classes[name] then
            unknown[#unknown + 1] = path .. ": " .. name
          end
        end
      end
    end
    assert.are.same({}, unknown)
  end)

  local function without(line)
    return compare(read(function(path, text)
      return path:find("^types/") and text:gsub(line, "", 1) or text
    end))
  end

  it("is found out where a function, a constant, a method or a class is missing", function()
    assert.are.same({ "core.wait is not described" }, without("function core%.wait%(seconds%) end\n"))
    assert.are.same({ "core.version is no field of the class" }, without("%-%-%-@field version [^\n]*\n"))
    assert.are.same({ "Session:arm is not described" }, without("function Session:arm%(arming%) end\n"))
    assert.are.same({ "Pty.close is described, and is not there", "Pty.look is described, and is not there",
      "Pty.path is described, and is not there", "Pty.watch is described, and is not there",
      "Pty.write is described, and is not there", "the userdata moonpulse.pty is not described" },
      without("%-%-%-@class moonpulse%.core%.Pty[^\n]*\n"))
  end)

  it("is found out where it describes what is not there", function()
    local found = compare(read(function(path, text)
      return path == "types/core.lua" and text
        :gsub("function core%.wait%(", "function core.gone() end\n%0", 1)
        :gsub("%-%-%-@field version", "---@field none string\n%0", 1) or text
    end))
    assert.are.same({ "core.gone is described, and is not there",
      "core.none is a field of the class, and is not there" }, found)
  end)
end)
