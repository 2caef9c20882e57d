--- Starts the programs that measure: ours, cyclictest, the Python references.
local cjson = require "cjson"
local core = require "moonpulse.core"
local deadlines = require "moonpulse.bench.deadlines"

local M = {}

M.executable = core.executable()
M.folder = M.executable:match("^(.*)/[^/]*$") .. "/bench"
M.bench = M.folder .. "/bench"

--- A word for the shell.
---@param text string
function M.quote(text)
  return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

--- The words as a shell command.
function M.command(...)
  local words = { ... }
  for i, word in ipairs(words) do
    words[i] = M.quote(word)
  end
  return table.concat(words, " ")
end

--- All that a command writes; nil where it failed.
---@param command string
---@return string?
function M.output(command)
  local pipe = assert(io.popen(command, "r"))
  local text = pipe:read("a")
  return pipe:close() and text or nil
end

--- Start one of our measurements; the function that waits for what it prints.
---@param name string
---@param arguments table<string, string|integer> by option
---@return fun(): table
function M.start(name, arguments)
  local words = { M.bench, name }
  for option, value in pairs(arguments or {}) do
    words[#words + 1] = "--" .. option
    words[#words + 1] = value
  end
  local pipe = assert(io.popen(M.command(table.unpack(words)), "r"))
  return function()
    local text = pipe:read("a")
    local ok, result = pcall(cjson.decode, pipe:close() and text or "")
    if not ok then
      error(("%s %s failed"):format(M.bench, name), 0)
    end
    return result
  end
end

--- Run one of our measurements; what it printed.
---@param name string of the measurement, as bench/core knows it
---@param arguments table<string, any> its options
---@return table
function M.measure(name, arguments)
  return M.start(name, arguments)()
end

--- From the start of a program to a line that begins with text, or to its end: seconds, or nil.
---@param text string?
---@param ... string the program and its arguments
---@return number?
function M.start_time(text, ...)
  local words = { M.bench, "start" }
  if text then
    table.move({ "--until", text }, 1, 2, 3, words)
  end
  local command = M.command(table.unpack(words)) .. " -- " .. M.command(...) .. " 2>/dev/null"
  local printed = assert(M.output(command), "bench start failed")
  local result = cjson.decode(printed)
  return result.ok and result.ns / 1e9 or nil
end

--- The processor time that a program takes, with those that it starts and waits for: seconds.
---@param ... string the program and its arguments
---@return number? nil: it failed
function M.cpu_time(...)
  local command = M.command(M.bench, "start") .. " -- " .. M.command(...) .. " 2>/dev/null"
  local printed = assert(M.output(command), "bench start failed")
  local result = cjson.decode(printed)
  return result.ok and result.cpu_us / 1e6 or nil
end

--- Which of the things that we compare with are here.
---@return table { cyclictest = boolean, python = string?, lua = boolean }
function M.peers()
  local peers = {
    cyclictest = M.output("cyclictest -q -t1 -p80 -l1 -i1000 2>/dev/null") ~= nil,
    lua = M.output("lua5.4 -e '' 2>/dev/null") ~= nil,
  }
  for _, python in ipairs { "python3", "/usr/bin/python3" } do
    if not peers.python and M.output(python .. " -c 'import serial' 2>/dev/null") then
      peers.python = python
    end
  end
  return peers
end

local cyclictest_limit_us = 100000

--- cyclictest at the dispatcher's priority; it holds cpu_dma_latency at 0 by itself.
---@param period_us integer
---@param count integer
---@return table? summary of every deadline; own: of the wakes that it counts itself
function M.cyclictest(period_us, count)
  local text = M.output(("cyclictest -q -t1 -m -p80 -i%d -l%d -h%d 2>/dev/null"):format(period_us,
    count, cyclictest_limit_us))
  return text and deadlines.of_cyclictest(text, period_us, cyclictest_limit_us)
end

--- The Python reference as a command.
---@param python string the interpreter
---@param mode string what the loop measures
---@param period_us integer from one turn to the next
---@param count integer turns
---@return string[]
function M.pyserial_command(python, mode, period_us, count)
  return M.command(python, M.folder .. "/pyserial_loop.py", mode, period_us, count)
end

--- Run action beside one busy process a core and one that writes and syncs.
---@param action function
---@return any what action returns
function M.under_load(action, ...)
  local file = M.folder .. "/load.tmp"
  local pipe = assert(io.popen(M.command(M.bench, "load", "--file", file) .. " >/dev/null", "w"))
  M.output("sleep 0.5") -- until they run
  local results = table.pack(pcall(action, ...))
  pipe:close()
  if not results[1] then
    error(results[2], 0)
  end
  return table.unpack(results, 2, results.n)
end

return M
