--- Bounds of a process that only looks: at an experiment (check, show, events), or at a record (verify). The
--- text may be somebody else's: it can do nothing but compute (moonpulse.protocol.sandbox), and only so much.
local blame = require "moonpulse.text.author_line"
local bytes_read = require "moonpulse.text.bytes_read"
local core = require "moonpulse.core"
local drivers = require "moonpulse.driver.find"
local refusals = require "moonpulse.text.refusal"

local M = {}

local longest_h = 24 -- of the experiment's own time
-- of this process: a script's may go on for ever; a plan has an end, and may have millions of pulses
local most = { experiment = { seconds = 60, megabytes = 1024, file_megabytes = 512 },
  protocol = { seconds = 900, megabytes = 8192, file_megabytes = 4096 } }

--- What a process that looks at an experiment, or at a protocol's run, may take.
---@param kind "experiment"|"protocol"
---@return { seconds: integer, megabytes: integer, file_megabytes: integer }
function M.most(kind)
  return most[kind]
end

--- From now on this process is one that looks at an experiment, or at a protocol's run.
---@param kind ("experiment"|"protocol")? "experiment" unless it is given
function M.begin(kind)
  core.confine(most[kind or "experiment"])
end

-- the library, and what it is built with: nothing else is loaded by its name
local ours = { moonpulse = true, argparse = true, cjson = true, lfs = true, term = true }

local function refuse(name)
  return function()
    error(name .. ": a process that looks at somebody else's record has it no more", 2)
  end
end

--- From now on this process reads a folder that may have been made to harm, and runs nothing of it but the
--- kept text in its sandbox: whatever else goes wrong, no file is loaded as a program, and none is started.
--- There is no way back. Raises a refusal where the kernel has no part in it.
---@param kind ("experiment"|"protocol")? as for begin
function M.shut(kind)
  M.begin(kind)
  if not core.shut_in() then
    refusals.raise("limit", "the kernel does not shut this process in (seccomp: an old kernel, a container "
      .. "that forbids it, or a processor that is neither x86-64 nor ARM64), so nothing of the folder is run")
  end
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

--- How long an experiment may still go on until check() raises: to wait for longer would only be computed.
---@param since_ns integer of the run's time
---@return number seconds
function M.left_s(since_ns)
  return math.max(0, longest_h * 3600 + 1 - since_ns / 1e9)
end

--- Why the process that looked was ended by a signal.
---@param signal integer
---@param kind ("experiment"|"protocol")? as for begin
---@return string
function M.ended(signal, kind)
  local bound = most[kind or "experiment"]
  local why = signal == 24 and ("it took more than %d s of computing"):format(bound.seconds) -- SIGXCPU
    or signal == 25 and ("it recorded more than %d MB"):format(bound.file_megabytes) -- SIGXFSZ
    or ("by signal %d"):format(signal)
  return ("the look at the %s was ended: %s: does it come to an end?"):format(kind or "experiment", why)
end

--- Why the process that looked was ended by the one that had started it.
---@param seconds number
---@return string
function M.too_long(seconds)
  return ("the look was ended after %g s: does it come to an end?"):format(seconds)
end

return M
