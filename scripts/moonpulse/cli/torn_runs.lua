--- Before a run: is there one that was killed and that nobody recovered, of the same participant or at the
--- same port? What it gave counts all the same; but its record is not whole, and somebody has to look at it.
local escapes = require "moonpulse.text.escapes"
local facts_of = require "moonpulse.safety.run_facts"
local read = require "moonpulse.record.read"
local run_lists = require "moonpulse.safety.run_list"
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
function M.say(options, simulated)
  local folders = { options.out, table.unpack(options.older or {}) }
  local ok, found = pcall(run_lists.of, folders, { limit = 0 }, nil, function() end)
  if not ok then -- no run waits for this
    io.stderr:write("moonpulse: note: whether an earlier run was killed cannot be told: ",
      escapes.shown(tostring(found)), "\n")
    return
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
end

return M
