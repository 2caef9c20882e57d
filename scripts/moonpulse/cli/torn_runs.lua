--- Before a run: is there one that was killed and that nobody recovered, of the same participant or at the
--- same port, or, where nobody is named, the one before this? What it gave counts all the same; but its
--- record is not whole, and somebody has to look at it.
local escapes = require "moonpulse.text.escapes"
local facts_of = require "moonpulse.safety.run_facts"
local lfs = require "lfs"
local opened = require "moonpulse.record.opened"
local read = require "moonpulse.record.read"
local records = require "moonpulse.cli.records_option"
local to_type = require "moonpulse.text.to_type"

local M = {}

local most = 3 -- that are named one by one

--- A record has a port without its folder, an older one with it.
local function name_of(port)
  return tostring(port):match("[^/]+$")
end

--- Why it matters to this run; nil: it does not.
local function concern(run, options, simulated)
  local manifest = read.manifest(run.path .. "/manifest.json")
  if not manifest then
    return nil
  end
  local who = options.participant and facts_of.key(options.participant)
  local port = not simulated and options.port
  if who and facts_of.key(read.get(manifest, "participant")) == who then
    return "a run of " .. options.participant
  elseif port and name_of(port) == name_of(read.get(manifest, "device.port")) then
    return "the last run at " .. port
  end
end

--- Say so on standard error.
---@param options table of run, with out and older settled
---@param simulated boolean
---@return boolean said there is one, or it cannot be told
function M.say(options, simulated)
  local folders = { options.out, table.unpack(options.older or {}) }
  -- loaded for those who stimulate somebody
  local ok, found = pcall(require("moonpulse.safety.run_list").of, folders, { limit = 0 }, nil,
    function() end)
  if not ok then -- no run waits for this
    io.stderr:write("moonpulse: note: whether an earlier run was killed cannot be told: ",
      escapes.shown(tostring(found)), "\n")
    return true
  end
  local count = 0
  for _, run in ipairs(found.torn) do
    local why = concern(run, options, simulated)
    if why then
      count = count + 1
      if count <= most then
        io.stderr:write("moonpulse: note: ", escapes.shown(("%s was killed, and its record is not whole: "
          .. "%s"):format(why, to_type.recover(run.path))), "\n")
      end
    end
  end
  if count > most then
    io.stderr:write(("moonpulse: note: and %d more were: moonpulse runs --recover\n"):format(count - most))
  end
  return count > 0
end

--- Say it of the newest runs of a folder, in one line: of those since the last one that ended. So each is
--- told once, when the next run begins. What still goes on, or never began, is passed over.
---@param out string which is there
function M.say_newest(out)
  local newest, more, names = nil, 0, {}
  for name in lfs.dir(out) do
    names[#names + 1] = name:find(records.run_name) and name or nil
  end
  table.sort(names, function(a, b) return a > b end)
  for _, name in ipairs(names) do
    local path = out .. "/" .. name
    local manifest = read.manifest(path .. "/manifest.json")
    local status = manifest and read.get(manifest, "status")
    if status and status ~= "running" then
      break
    elseif status and not opened.is_running(path) then
      newest, more = newest or path, more + (newest and 1 or 0)
    end
  end
  if newest then
    local others = more == 1 and "was the one" or ("were the %d"):format(more)
    io.stderr:write("moonpulse: note: ", escapes.shown(("the last run was killed, and its record is not "
      .. "whole: %s%s"):format(to_type.recover(newest), more > 0 and ("; so %s before it: moonpulse runs "
      .. "--recover"):format(others) or "")), "\n")
  end
end

return M
