--- Errors that name the author's line, not ours.
local in_order = require "moonpulse.text.in_order"

local M = {}

local library = debug.getinfo(1, "S").source:match("^@(.*)text/author_line%.lua$")

-- how the sources of the library's functions begin
M.ours = "@" .. (library or "\0")

--- Does a function's source, as debug.getinfo gives it, belong to the library?
---@param source string
---@return boolean
function M.is_ours(source)
  return library ~= nil and source:sub(2, #library + 1) == library
end

-- Functions of the library and of C. Each part of a plan asks for its author's line, and most of the way to
-- it is the same each time.
local passed = setmetatable({}, { __mode = "k" })

--- The script line that called into the library: "itbs.lua:14", or "" where there is none.
---@return string
function M.origin()
  local level = 2
  while true do
    local of = debug.getinfo(level, "f")
    if not of then
      return ""
    elseif not passed[of.func] then
      local info = debug.getinfo(level, "Sl")
      if info.what == "C" or M.is_ours(info.source) then
        passed[of.func] = true
      elseif info.currentline > 0 then
        return ("%s:%d"):format(info.short_src, info.currentline)
      end
    end
    level = level + 1
  end
end

local longest = 1000 -- bytes of a message

--- What an error value says, whatever it is: an error may be any value, and its __tostring may fail. Control
--- characters and bytes that are no UTF-8 are escaped, what is too long is cut.
---@param problem any
---@return string
function M.text(problem)
  if problem == nil then
    return "an error without words (nil)"
  elseif type(problem) == "table" and type(rawget(problem, "message")) == "string" then
    problem = rawget(problem, "message")
  end
  local ok, text = pcall(tostring, problem)
  if not ok then
    return ("an error that is a %s whose __tostring fails: %s"):format(type(problem),
      type(text) == "string" and M.text(text) or type(text))
  elseif text:match("^%a+: 0x%x+$") and type(problem) ~= "string" then
    return ("an error that is a %s without words"):format(type(problem))
  end
  local length = #text
  if length > longest then
    text = text:sub(1, (utf8.offset(text, 0, longest + 1) or longest + 1) - 1)
  end
  text = text:gsub("[\0-\8\11-\31\127]", function(c) return ("\\x%02x"):format(c:byte()) end)
  if not utf8.len(text) then
    text = text:gsub("[\128-\255]", function(c) return ("\\x%02x"):format(c:byte()) end)
  end
  return length > longest and ("%s ... (%d bytes)"):format(text, length) or text
end

--- Raise an error that starts with the author's line.
---@param text string what is wrong and what to do (a format)
function M.fail(text, ...)
  local origin = M.origin()
  local message = select("#", ...) > 0 and text:format(...) or text
  -- an address is another one in each run
  message = message:gsub("%f[%w](%a[%w._]*): 0x%x+", "a %1"):gsub("file %(0x%x+%)", "a file")
  error(origin ~= "" and origin .. ": " .. message or message, 0)
end

--- Call an engine function; its refusal becomes an error at the author's line.
---@generic T
---@param call fun(...): T
---@return T
function M.build(call, ...)
  local ok, result = pcall(call, ...)
  if not ok then
    M.fail("%s", tostring(result))
  end
  return result
end

--- Call a function of Lua's own for a wrapper that returns this call (so its own frame is gone): what it
--- raises, such as that there is no such file, is raised at the line of the wrapper's caller.
---@param call fun(...): any
---@return any ... what it returns
function M.own(call, ...)
  local results = table.pack(pcall(call, ...))
  if not results[1] and type(results[2]) == "string" then -- Lua's own words: "rep", not "string.rep"
    error((results[2]:gsub("^(bad argument #%d+ to ')[%w_]+%.", "%1")), 2)
  elseif not results[1] then
    error(results[2], 0)
  end
  return table.unpack(results, 2, results.n)
end

local function names_of(known)
  local names = in_order.keys(known)
  return table.concat(names, ", ")
end

-- what the field says, and others' programs, for an option of ours
local other_words = {
  freq = { "hz" }, frequency = { "hz" }, rate = { "hz" }, theta = { "theta_hz" }, n = { "pulses", "count" },
  number = { "pulses", "count" }, amplitude = { "intensity" }, strength = { "intensity" },
  power = { "intensity" }, interval = { "every", "isi" }, period = { "every" }, repeats = { "count" },
  jitter = { "shortest", "longest" }, random = { "shortest", "longest" },
}

--- " (did you mean hz?)", or "" where no option is like it.
local function question(key, known)
  local meant = require "moonpulse.text.meant" -- for a refusal only
  local near = {}
  for _, name in ipairs(type(key) == "string" and other_words[key:lower()] or {}) do
    near[#near + 1] = known[name] and name or nil
  end
  if not near[1] and type(key) == "string" then
    near = meant.near(key, in_order.keys(known), #key > 3 and 2 or 1)
  end
  local asked = meant.question(near)
  return asked and (" (%s)"):format(asked) or ""
end

local behind = "write it behind the plan: :times(n, { every = seconds from onset to onset }), or "
  .. ":times(n, { gap = seconds from the end to the next onset })"
local periods = {
  times = "write every = seconds from onset to onset, or gap = seconds from the end to the next onset",
  trials = "write every = seconds from onset to onset, or shortest = and longest = where it is drawn",
  theta_burst = "write off = seconds from the end of a train to the next one, with cycles = how many",
}

--- What there is instead of an option for the time between two of them; nil: key is no such option.
local function instead_of(who, key)
  if key == "iti" then
    return "iti means three things in this field (period, gap, silence): " .. (periods[who] or behind)
  elseif key == "gap" or key == "every" then
    return ("there is no option %q: %s"):format(key, periods[who] or behind)
  end
end

--- The option that nobody leaves out, else any.
local function first_needed(known)
  local first
  for name, kind in pairs(known) do
    if kind:sub(1, 1) ~= "?" and (not first or name < first) then
      first = name
    end
  end
  return first or names_of(known):match("^[^,]+")
end

--- May a decimal comma have cut a number in two? Then one part has a name, the other is digits alone.
local function has_comma(options)
  local named = false
  for key in pairs(options) do
    named = named or type(key) == "string"
  end
  return named and math.type(options[1]) == "integer"
end

local function has_unknown(options, known)
  for key in pairs(options) do
    if not known[key] then
      return true
    end
  end
  return false
end

--- Check an option table: it is one, and has no key that nobody reads.
---@param who string the function, for the message
---@param options any
---@param known table<string, string> key -> "number", "plan", ...; a leading "?" makes it optional
---@return table options
function M.options(who, options, known)
  if type(options) ~= "table" then
    M.fail("%s: a table of options expected, like %s{ ... }, not %s", who, who, type(options))
  end
  for _, key in ipairs(has_unknown(options, known) and in_order.keys(options) or {}) do
    local instead = not known[key] and instead_of(who, key)
    if instead then
      M.fail("%s: %s", who, instead)
    elseif not known[key] and math.type(key) and has_comma(options) then
      M.fail("%s: there is no option %q: %s stands alone: a number is written with a point, like 2.5, not "
        .. "with a comma; known: %s", who, tostring(key), tostring(options[key]), names_of(known))
    elseif not known[key] and math.type(key) then
      M.fail("%s: its value number %s has no name: write %s { %s = ... }; known: %s", who, tostring(key), who,
        first_needed(known), names_of(known))
    elseif not known[key] then
      M.fail("%s: there is no option %q; known: %s%s", who, tostring(key), names_of(known),
        question(key, known))
    end
  end
  local missing -- of several the same one in every run
  for key, kind in pairs(known) do
    local is_missing = options[key] == nil and kind:sub(1, 1) ~= "?"
    missing = is_missing and (not missing or key < missing) and key or missing
  end
  if missing then
    M.fail("%s: %s is missing (%s)", who, missing, known[missing])
  end
  return options
end

return M
