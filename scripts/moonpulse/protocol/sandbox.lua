--- Protocol files are safe to share: they see the library and plain Lua, nothing of the machine, and are
--- stopped where they take too long or too much.
local blame = require "moonpulse.text.author_line"
local bytes_read = require "moonpulse.text.bytes_read"
local core = require "moonpulse.core"
local known_names = require "moonpulse.text.known_names"
local text_files = require "moonpulse.text.text_file"

local M = {}

local here = debug.getinfo(1, "S").source:match("^(@.*)protocol/sandbox%.lua$") or ""

-- Some 0.3 s of plain Lua; the longest shipped protocol takes under 10^5 instructions. The seconds are for
-- what runs in C, where no instruction is counted: so many that a slow computer takes what a fast one takes.
local limits = { instructions = 30000000, seconds = 2, megabytes = 64, library = here }

local MOST = 1000000 -- repetitions of what runs in C, where no instruction is counted

local closed = {
  io = "files", os = "the system", debug = "the debugger", package = "modules", load = "code from text",
  loadfile = "files", dofile = "files", collectgarbage = "the memory", coroutine = "coroutines",
  rawset = "tables behind their backs",
}

--- Raised at the author's line.
local function refuse(text, ...)
  error(text:format(...), 3)
end

local function copy(from, without)
  local to = {}
  for key, value in pairs(from) do
    to[key] = value
  end
  for _, key in ipairs(without or {}) do
    to[key] = nil
  end
  return to
end

local has_address = { table = true, ["function"] = true, userdata = true }

--- As tostring, without the address, which is another in each run.
local function plain_text(value)
  local text = tostring(value)
  return has_address[type(value)] and text:gsub(": 0x%x+$", "") or text
end

--- Has a format a %p?
local function has_pointer(text)
  return type(text) == "string" and text:gsub("%%%%", ""):find("%%%-?%d*p") ~= nil
end

local function safe_string()
  local own = copy(string, { "dump" })
  function own.format(text, ...)
    if has_pointer(text) then
      refuse("string.format: %%p is an address, which is another in each run")
    end
    local values = table.pack(...)
    for i = 1, values.n do
      values[i] = has_address[type(values[i])] and plain_text(values[i]) or values[i]
    end
    if text == nil and values.n == 0 then
      return blame.own(string.format)
    end
    return blame.own(string.format, text, table.unpack(values, 1, values.n))
  end
  function own.rep(text, count, separator)
    if type(count) == "number" and count > MOST then
      refuse("string.rep: %.0f repetitions, at most %d in a protocol file", count, MOST)
    end
    return blame.own(string.rep, text, count, separator)
  end
  return own
end

local function safe_table()
  local own = copy(table)
  function own.move(from, first, last, to, into)
    if math.type(first) and math.type(last) and last - first > MOST then
      refuse("table.move: %.0f places, at most %d in a protocol file", last - first, MOST)
    end
    return blame.own(table.move, from, first, last, to, into)
  end
  return own
end

local function safe_math()
  local own = copy(math, { "randomseed" })
  function own.random()
    refuse("math.random would give another plan each time: use mp.rest { min =, max = } or mp.shuffle, "
      .. "which draw from the run's seed")
  end
  return own
end

local function safe_setmetatable(of, metatable)
  if type(metatable) == "table" and rawget(metatable, "__gc") then
    refuse("setmetatable: __gc is not for protocol files")
  end
  return blame.own(setmetatable, of, metatable)
end

local function safe_getmetatable(of)
  return type(of) == "table" and getmetatable(of) or nil
end

