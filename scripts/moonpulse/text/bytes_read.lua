--- The bytes of the files that a user named, exactly as they were read and run: a run keeps them.
local blame = require "moonpulse.text.author_line"

local M = {}

local texts, modules = {}, {} -- by path; modules in the order in which they were loaded

--- These bytes were read.
---@param path string
---@param bytes string
function M.note(path, bytes)
  texts[path] = bytes
end

--- What was read last of a path.
---@param path string
---@return string? bytes nil: it was not read
function M.of(path)
  return texts[path]
end

--- The modules that scripts and drivers loaded, and what they loaded otherwise (dofile, loadfile); those of
--- the library itself are told by its version.
---@return { path: string, bytes: string }[]
function M.modules()
  return modules
end

local function note_module(path, bytes)
  for _, each in ipairs(modules) do
    if each.path == path and each.bytes == bytes then
      return
    end
  end
  modules[#modules + 1] = { path = path, bytes = bytes }
end

--- The whole file.
local function read(path)
  local file, message = io.open(path, "rb")
  if not file then
    return nil, "cannot open " .. message
  end
  local text, why = file:read("a")
  file:close()
  return text, not text and ("cannot read %s: %s"):format(path, why) or nil
end

--- As loadfile, and the bytes are kept.
---@param path string
---@param mode "t"|"b"|"bt"|nil
---@param kind "module"|nil what it is a part of; nil: only note
---@param ... table? globals
---@return function? chunk
---@return string? message
function M.load_file(path, mode, kind, ...)
  local text, message = read(path)
  if not text then
    return nil, message
  end
  M.note(path, text)
  if kind == "module" then
    note_module(path, text)
  end
  local code = text:gsub("^\xEF\xBB\xBF", "")
  if code:sub(1, 1) == "#" then -- a first line for the shell
    code = code:gsub("^[^\n]*", "")
  end
  return load(code, "@" .. path, mode, ...)
end

local listening, globals, installed = false, nil, {}

--- The folders of installed modules: what lies there may ask for what other Luas have.
local function installed_folders()
  local list = {}
  for template in package.path:gmatch("[^;]+") do
    list[#list + 1] = template:match("^(/.*/)%?")
  end
  return list
end

local function is_in(path, folders)
  for _, folder in ipairs(folders) do
    if path:sub(1, #folder) == folder then
      return true
    end
  end
  return false
end

--- Load a module as require does once it is listened to.
---@param path string
---@return function chunk
function M.load_module(path)
  local chunk, message
  if globals and not is_in(path, installed) then
    chunk, message = M.load_file(path, nil, "module", globals)
  else
    chunk, message = M.load_file(path, nil, "module")
  end
  return chunk or error(message, 0)
end

--- From now on require notes what scripts and drivers load. Modules of the library stay as they are.
---@param own table? globals for modules of a script's own, but not for those that are installed
function M.listen(own)
  globals = own or globals
  if listening then
    return
  end
  listening = true
  installed = installed_folders()
  table.insert(package.searchers, 2, function(name)
    local caller = debug.getinfo(3, "S") -- 1 is this function, 2 is require
    local ours = caller and blame.is_ours(caller.source)
    local path = not ours and package.searchpath(name, package.path)
    if not path or blame.is_ours("@" .. path) then
      return nil
    end
    return M.load_module(path), path
  end)
end

return M
