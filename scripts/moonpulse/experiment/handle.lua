--- What a script holds of ours: methods and facts, and no way to what is behind them. A file of somebody else
--- that is only looked at must reach nothing but these.
local blame = require "moonpulse.text.author_line"
local surplus = require "moonpulse.text.surplus"

local M = {}

local behind = setmetatable({}, { __mode = "k" })
local named = {} -- by who: the names of the methods

---@class moonpulse.HandleKind
---@field who string what scripts call the object: "run", "stim"
---@field metatable table

--- A kind of what a script holds.
---@param who string
---@param class table<string, function> its methods are called with the object
---@param public string[] the methods that a script has
---@param facts string[]? fields of the object that it may read
---@param call (fun(object: table): any)? what calling the handle itself does; nil: it cannot be called
---@return moonpulse.HandleKind
function M.kind(who, class, public, facts, call)
  local methods, readable, names = {}, {}, {}
  for _, name in ipairs(public) do
    local method = class[name]
    local most, called = surplus.count(method) - 1, who .. ":" .. name
    methods[name] = function(self, ...)
      local object = behind[self]
      if not object or getmetatable(self) ~= who then
        blame.fail("%s.%s: write %s:%s(...), with a colon", who, name, who, name)
      end
      surplus.check(called, most, nil, ...)
      return method(object, ...)
    end
    names[#names + 1] = name
  end
  named[who] = public
  for _, name in ipairs(facts or {}) do
    readable[name] = true
    names[#names + 1] = name
  end
  table.sort(names)
  local metatable = { __metatable = who, __name = "moonpulse." .. who, __index = function(self, name)
    if not methods[name] and not readable[name] then
      blame.fail("%s has no %q; it has: %s", who, tostring(name), table.concat(names, ", "))
    end
    return methods[name] or behind[self][name]
  end, __newindex = function(_, name)
    blame.fail("%s.%s cannot be set: it is not the script's", who, tostring(name))
  end }
  metatable.__call = call and function(self) return call(behind[self]) end
  return { who = who, metatable = metatable }
end

--- What a script holds of object.
---@param kind moonpulse.HandleKind
---@param object table
---@return table
function M.new(kind, object)
  local handle = setmetatable({}, kind.metatable)
  behind[handle] = object
  return handle
end

--- The object behind a handle; nil where it is none.
---@param handle any
---@return table?
function M.object(handle)
  return behind[handle]
end

--- The names of the methods that a handle has.
---@param handle any
---@return string[]
function M.methods(handle)
  return named[getmetatable(handle)]
end

--- Data of ours as a script may have it: a copy, so that what it changes is its own.
---@param value any
---@return any
function M.copy(value)
  if type(value) ~= "table" then
    return value
  end
  local copied = {}
  for key, inner in next, value do
    copied[key] = M.copy(inner)
  end
  return copied
end

return M