--- The keys of a table in one order on every machine and in every run: Lua's own order changes from
--- run to run, and a plan that is made in it would too. Raises at the author's line.
local function sorted_keys(of)
  local kinds, others = { number = {}, string = {} }, {}
  for key in next, of do
    local list = kinds[type(key)] or others
    list[#list + 1] = key
  end
  table.sort(kinds.number)
  table.sort(kinds.string)
  if #others == 2 and type(others[1]) == "boolean" and type(others[2]) == "boolean" then
    others = { false, true }
  elseif #others > 1 then
    error("the keys of this table are tables or functions, which come in another order in each run: use "
      .. "names or numbers", 3)
  end
  local keys = kinds.number
  table.move(kinds.string, 1, #kinds.string, #keys + 1, keys)
  return table.move(others, 1, #others, #keys + 1, keys)
end

--- pairs, in that order.
---@param of table
function M.pairs(of)
  local keys, at = sorted_keys(of), 0
  return function()
    local key, value
    repeat
      at = at + 1
      key = keys[at]
      value = rawget(of, key)
    until value ~= nil or key == nil
    return key, value
  end, of, nil
end

local function safe_pairs(of)
  local metatable = debug.getmetatable(of)
  if type(of) ~= "table" or metatable and metatable.__pairs then
    return blame.own(pairs, of)
  end
  return M.pairs(of)
end

--- As next, in the order of pairs: a walk goes on where the call before stopped.
local function new_next()
  local walked, keys, at
  return function(of, last)
    if type(of) ~= "table" then
      return blame.own(next, of)
    elseif next(of) == nil then
      return nil
    elseif last == nil then
      walked, keys, at = of, sorted_keys(of), 0
    elseif walked ~= of or keys[at] ~= last then
      walked, keys, at = of, sorted_keys(of), 1
      while keys[at] ~= nil and keys[at] ~= last do
        at = at + 1
      end
    end
    repeat
      at = at + 1
    until keys[at] == nil or rawget(of, keys[at]) ~= nil
    return keys[at], rawget(of, keys[at])
  end
end

--- A module as it is, but nobody can change it.
local function read_only(module, name)
  return setmetatable(known_names.reading({}, module), { __index = module, __metatable = false,
    __newindex = function(_, key)
      refuse("%s.%s cannot be changed", name, tostring(key))
    end,
    __pairs = function() return M.pairs(copy(module)) end }) -- the module itself would be given away
end

local library -- what require "moonpulse" gives

--- The library hands itself to the files that are loaded from now on.
---@param mp table
function M.hand_out(mp)
  library = mp
end

local looked_at = setmetatable({}, { __mode = "k" }) -- environments of experiments that are: their file
local outside = {} -- what those asked for, and did not get
local tell_outside = function() end

--- Why something is not there, and what to do.
---@param what string what it is, and what a protocol file sees
local function closed_to(environment, what)
  local file = looked_at[environment]
  if file then
    outside[#outside + 1] = ("%s (%s)"):format(what:match("^[^:]*"), blame.origin())
    tell_outside()
    return ("%s, and an experiment that is only looked at no more: only `moonpulse run` lets it do that; "
      .. "`moonpulse run %s --speed max` tries it, with your rights"):format(what, file)
  end
  return what .. ": they describe a plan; an experiment script (mp.experiment), which moonpulse run alone "
    .. "takes, may do more"
end

local function require_in(environment)
  return function(name)
    if name == "moonpulse" then
      return read_only(assert(library, "moonpulse itself is loaded before protocol files are"), "mp")
    end
    refuse("%s", closed_to(environment, ("require %q: protocol files see no module but "
      .. "\"moonpulse\""):format(tostring(name))))
  end
end

--- The handler runs once the error is over: before, no instruction is counted in it.
local function safe_xpcall(f, handler, ...)
  if type(handler) ~= "function" then
    refuse("xpcall: its second value is what handles the error, a function, not %s", type(handler))
  end
  local results = table.pack(pcall(f, ...))
  if results[1] then
    return table.unpack(results, 1, results.n)
  end
  return false, handler(results[2])
end

--- Text of a protocol file, without what a terminal would obey.
---@param text string
function M.printable(text)
  return (text:gsub("[\0-\8\11-\31\127]", function(c) return ("\\x%02x"):format(c:byte()) end))
end

--- The globals of one protocol file; what it sets stays its own. A name that nobody defined raises.
---@param text string? of the file
---@return table
function M.environment(text)
  local own = { string = safe_string(), table = safe_table(), math = safe_math(), utf8 = copy(utf8),
    setmetatable = safe_setmetatable, getmetatable = safe_getmetatable,
    xpcall = safe_xpcall, pairs = safe_pairs, next = new_next() }
  function own.tostring(...)
    if select("#", ...) == 0 then
      return blame.own(tostring)
    end
    return (plain_text((...)))
  end
  for _, name in ipairs { "assert", "error", "ipairs", "pcall", "rawequal", "rawget",
    "rawlen", "select", "tonumber", "type", "_VERSION" } do
    own[name] = _G[name]
  end
  for _, name in ipairs { "string", "table", "math", "utf8" } do
    known_names.guard_module(own[name], name)
  end
  own._G, own.require = own, require_in(own)
  function own.print(...) -- standard output may be data
    local parts = table.pack(...)
    for i = 1, parts.n do
      parts[i] = tostring(parts[i])
    end
    io.stderr:write(M.printable(table.concat(parts, "\t")), "\n")
  end
  return known_names.guard(own, text, function(name)
    if name == "mp" or name == "moonpulse" then
      blame.fail('%s is not known: the file begins with: local mp = require "moonpulse"', name)
    elseif closed[name] then
      blame.fail("%s", closed_to(own, ("%s: protocol files see nothing of %s"):format(name, closed[name])))
    end
  end)
end

--- Call f(...), which is a protocol file or its plan function, within the limits.
---@param f function
---@return boolean ok
---@return any result, or the problem with file and line
function M.call(f, ...)
  -- ("x"):rep(n) finds its functions here, not in the file's own string table
  local strings = getmetatable ""
  local usual = strings.__index
  strings.__index = safe_string()
  local ok, result = core.limited(limits, f, ...)
  if not ok and type(result) ~= "string" then -- its __tostring is the author's as well
    local _, text = core.limited(limits, tostring, result)
    result = type(text) == "string" and text or "an error that is no text"
  end
  if not ok then
    result = M.printable(result)
  end
  strings.__index = usual
  return ok, result
end

--- The one value that a file or a plan function returns. Raises where there are more: they would be lost.
---@param f function
---@return any
function M.only(f, ...)
  local results = table.pack(f(...))
  if results.n > 1 then
    local info = debug.getinfo(f, "S")
    error(("%s%s returns %d values, and only the first would be taken: did you mean .. instead of a comma? "
      .. "(Where a function gives several, put its call in parentheses.)"):format(info.short_src,
      info.linedefined > 0 and (":%d: the function"):format(info.linedefined) or ": the file", results.n), 0)
  end
  return results[1]
end

local MOST_BYTES = 1 << 22 -- of a protocol file; the longest shipped one has some 10,000

--- The text of a file, as loadfile reads it.
local function text_of(path)
  local text, message = text_files.read(path, { bytes = MOST_BYTES, name = "protocol file" })
  if not text then
    return nil, message
  end
  text = text:gsub("^\xEF\xBB\xBF", "")
  return text:sub(1, 1) == "#" and "--" .. text or text -- a first line for the shell
end

--- Load a protocol file: text only, in an environment of its own.
---@param path string
---@param shown string? what messages call it, instead of path
---@return function? chunk
---@return string|table problem a message, or the environment
function M.load(path, shown)
  local text, message = text_of(path)
  local environment = M.environment(text)
  local chunk
  if text then
    chunk, message = load(text, "@" .. (shown or path), "t", environment)
    message = message and require("moonpulse.text.syntax").explained(message, text)
  end
  return chunk, chunk and environment or M.printable(message)
end

--- What a script that is run may do with texts, and one that is only looked at may not.
local function texts_looked_at(environment)
  local own, format = environment.string, environment.string.format
  function own.dump()
    blame.fail("%s", closed_to(environment, "string.dump: protocol files see no compiled code"))
  end
  function own.format(text, ...)
    if has_pointer(text) then
      blame.fail("%s", closed_to(environment, "string.format: protocol files see no addresses (%p)"))
    end
    return format(text, ...)
  end
end

local function random_of_run()
  refuse("math.random would give other numbers each time: use run:uniform, run:integer or run:shuffle, "
    .. "which draw from the run's seed")
end

--- An experiment is about to be run: its script may do what its author may, with tables of Lua's that are its
--- own. Only chance stays ours.
---@param environment table of load
function M.open(environment)
  local globals = known_names.outside() -- for what it loads
  local own = require("moonpulse.protocol.own_lua").new(globals) -- here, for a plan has none
  for name in pairs(closed) do
    environment[name] = own[name] or _G[name]
  end
  environment.require, environment.print, environment.string = own.require, print, own.string
  known_names.load_with(environment, globals)
  bytes_read.listen(globals)
  environment.math.random = random_of_run
end

--- A file of code that a record kept, shut in like the script itself.
local function load_kept(environment, path, file, kept)
  local chunk, own = M.load(path)
  if not chunk then
    error(own, 0)
  end
  M.look(own, file, kept)
  own.os = rawget(environment, "os")
  own.require = environment.require
  return chunk
end

--- require and dofile of what a record kept.
local function code_kept(environment, file, kept)
  local usual, loaded = environment.require, {}
  function environment.require(name)
    local path = kept.modules[name]
    if not path then
      return usual(name)
    elseif loaded[name] == nil then
      local value = load_kept(environment, path, file, kept)(name, path)
      loaded[name] = value == nil or value
    end
    return loaded[name]
  end
  function environment.dofile(path)
    return load_kept(environment, kept.files[path] or blame.fail("%s", closed_to(environment,
      "dofile of what the record did not keep")), file, kept)()
  end
  -- what a script adds to its paths is not looked at: names are enough
  environment.package = setmetatable({ path = "", cpath = "" }, { __metatable = false,
    __index = function(_, name)
      blame.fail("%s", closed_to(environment, ("package.%s: protocol files see nothing of modules"):format(
        tostring(name))))
    end })
end

--- io with the files that a record kept, to be read only.
local function io_kept(environment, kept)
  local function path_of(name, path, mode)
    local is_read = mode == nil or type(mode) == "string" and mode:find("^rb?$") ~= nil
    return is_read and kept.files[path]
      or blame.fail("%s", closed_to(environment, ("io.%s of what the record did not keep"):format(name)))
  end
  return setmetatable({
    open = function(path, mode) return io.open(path_of("open", path, mode), mode) end,
    lines = function(path, ...) return blame.own(io.lines, path_of("lines", path), ...) end,
    type = io.type,
  }, { __metatable = false, __index = function(_, name)
    blame.fail("%s", closed_to(environment, ("io.%s: protocol files see nothing of files"):format(
      tostring(name))))
  end })
end

--- os with what ends the run.
local function os_with(environment, exit)
  return setmetatable({ exit = exit }, { __metatable = false, __index = function()
    blame.fail("%s", closed_to(environment, "os: protocol files see nothing of the system"))
  end })
end

--- An experiment is about to be looked at: run, but of the machine it sees no more than a protocol file.
---@param environment table of load
---@param file string as it was named
---@param kept { modules: table<string, string>, files: table<string, string> }? what a record kept of the
---   files that its script loaded and read, by how it asked for them: it sees these, too
---@param exit fun(code: any)? os.exit, all that it sees of os
function M.look(environment, file, kept, exit)
  looked_at[environment] = file
  environment.math.random = random_of_run
  texts_looked_at(environment)
  environment.os = exit and os_with(environment, exit) or nil
  if kept then
    code_kept(environment, file, kept)
    environment.io = next(kept.files) and io_kept(environment, kept) or nil
  end
end

--- The globals of what is typed at a prompt of a script's: names, what is set there, and what its file sees.
---@param environment table of load
---@param names table<string, any> changed
---@return table names
function M.typed(environment, names)
  names._G = names
  return known_names.guard(names, nil, function(name)
    local value = rawget(environment, name)
    if value == nil and closed[name] then
      return environment[name] -- says why it is not there
    end
    return value
  end, "or not set yet: %s = ...")
end

--- From now on somebody is told when they ask for something that they do not get; at once, if they did.
---@param tell fun()
function M.on_outside(tell)
  tell_outside = tell
  if outside[1] then
    tell()
  end
end

--- What experiments that were looked at asked for and did not get, with their lines.
---@return string[]
function M.outside()
  return outside
end

return M
