--- Reads the annotations of Lua sources (LuaLS, ---@class and its like): which classes and functions there
--- are, what their fields and parameters are, and whether a value is of a type.
local M = {}

---@class annotations.Field
---@field type string
---@field optional boolean it may be nil

---@class annotations.Class
---@field name string
---@field parent string?
---@field userdata string? the name of its metatable
---@field fields table<string, annotations.Field>
---@field open boolean other fields may be there: ---@field [string] any

---@class annotations.Function
---@field name string as it is written: "core.wait", "Plan:view", "M.of"
---@field line integer
---@field params string[]
---@field doc string[] the comment before it, without dashes
---@field described table<string, boolean> parameters that the comment has

--- The type that text begins with: it ends at the first space outside of brackets that joins nothing.
---@param text string
---@return string
function M.type_of(text)
  local depth, at = 0, 1
  while at <= #text do
    local each = text:sub(at, at)
    if each:find("[%(%[{<]") then
      depth = depth + 1
    elseif each:find("[%)%]}>]") then
      depth = depth - 1
    elseif each == '"' then
      at = text:find('"', at + 1, true) or #text
    elseif each:find("%s") and depth == 0 and not text:sub(1, at - 1):find("[:,|]%s*$") then
      return text:sub(1, at - 1)
    end
    at = at + 1
  end
  return text
end

