--- Names that nobody defined. Lua reads nil for them, and nil is an option that was not given: a misspelt
--- word would change a protocol in silence. In authors' files reading one raises at its line.
local blame = require "moonpulse.text.author_line"
local bytes_read = require "moonpulse.text.bytes_read"

local M = {}

local modules = { "math", "table", "string", "utf8", "os", "io" }

-- tables that have nothing of their own, and what reading them gives
local reads = setmetatable({}, { __mode = "k" })

--- Reading of gives what values has: so a name that is one of them can be told.
---@param of table
---@param values table
---@return table of
function M.reading(of, values)
  reads[of] = values
  return of
end

--- Locals and upvalues of the author's function that is running: { name =, value = }.
local function of_running()
  local names, level = {}, 2
  while true do
    local info = debug.getinfo(level, "Slf")
    if not info then
      return names
    elseif info.currentline > 0 and not blame.is_ours(info.source) then
      for _, get in ipairs { { debug.getlocal, level }, { debug.getupvalue, info.func } } do
        for i = 1, 255 do
          local name, value = get[1](get[2], i)
          names[#names + 1] = name and { name = name, value = value }
        end
      end
      return names
    end
    level = level + 1
  end
end

--- What a file's text declares: a local of its first lines that no function uses is seen nowhere else.
local function declared_in(text)
  local names = {}
  local function add(list)
    for name in list:gsub("<[^>]*>", ""):gmatch("[%a_][%w_]*") do
      names[#names + 1] = name
    end
  end
  local code = text:gsub("%-%-[^\n]*", "")
  for _, pattern in ipairs { "%f[%w_]local%s+([^=\n;]*)", "%f[%w_]function[^(\n]*%(([^)]*)%)",
    "%f[%w_]for%s+([^=\n]-)%s*%f[=i][=i]" } do
    for list in code:gmatch(pattern) do
      add(list)
    end
  end
  return names
end

local function strings_of(of)
  local names = {}
  for key in next, of do
    names[#names + 1] = type(key) == "string" and key or nil
  end
  table.sort(names)
  return names
end

--- A parameter or a field of that name, of a table that is at hand: "p.gap".
local function of_tables(written)
  for _, each in ipairs(of_running()) do
    if type(each.value) == "table" then
      if rawget(reads[each.value] or each.value, written) ~= nil and each.name:find("^[%a_]") then
        return each.name .. "." .. written
      end
    end
  end
end

--- The same letters in another order: a slip of the fingers, however short the name.
local function letters(name)
  local list = { name:lower():byte(1, -1) }
  table.sort(list)
  return string.char(table.unpack(list))
end

--- The names of list that are the most like the written one, each once and without words of Lua's.
local function nearest(written, list)
  local seen, names = { [written] = true, ["function"] = true, ["nil"] = true, _ENV = true, ["_"] = true }, {}
  for _, name in ipairs(list) do
    if not seen[name] and name:find("^[%a_]") then
      seen[name], names[#names + 1] = true, name
    end
  end
  for _, name in ipairs(#written <= 100 and names or {}) do
    if #name == #written and letters(name) == letters(written) then
      return name
    end
  end
  for most = 0, #written < 2 and 0 or #written < 4 and 1 or 2 do
    local near = require("moonpulse.text.meant").near(written, names, most)
    if near[1] then
      return table.concat(near, ", ", 1, math.min(#near, 3))
    end
  end
end

local function like(written, environment, text)
  local running = of_running()
  for i, each in ipairs(running) do
    running[i] = each.name
  end
  local found = nearest(written, running) or of_tables(written) or nearest(written, declared_in(text or ""))
  for _, name in ipairs(modules) do
    local module = not found and rawget(environment, name)
    found = found or type(module) == "table" and rawget(module, written) ~= nil and name .. "." .. written
      or nil
  end
  return found or nearest(written, strings_of(environment))
end

--- Make a table of globals one whose unknown names raise. What is assigned is known from then on, nil too.
---@param environment table
---@param text string? of the file, for the name that may be meant
---@param otherwise (fun(name: any): any)? is asked first: what the name is; may raise
---@param remedy string? a format with the name, for one that is not misspelt
---@return table environment
function M.guard(environment, text, otherwise, remedy)
  remedy = remedy or "or should it be local before: local %s = ...?"
  local assigned = {}
  return setmetatable(environment, { __metatable = false,
    __index = function(_, name)
      local value = otherwise and otherwise(name)
      if value ~= nil or assigned[name] or type(name) ~= "string" then
        return value
      end
      local near = like(name, environment, text)
      blame.fail("%s is not known: is it misspelt%s, %s", name, near and (" (%s?)"):format(near) or "",
        remedy:format(name))
    end,
    __newindex = function(_, name, value)
      if name ~= nil then
        assigned[name] = true
      end
      rawset(environment, name, value)
    end })
end

--- A table of Lua's own functions: what is not in it raises, like a global.
---@param module table changed
---@param name string
---@return table module
function M.guard_module(module, name)
  return setmetatable(module, { __metatable = false, __index = function(_, key)
    local near = type(key) == "string" and nearest(key, strings_of(module))
    blame.fail("there is no %s.%s%s", name, tostring(key), near and (": did you mean %s.%s?"):format(name,
      near:match("^[^,]*")) or "")
  end })
end

--- Globals for a file that is run with its author's rights: Lua's own, and what it assigns, but no name that
--- nobody defined. Files that it loads in turn have the same.
---@return table
function M.outside()
  local own = {}
  M.guard(own, nil, function(name) return rawget(_G, name) end)
  M.load_with(own, own)
  return own
end

--- dofile, loadfile and load of an environment: what they load has the globals of another one, not the bare
--- ones of Lua.
---@param environment table changed
---@param globals table
function M.load_with(environment, globals)
  function environment.loadfile(path, mode, ...)
    if path == nil then -- standard input
      return loadfile(path, mode, select("#", ...) > 0 and ... or globals)
    elseif select("#", ...) > 0 then
      return bytes_read.load_file(path, mode, path, ...)
    end
    return bytes_read.load_file(path, mode, path, globals)
  end
  function environment.load(chunk, name, mode, ...)
    if select("#", ...) > 0 then
      return load(chunk, name, mode, ...)
    end
    return load(chunk, name or type(chunk) == "string" and chunk or nil, mode, globals)
  end
  function environment.dofile(path)
    local chunk, message = environment.loadfile(path)
    if not chunk then
      error(message, 2)
    end
    return chunk()
  end
end

return M
