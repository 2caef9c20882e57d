--- The debug package of an experiment's script: it looks at and changes what is the script's own. Moonpulse's
--- functions run in the same Lua, beneath the script's: a variable of theirs that is changed, or a hook that
--- raises in them, would end the run with its record open.
local blame = require "moonpulse.text.author_line"

local M = {}

--- Is a function the script's own? So are levels that there are not: Lua says what is wrong with them.
local function is_own(info)
  return not info or info.what ~= "C" and not blame.is_ours(info.source)
end

--- What a function of Lua's own returns; its error at the author's line.
local function pass(call, ...)
  local results = table.pack(pcall(call, ...))
  if not results[1] then
    blame.fail("%s", tostring(results[2]))
  end
  return table.unpack(results, 2, results.n)
end

local function refuse(name)
  blame.fail("debug.%s: that function is Moonpulse's or Lua's own: a script sets the variables of its own "
    .. "functions", name)
end

--- getlocal, setlocal: of a function that runs (a level, of a thread where one is given), or of a function.
local function guard_local(own, name, sets)
  local call = debug[name]
  own[name] = function(...)
    local thread, of = ...
    local info, level
    if type(thread) == "thread" then
      info = math.tointeger(of) and debug.getinfo(thread, math.tointeger(of), "S")
    else
      level = math.tointeger(thread)
      info = (level or type(thread) == "function") and debug.getinfo(level and level + 1 or thread, "S")
    end
    if not is_own(info or nil) then
      return sets and refuse(name) or nil
    elseif level then
      return pass(call, level + 2, select(2, ...)) -- beyond pcall, and pass in place of this function
    end
    return pass(call, ...)
  end
end

--- Of the variables that a function keeps: the function is the argument of these numbers.
local function guard_upvalue(own, name, sets, ...)
  local call, positions = debug[name], { ... }
  own[name] = function(...)
    local given = { ... }
    for _, position in ipairs(positions) do
      local of = given[position]
      if type(of) == "function" and not is_own(debug.getinfo(of, "S")) then
        return sets and refuse(name) or nil
      end
    end
    return pass(call, ...)
  end
end

--- Guard a script's own debug package.
---@param own table a copy of debug
function M.guard(own)
  guard_local(own, "getlocal", false)
  guard_local(own, "setlocal", true)
  guard_upvalue(own, "getupvalue", false, 1)
  guard_upvalue(own, "setupvalue", true, 1)
  guard_upvalue(own, "upvalueid", false, 1)
  guard_upvalue(own, "upvaluejoin", true, 1, 3)
  function own.sethook(...)
    local of, hook = ...
    if type(of) == "function" or type(hook) == "function" then
      blame.fail("debug.sethook: a hook would run within Moonpulse's own functions, too, and Moonpulse ends "
        .. "a script that does not return by one of its own: a script has none")
    end
    return pass(debug.sethook, ...)
  end
  function own.getregistry()
    blame.fail "debug.getregistry: the registry is Moonpulse's own, which a script does not see"
  end
end

return M
