--- What a script that is run gets of Lua: the standard tables as copies, and a require of its own. It may
--- change them as it likes (package.path = "./?.lua", string.format = nil): the library, which loads what an
--- end needs late, and for which there is one string.format, sees nothing of it.
local blame = require "moonpulse.text.author_line"
local bytes_read = require "moonpulse.text.bytes_read"
local own_debug = require "moonpulse.protocol.own_debug"

local M = {}

local standard = { "string", "table", "math", "utf8", "io", "os", "debug", "coroutine" }

-- what the library is built with: a script that asks for it gets a copy, too
local shared = { cjson = true, lfs = true, term = true }

local function copied(from)
  local to = {}
  for key, value in next, from do
    to[key] = value
  end
  return to
end

--- package.path or package.cpath, as Lua wants them.
local function field(own, name)
  local value = own[name]
  if type(value) ~= "string" then
    error(("'package.%s' must be a string"):format(name), 0)
  end
  return value
end

--- The function that opens a module in C, by the names that Lua tries.
local function opener(path, name)
  local entry = name:gsub("%.", "_")
  local loader, message, what = package.loadlib(path, "luaopen_" .. entry:match "^[^-]*")
  if not loader and what == "init" and entry:find("-", 1, true) then
    loader, message, what = package.loadlib(path, "luaopen_" .. entry:match "%-(.*)")
  end
  return loader, message, what
end

local function failed(name, path, message)
  error(("error loading module '%s' from file '%s':\n\t%s"):format(name, path, message), 0)
end

--- What require goes through, one after the other, as Lua's own: -> loader, its data; or why not.
local function searchers_of(own, preload)
  local function preloaded(name)
    local loader = preload[name]
    if loader == nil then
      return ("no field package.preload['%s']"):format(name)
    end
    return loader, ":preload:"
  end
  local function in_lua(name)
    local path, message = package.searchpath(name, field(own, "path"))
    if not path then
      return message
    end
    return bytes_read.load_module(path, name), path
  end
  local function in_c(name)
    local path, message = package.searchpath(name, field(own, "cpath"))
    if not path then
      return message
    end
    local loader, why = opener(path, name)
    return loader or failed(name, path, why), path
  end
  local function in_c_of_its_root(name)
    local root = name:match "^([^.]*)%."
    if not root then
      return nil
    end
    local path, message = package.searchpath(root, field(own, "cpath"))
    if not path then
      return message
    end
    local loader, why, what = opener(path, name)
    if not loader and what == "init" then
      return ("no module '%s' in file '%s'"):format(name, path)
    end
    return loader or failed(name, path, why), path
  end
  local function kept(name)
    local path = bytes_read.kept(name)
    if path then
      return bytes_read.load_module(path, name), path
    end
  end
  return { preloaded, in_lua, in_c, in_c_of_its_root, kept }
end

