--- Gives a folder to the commands that read folders, and says what may never happen.
local cli = require "moonpulse.cli"
local escapes = require "moonpulse.text.escapes"
local history = require "moonpulse.safety.history"
local progress = require "progress"
local reports = require "moonpulse.report"
local verify = require "moonpulse.verify"

local M = {}

-- a sanitizer slows the program down, and not the loop of Lua's that it is compared with
local slowed = (os.getenv "MOONPULSE" or arg and arg[-1] or ""):find("sanitize", 1, true) and 10 or 1
local MOST_S, MOST_LOOPS, LOOPS = 5 * slowed, 40 * slowed, 8

--- Computing that takes about 0.13 s where nothing else runs; seconds.
local function loop()
  local began, sum = os.clock(), 0
  for i = 1, 20000000 do
    sum = sum + i % 7
  end
  return os.clock() - began
end

--- So much computing for one command? A busy computer makes the same work longer, now more and now less:
--- then by the slowest of some loops of ours.
local function is_long(seconds)
  if seconds <= MOST_S then
    return false
  end
  local slowest = 0
  for _ = 1, LOOPS do
    slowest = math.max(slowest, loop())
  end
  return seconds > MOST_LOOPS * slowest
end

--- Call it as the command line would, with what it prints.
local function watched(call)
  local began, printed, say, write = progress.own_s(), {}, print, io.stderr
  print = function(...) -- luacheck: ignore
    for _, each in ipairs { ... } do
      printed[#printed + 1] = tostring(each)
    end
  end
  io.stderr = { write = function(self, ...) -- luacheck: ignore
    for _, each in ipairs { ... } do
      printed[#printed + 1] = tostring(each)
    end
    return self
  end, flush = function() end }
  local ok, problem = pcall(call, function(text) printed[#printed + 1] = text end)
  print, io.stderr = say, write -- luacheck: ignore
  if not ok then
    printed[#printed + 1] = (type(problem) == "table" and "" or "raw: ")
      .. cli.explain(problem)
  end
  return table.concat(printed, "\n"), progress.own_s() - began
end

--- What is wrong with what a command said; nil: nothing.
function M.fault_of(text, seconds)
  if is_long(seconds) then
    return ("%.1f s"):format(seconds)
  elseif text:find("%.lua:%d+:") or text:find("attempt to", 1, true) or text:find("^raw: ")
    or text:find("bad argument", 1, true) or text:find("stack traceback", 1, true) then
    return "a Lua error: " .. text
  elseif text:find("[^%g%s\128-\255]") or text:find("[\r\v\f]") then
    return ("a control character: %q"):format(text)
  elseif text:find("[:;] nil[^%w]") or text:find("table: 0x", 1, true) then
    return "something that is not there is shown: " .. text
  end
end

local calls = {}

function calls.history(path, out, say)
  local found = history.of(out, "P07", nil, true)
  say(history.line(found, "P07"))
  say(table.concat(found.notes, "\n"))
  local good = false
  for _, run in ipairs(found.runs) do
    good = good or run.path == out .. "/good"
  end
  if not good then
    error("the good folder beside it does not count: " .. path, 0)
  end
end

function calls.check(_, out)
  local command = require "moonpulse.commands.check"
  command.run(command.parser():parse { "single", "--rmt", "40", "--participant", "P07", "--out", out })
end

function calls.report(path, _, say)
  local _, why = reports.write(path)
  say(why and escapes.shown(why) or "")
end

function calls.verify(path, _, say)
  local found, message = verify.folder(path, {})
  say(escapes.shown(message or "", true))
  for _, each in ipairs(found and found.differs or {}) do
    say(escapes.shown(each.file .. ": " .. each.text, true))
  end
  say(escapes.shown(table.concat(found and found.unchecked or {}, "\n"), true))
  say(escapes.shown(table.concat(found and found.notes or {}, "\n"), true))
end

function calls.recover(path)
  require("moonpulse.commands.recover").run { run = path }
end

--- Everything that is wrong, a sentence each.
---@param path string of the damaged folder
---@param out string where it lies, beside a folder "good"
---@param more boolean? the whole of check too, which takes longer
---@return string[]
function M.all(path, out, more)
  local found = {}
  for _, name in ipairs { "history", "check", "report", "verify", "recover", "history", "report",
    "verify" } do
    if name ~= "check" or more then
      local fault = M.fault_of(watched(function(say) calls[name](path, out, say) end))
      found[#found + 1] = fault and name .. ": " .. fault or nil
    end
  end
  return found
end

return M
