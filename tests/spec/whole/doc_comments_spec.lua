-- Public functions say what they do and what they take: those of a module's table and of its classes, and
-- those of a C header. What a contract describes (a driver's functions, a simulator's methods, a
-- subcommand's) is described there.
local annotations = require "annotations"
local rooms = require "rooms"

local texts = rooms.read("scripts/moonpulse", "%.lua$")

local contracts = {
  { room = "^devices/", holder = "^M$", class = "moonpulse.Driver" },
  { room = "^simulators/", holder = "^%u%l+$", class = "moonpulse.Simulator" },
  { room = "^commands/", holder = "^M$", class = "moonpulse.Subcommand" },
}

local classes = {}
for _, text in pairs(texts) do
  annotations.classes(text, classes)
end

local function is_public(text, holder)
  return holder == "M" or holder == "mp" or text:find("\n" .. holder .. ".__index = ", 1, true) ~= nil
    or text:find("%-%-%-@class [^\n]*\nlocal " .. holder .. " = ") ~= nil
end

local function is_described(path, holder, name)
  for _, each in ipairs(contracts) do
    if path:find(each.room) and holder:find(each.holder) and classes[each.class].fields[name] then
      return true
    end
  end
  return name:find("^__") ~= nil
end

--- Words of a comment without those that say nothing, and of a name: is one the other?
local function repeats(words, name)
  local said, called = {}, {}
  for word in words:lower():gmatch("%a+") do
    if not (" the a an of "):find(" " .. word .. " ", 1, true) then
      said[#said + 1] = word
    end
  end
  for word in name:gmatch("%a+") do
    called[#called + 1] = word
  end
  return table.concat(said, " ") == table.concat(called, " ")
end

local function problems_of(path, text)
  local problems = {}
  for _, each in ipairs(annotations.functions(text)) do
    local holder, name = each.name:match("^([%w_]+)[.:](.*)$")
    if is_public(text, holder) and not is_described(path, holder, name) then
      local where = ("%s:%d: %s"):format(path, each.line, each.name)
      if not each.doc[1] or each.doc[1]:find("^@") or repeats(each.doc[1], name) then
        problems[#problems + 1] = where .. ": what does it do?"
      end
      local taken = (" %s "):format(table.concat(each.params, " "))
      for _, param in ipairs(each.params) do
        if not each.described[param] and param ~= "_" and param ~= "..." then
          problems[#problems + 1] = ("%s: @param %s is missing"):format(where, param)
        end
      end
      for param in pairs(each.described) do
        if param ~= "" and param ~= "..." and not taken:find((" %s "):format(param), 1, true) then
          problems[#problems + 1] = ("%s: it has no parameter %s"):format(where, param)
        end
      end
    end
  end
  return problems
end

describe("public functions of the library", function()
  it("have a doc comment with each parameter", function()
    local problems = {}
    for path, text in pairs(texts) do
      if not path:find("^templates/") and not path:find("^types/") then
        local found = problems_of(path, text)
        table.move(found, 1, #found, #problems + 1, problems)
      end
    end
    table.sort(problems)
    assert.are.same({}, problems)
  end)

  it("of a subcommand are those of its contract", function()
    for path in pairs(texts) do
      local name = path:match("^commands/([%w_]+)%.lua$")
      for function_of in pairs(name and classes["moonpulse.Subcommand"].fields or {}) do
        assert.are.equal("function", type(require("moonpulse.commands." .. name)[function_of]), path)
      end
    end
  end)

  it("are found where a comment is missing, says only the name, or forgets or invents a parameter", function()
    local source = "local M = {}\nlocal C = {}\nC.__index = C\nlocal own = {}\n%s\nreturn M\n"
    local function found(text)
      return problems_of("text/x.lua", source:format(text))
    end
    assert.are.same({ "text/x.lua:5: M.f: what does it do?" }, found "function M.f() end")
    assert.are.same({ "text/x.lua:5: C:f: what does it do?" }, found "function C:f() end")
    assert.are.same({}, found "function own.f(a) end")
    assert.are.same({ "text/x.lua:6: M.last_words: what does it do?" },
      found "--- The last words.\nfunction M.last_words() end")
    assert.are.same({ "text/x.lua:7: M.f: @param b is missing" },
      found "--- Adds.\n---@param a number\nfunction M.f(a, b) end")
    assert.are.same({ "text/x.lua:7: M.f: it has no parameter b" },
      found "--- Adds.\n---@param b number\nfunction M.f() end")
    assert.are.same({ "text/x.lua:5: M.f: what does it do?" }, found "M.f = function() end")
    assert.are.same({ "text/x.lua:5: mp.f: what does it do?", "text/x.lua:5: mp.f: @param a is missing" },
      found "mp.f = framed(function(a) end)")
    assert.are.same({}, found "--- Adds.\n---@param a number\nfunction M.f(a, _, ...) end")
  end)
end)

--- The functions that a header declares without a comment: neither above them, nor on their line, nor above
--- the group that they stand in.
local function undescribed(path, text)
  local problems, described, inside, number = {}, false, nil, 0
  for line in (text .. "\n"):gmatch("(.-)\n") do
    number = number + 1
    if line:find("%*/%s*$") or line:find("^%s*//") then
      described = true
    elseif line:find("^%s*$") or line:find("^#") then
      described = false
    elseif inside then
      inside = not line:find("^}") and inside or nil
    elseif line:find("^%a[^(]*{$") then
      inside, described = "struct", false
    elseif line:find("^%a[%w_ %*]*[%*%s]%l[%w_]*%(") then
      if not described and not line:find("//", 1, true) then
        problems[#problems + 1] = ("%s:%d: %s"):format(path, number, line)
      end
    elseif line == "{" then -- of an inline function
      inside, described = "function", false
    end
  end
  return problems
end

describe("public functions of the engine and the bindings", function()
  it("have a comment in their header", function()
    local problems = {}
    for _, folder in ipairs { "engine", "bindings" } do
      for path, text in pairs(rooms.read(folder, "%.h$")) do
        local found = undescribed(folder .. "/" .. path, text)
        table.move(found, 1, #found, #problems + 1, problems)
      end
    end
    table.sort(problems)
    assert.are.same({}, problems)
  end)

  it("are found where they have none", function()
    assert.are.same({ "x.h:3: void mp_x(int a);" }, undescribed("x.h", "#ifndef X\n\nvoid mp_x(int a);\n"))
    assert.are.same({}, undescribed("x.h", "/* Two of them. */\nvoid mp_x(int a);\nvoid mp_y(int a);\n"))
    assert.are.same({ "x.h:4: void mp_y(int a);" },
      undescribed("x.h", "/* One. */\nvoid mp_x(int a);\n\nvoid mp_y(int a);\n"))
    assert.are.same({ "x.h:4: static inline int *y(void)" }, undescribed("x.h",
      "struct x {\n    int a;\n};\nstatic inline int *y(void)\n{\n    return f(1);\n}\n"))
  end)
end)