--- The parts of a type that stand side by side: "a|b?" is a, b and nil.
---@param text string
---@return string[]
function M.choices(text)
  local list, depth, from = {}, 0, 1
  local function take(part)
    local bare = part:match("^%s*(.-)%s*$")
    local inner = bare:match("^%((.*)%)%??$")
    if inner then
      for _, each in ipairs(M.choices(inner)) do
        list[#list + 1] = each
      end
    elseif bare:sub(1, 4) == "fun(" then
      list[#list + 1] = bare
      return
    else
      list[#list + 1] = (bare:gsub("%?$", ""))
    end
    if bare:sub(-1) == "?" then
      list[#list + 1] = "nil"
    end
  end
  for at = 1, #text do
    local each = text:sub(at, at)
    depth = depth + (each:find("[%(%[{<]") and 1 or each:find("[%)%]}>]") and -1 or 0)
    if each == "|" and depth == 0 then
      take(text:sub(from, at - 1))
      from = at + 1
    end
  end
  take(text:sub(from))
  return list
end

local function add_field(class, text)
  local name, rest = text:match("^%[?\"?([^%s%]\"]+)\"?%]?%s+(.*)$")
  if name == "string" and text:find("^%[string%]") then
    class.open = true
    return
  end
  local kind, optional = M.type_of(rest), name:sub(-1) == "?"
  for _, each in ipairs(M.choices(kind)) do
    optional = optional or each == "nil" or each == "any"
  end
  class.fields[(name:gsub("%?$", ""))] = { type = kind, optional = optional }
end

--- Lines that begin with four dashes and more spaces belong to the one before.
local function joined(text)
  return (text:gsub("|\n%-%-%-   ", "| "):gsub("\n%-%-%-   ", " "))
end

--- The classes of a source, added to those that are known.
---@param text string
---@param classes table<string, annotations.Class>? {}
---@return table<string, annotations.Class>
function M.classes(text, classes)
  classes = classes or {}
  local class
  for line in (joined(text) .. "\n"):gmatch("(.-)\n") do
    local name, rest = line:match("^%s*%-%-%-@class ([%w_.]+)(.*)$")
    if not name then -- another name for types is a class without fields here
      name, rest = line:match("^%s*%-%-%-@alias ([%w_.]+)"), ""
    end
    if name then
      class = classes[name] or { name = name, fields = {}, open = false }
      classes[name] = class
      class.parent = class.parent or rest:match("^%s*:%s*([%w_.]+)")
      class.userdata = class.userdata or rest:match("userdata ([%w_.]+)")
    elseif class and line:find("^%s*%-%-%-@field ") then
      add_field(class, line:match("@field (.*)$"))
    elseif not line:find("^%s*%-%-%-") then
      class = nil
    end
  end
  return classes
end

local function names_in(text)
  local list = {}
  for name in text:gmatch("[%w_.]+") do
    list[#list + 1] = name
  end
  return list
end

--- The functions of a source that have a name with a dot or a colon, and what is said of them.
---@param text string
---@return annotations.Function[]
function M.functions(text)
  local list, doc, number = {}, {}, 0
  for line in (text .. "\n"):gmatch("(.-)\n") do
    number = number + 1
    local name, params = line:match("^function ([%w_]+[.:][%w_]+)%((.-)%)")
    if not name then
      name, params = line:match("^([%w_]+%.[%w_]+) = [%w_.]*%(?function%((.-)%)")
    end
    if name then
      local described = {}
      for _, each in ipairs(doc) do
        described[each:match("^@param ([%w_.]+)") or ""] = true
      end
      list[#list + 1] = { name = name, line = number, params = names_in(params), doc = doc,
        described = described }
    end
    local comment = line:match("^%-%-%-(.*)$")
    if comment then
      doc[#doc + 1] = comment:match("^%s*(.-)%s*$")
    else
      doc = {} -- a new one: the last is its function's
    end
  end
  return list
end

-- Values ----------------------------------------------------------------------------------------------------

local basic = {
  string = function(value) return type(value) == "string" end,
  number = function(value) return type(value) == "number" end,
  integer = function(value) return math.type(value) == "integer" end,
  boolean = function(value) return type(value) == "boolean" end,
  table = function(value) return type(value) == "table" end,
  ["function"] = function(value) return type(value) == "function" end,
  userdata = function(value) return type(value) == "userdata" end,
  ["nil"] = function(value) return value == nil end,
  ["true"] = function(value) return value == true end,
  ["false"] = function(value) return value == false end,
  ["file*"] = function(value) return io.type(value) ~= nil or type(value) == "table" end, -- or like one
  any = function() return true end,
}

local check

--- Is a value one of a single type? What is wrong inside of it is added to problems.
local function is(value, kind, where, known)
  if basic[kind] then
    return basic[kind](value)
  elseif kind:find('^".*"$') then
    return value == kind:sub(2, -2)
  elseif kind:find("^fun%(") then
    return type(value) == "function" or type(value) == "table" and getmetatable(value) ~= nil
  end
  local element = kind:match("^(.*)%[%]$")
  if element and type(value) == "table" then
    for i, each in ipairs(value) do
      check(each, element:match("^%((.*)%)$") or element, ("%s[%d]"):format(where, i), known)
    end
    return true
  elseif kind:find("^table<") or kind:find("^{") then
    return type(value) == "table"
  end
  local class = known.classes[kind]
  if not class then
    known.problems[#known.problems + 1] = ("%s: there is no type %s"):format(where, kind)
    return true
  elseif class.userdata then
    return type(value) == "userdata" and debug.getmetatable(value).__name == class.userdata
  elseif type(value) ~= "table" then
    return false
  elseif next(class.fields) == nil and not class.parent then -- its fields are its own business
    return true
  end
  M.fields(value, kind, where, known)
  return true
end

--- Of several classes it is the one that it fits best.
check = function(value, kind, where, known)
  local best
  for _, each in ipairs(M.choices(kind)) do
    local found = { classes = known.classes, problems = {},
      seen = setmetatable({}, { __index = known.seen }) }
    if is(value, each, where, found) and not (best and #best.problems <= #found.problems) then
      best = found
    end
  end
  if best then
    table.move(best.problems, 1, #best.problems, #known.problems + 1, known.problems)
    for key in pairs(best.seen) do
      known.seen[key] = true
    end
    return
  end
  known.problems[#known.problems + 1] = ("%s is %s (%s), not %s"):format(where, type(value),
    tostring(value):sub(1, 40), kind)
end

local function declared(classes, name)
  local fields, open, class = {}, false, classes[name]
  while class do
    for field, each in pairs(class.fields) do
      fields[field] = fields[field] or each
    end
    open = open or class.open
    class = classes[class.parent]
  end
  return fields, open
end

--- Compare a table with its class: fields that are not declared, are missing, or are of another type.
---@param value table
---@param name string of the class
---@param where string what to call it in a problem
---@param known { classes: table<string, annotations.Class>, problems: string[], seen: table }
function M.fields(value, name, where, known)
  local key = name .. tostring(value)
  if known.seen[key] then
    return
  end
  known.seen[key] = true
  local fields, open = declared(known.classes, name)
  for field, each in pairs(fields) do
    local given = value[field] -- also what a metatable has
    if given ~= nil then
      check(given, each.type, where .. "." .. field, known)
    elseif not each.optional then
      known.problems[#known.problems + 1] = ("%s.%s is missing: %s"):format(where, field, name)
    end
  end
  for field in pairs(value) do
    if type(field) == "string" and not fields[field] and not open then
      known.problems[#known.problems + 1] = ("%s.%s is not declared: %s"):format(where, field, name)
    end
  end
end

return M
