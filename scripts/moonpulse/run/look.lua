--- Bounds of an experiment that is only looked at (check, show, events). Somebody else may have written it:
--- it gets no further than its own computing (moonpulse.protocol.sandbox), and of that only so much.
local blame = require "moonpulse.text.author_line"
local bytes_read = require "moonpulse.text.bytes_read"
local core = require "moonpulse.core"
local drivers = require "moonpulse.driver.find"

local M = {}

local longest_h = 24 -- of the experiment's own time
local most = { seconds = 60, megabytes = 1024, file_megabytes = 512 } -- of this process
local by_signal = {
  [24] = ("it took more than %d s of computing"):format(most.seconds), -- SIGXCPU
  [25] = ("it recorded more than %d MB"):format(most.file_megabytes), -- SIGXFSZ
}

--- From now on this process is one that looks at an experiment.
function M.begin()
  core.confine(most)
end

-- the library, and what it is built with: nothing else is loaded by its name
local ours = { moonpulse = true, argparse = true, cjson = true, lfs = true, openssl = true, _openssl = true,
  term = true }

local function refuse(name)
  return function()
    error(name .. ": a process that looks at somebody else's record has it no more", 2)
  end
end

--- From now on this process reads a folder that may have been made to harm, and runs nothing of it but the
--- kept text in its sandbox: whatever else goes wrong, no file is loaded as a program, and none is started.
--- There is no way back.
function M.shut()
  M.begin()
  core.shut_in()
  drivers.keep_to_shipped()
  bytes_read.shut()
  table.insert(package.searchers, 1, function(name)
    return not ours[name:match("^[^.]*")] and refuse("require " .. name)() or nil
  end)
  for _, each in ipairs { { _G, "dofile" }, { _G, "loadfile" }, { package, "loadlib" }, { io, "popen" },
    { os, "execute" } } do
    rawset(each[1], each[2], refuse(each[2]))
  end
end

--- Raise, at the script's line, where it goes on for longer than is looked at.
---@param since_ns integer of the run's time
function M.check(since_ns)
  if since_ns > longest_h * 3600 * 1000000000 then
    blame.fail("the experiment goes on for more than %d h, which is as long as it is looked at: does it come "
      .. "to an end?", longest_h)
  end
end

--- Why the process that looked was ended by a signal.
---@param signal integer
---@return string
function M.ended(signal)
  return ("the look at the experiment was ended: %s: does it come to an end?"):format(by_signal[signal]
    or ("by signal %d"):format(signal))
end

return M