--- -> loader, its data. Raises at the line that called require.
local function find(own, name)
  local searchers, tried = own.searchers, {}
  if type(searchers) ~= "table" then
    error("'package.searchers' must be a table", 3)
  end
  for _, search in ipairs(searchers) do
    local loader, data = search(name)
    if type(loader) == "function" then
      return loader, data
    elseif type(loader) == "string" then
      tried[#tried + 1] = "\n\t" .. loader:gsub("^\n\t", "")
    end
  end
  error(("module '%s' not found:%s"):format(name, table.concat(tried)), 3)
end

--- A module of the library for a script: a copy, which it may empty. moonpulse itself, which it makes plans
--- with, is its own already.
local function lent(name, module)
  local is_ours = type(name) == "string" and name:find "^moonpulse%."
  return is_ours and type(module) == "table" and getmetatable(module) == nil and copied(module) or module
end

--- What the library itself has by that name: a copy of its own module; nil of another's.
local function of_library(name)
  local path = package.searchpath(name, package.path)
  if package.preload[name] and name:find "^moonpulse" or path and blame.is_ours("@" .. path) then
    return lent(name, require(name))
  end
  local value = package.loaded[name]
  if not shared[name:match "^[^.]*"] or type(value) ~= "table" or getmetatable(value) ~= nil then
    return nil
  end
  local is_json = name == "cjson" or name == "cjson.safe"
  return is_json and value.new() or copied(value) -- its settings are its own, too
end

--- The table package and the function require that belongs to it.
---@param tables table<string, table> the other standard tables
---@param globals table
local function loading(tables, globals)
  local own = copied(package)
  -- what is loaded by now: of a driver's modules a script has the same ones
  local loaded, preload = copied(package.loaded), copied(package.preload)
  for name in next, package.loaded do
    if type(name) == "string" and shared[name:match "^[^.]*"] then
      loaded[name] = of_library(name)
    else
      loaded[name] = lent(name, loaded[name])
    end
  end
  for name, value in pairs(tables) do
    loaded[name] = value
  end
  loaded._G, loaded.package = globals, own
  own.loaded, own.preload, own.searchers = loaded, preload, searchers_of(own, preload)
  local function own_require(name)
    name = type(name) == "number" and tostring(name) or name
    if type(name) ~= "string" then
      error(("bad argument #1 to 'require' (string expected, got %s)"):format(name == nil and "no value"
        or type(name)), 2)
    elseif loaded[name] then
      return loaded[name]
    end
    local of_ours = of_library(name)
    if of_ours ~= nil then
      loaded[name] = of_ours
      return of_ours
    end
    local loader, data = find(own, name)
    local value = loader(name, data)
    if value ~= nil then
      loaded[name] = value
    elseif loaded[name] == nil then
      loaded[name] = true
    end
    return loaded[name], data
  end
  return own, own_require
end

local seen_as = setmetatable({}, { __mode = "k" }) -- metatables of values that are no tables: their copies

--- As getmetatable: what all texts (or files) share is the library's, too, so a copy of it is given.
local function seen(metatable, of)
  if type(of) == "table" or type(metatable) ~= "table" then
    return metatable
  end
  local copy = seen_as[metatable]
  if not copy then
    copy = copied(metatable)
    copy.__index = type(copy.__index) == "table" and copied(copy.__index) or copy.__index
    seen_as[metatable] = copy
  end
  return copy
end

local methods -- of all texts: ("x"):upper()

--- Texts keep Lua's own methods, whatever becomes of a script's table string; what it adds to that is found,
--- too: function string.trim(text) ... end, then text:trim().
local function share_methods(strings)
  local metatable = debug.getmetatable ""
  methods = methods or copied(metatable.__index)
  -- debug's: an earlier script of this program has left a protected one
  metatable.__index = debug.setmetatable(methods, { __index = strings, __metatable = false })
  seen_as[metatable] = { __index = strings }
end

local function guard_debug(own)
  function own.getmetatable(of)
    return seen(debug.getmetatable(of), of)
  end
  function own.setmetatable(of, metatable)
    if type(of) ~= "table" then
      blame.fail("debug.setmetatable: Moonpulse itself has the metatable of every %s: only a table's is set",
        type(of))
    end
    if metatable ~= nil and type(metatable) ~= "table" then
      blame.fail("debug.setmetatable: a metatable is a table or nil, not %s", type(metatable))
    end
    return debug.setmetatable(of, metatable)
  end
  own_debug.guard(own)
end

local harmless = { time = true, monetary = true }

--- As os.setlocale, which says nil of what it cannot do: numbers, letters and their order are what the record
--- is written with.
local function set_locale(locale, category)
  if locale == nil or locale == "C" or locale == "POSIX" or harmless[category] then
    return os.setlocale(locale, category)
  end
  return nil
end

--- The standard tables and functions of one script, and of what it loads.
---@param globals table of what it loads
---@return table<string, any> by the names of globals
function M.new(globals)
  local own = {}
  for _, name in ipairs(standard) do
    own[name] = copied(_G[name])
  end
  share_methods(own.string)
  guard_debug(own.debug)
  own.os.setlocale = set_locale
  own.package, own.require = loading(own, globals)
  function own.getmetatable(...)
    return seen(getmetatable(...), (...))
  end
  for name, value in pairs(own) do
    globals[name] = value
  end
  globals._G = globals
  return own
end

return M
