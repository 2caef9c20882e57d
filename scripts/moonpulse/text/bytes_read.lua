--- The bytes of the files that a user named, exactly as they were read and run: a run keeps them.
local blame = require "moonpulse.text.author_line"
local lfs = require "lfs"

local M = {}

---@class moonpulse.Read a file that a script or a driver read
---@field role "module"|"data"|"sham"|"table"
---@field path string
---@field as string how it was asked for: a module's name, or the path as it was written
---@field bytes string? nil: it is too long to be kept

local texts, read_by_scripts = {}, {} -- by path; in the order in which they were read

-- What scripts read beyond this is named, and not kept: bytes of a file and of all, and how many files. One
-- that another program writes again and again is another file each time.
local most_data, most_together, most_files = 1 << 24, 1 << 26, 1000
local data_bytes, data_files = 0, 0

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

--- What scripts and drivers loaded (require, dofile, loadfile) and read; modules of the library itself are
--- told by its version.
---@return moonpulse.Read[]
function M.by_scripts()
  return read_by_scripts
end

local made = {} -- what scripts have written themselves, by path

local function plain(path)
  return (path:gsub("/%./", "/"):gsub("//+", "/"):gsub("^%./", ""))
end

--- A script is about to write a file anew: what it reads of it from now on is its own.
---@param path string
function M.note_made(path)
  made[plain(path)] = true
end

local function note_read(role, path, as, bytes)
  if made[plain(path)] and role ~= "table" then
    return false
  end
  for _, each in ipairs(read_by_scripts) do
    if each.role == role and each.path == path and each.as == as and each.bytes == bytes then
      return false
    end
  end
  read_by_scripts[#read_by_scripts + 1] = { role = role, path = path, as = as, bytes = bytes }
  return true
end

--- A protocol file named another one, or a table, for the times of its pulses; it was read.
---@param role "sham"|"table"
---@param path string
---@param as string how it was named; of a path of this computer its last part
function M.note_named(role, path, as)
  if texts[path] then
    note_read(role, path, as, texts[path])
  end
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

--- A script is about to read a file: what is in it now is noted.
---@param path string
---@param open function io.open as it was
function M.note_data(path, open)
  local found = lfs.attributes(path)
  if not found or found.mode ~= "file" then -- a pipe or a device has no copy
    return
  end
  local fits = found.size <= most_data and data_bytes + found.size <= most_together
    and data_files < most_files
  local file = fits and open(path, "rb")
  local bytes = file and file:read("a") or nil
  if file then
    file:close()
  end
  if note_read("data", path, path, bytes) then
    data_bytes, data_files = data_bytes + (bytes and #bytes or 0), data_files + 1
  end
end

local shut = false

--- From now on no file is loaded here. There is no way back.
function M.shut()
  shut = true
end

--- As loadfile, and the bytes are kept.
---@param path string
---@param mode "t"|"b"|"bt"|nil
---@param as string? a script's: the name that it is asked for by; nil: it is only noted
---@param ... table? globals
---@return function? chunk
---@return string? message
function M.load_file(path, mode, as, ...)
  if shut then
    return nil, ("%s: no file of a record is loaded"):format(path)
  end
  local text, message = read(path)
  if not text then
    return nil, message
  end
  M.note(path, text)
  if as then
    note_read("module", path, as, text)
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
---@param name string that it is asked for by
---@return function chunk
function M.load_module(path, name)
  local chunk, message
  if globals and not is_in(path, installed) then
    chunk, message = M.load_file(path, nil, name, globals)
  else
    chunk, message = M.load_file(path, nil, name)
  end
  return chunk or error(message, 0)
end

local kept_paths = {}

--- Where a record keeps a module that a script asks for by this name.
---@param name string
---@return string? path nil: none is kept
function M.kept(name)
  return kept_paths[name]
end

--- From now on require finds these, too, where there is nothing else by their names.
---@param paths table<string, string> by the module's name
function M.find_kept(paths)
  kept_paths = paths
  table.insert(package.searchers, function(name)
    local path = M.kept(name)
    return path and M.load_module(path, name), path
  end)
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
    return M.load_module(path, name), path
  end)
end

return M
